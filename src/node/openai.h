/* node/openai.h - OpenAI's API over the models of this node: /v1/models, /v1/chat/completions and /v1/completions. */
#ifndef WEFT_NODE_OPENAI_H
#define WEFT_NODE_OPENAI_H

#include "node/call.h"

/* Of a request: then 413. No context is as long, and a parsed JSON takes many times its text. */
#define WEFT_OPENAI_BODY_MAX ((size_t)8 * 1024 * 1024)

/* Ends the call sooner or later. The node has no upstream. */
void weft_openai_call(struct weft_call *call);

#endif
