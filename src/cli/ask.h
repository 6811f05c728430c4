/* cli/ask.h - one HTTP request to a node, and its answer as it comes; for commands that talk to a running node. */
#ifndef WEFT_CLI_ASK_H
#define WEFT_CLI_ASK_H

#include "http/exchange.h"
#include "node/config.h"
#include "wire/url.h"

struct weft_ask {
    struct weft_url url;
    struct weft_slice key; /* the API key, or empty */
    const char *method, *path;
    struct weft_slice body; /* JSON, or empty */
    /* The answer's head, once, then its body in pieces. A negative return ends the request. */
    int (*head)(void *self, const struct weft_answer_head *head);
    int (*received)(void *self, struct weft_slice bytes);
    void *self;
};

/* Runs until the answer is whole (0), or Ctrl-C (WEFT_ERR_CANCELLED: the node is told), or something fails; then
 * *problem says what and what to do. */
WEFT_MUST_USE int weft_ask_run(const struct weft_ask *ask, struct weft_config_problem *problem);

#endif
