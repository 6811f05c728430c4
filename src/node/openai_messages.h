/* node/openai_messages.h - the conversation and the tools of a chat: checked, and said again for an engine. */
#ifndef WEFT_NODE_OPENAI_MESSAGES_H
#define WEFT_NODE_OPENAI_MESSAGES_H

#include "node/openai_request.h"

/* Checks request->messages, tools and the choice among them, and settles the latter. */
WEFT_MUST_USE int weft_openai_messages_check(const struct weft_openai_request *request,
                                             struct weft_openai_error *error);
WEFT_MUST_USE int weft_openai_tools_check(struct weft_openai_request *request, struct weft_openai_error *error);

/* Write one value each. Only what was checked goes on. */
void weft_openai_messages_write(const struct weft_openai_request *request, struct weft_json *json);
void weft_openai_tools_write(const struct weft_openai_request *request, struct weft_json *json);

#endif
