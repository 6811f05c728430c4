/* node/openai_error.h - what is wrong with a request, as OpenAI's clients expect to be told. */
#ifndef WEFT_NODE_OPENAI_ERROR_H
#define WEFT_NODE_OPENAI_ERROR_H

#include "base/bytes.h"
#include "base/types.h"

#define WEFT_OPENAI_PARAM_MAX   96
#define WEFT_OPENAI_CODE_MAX    48
#define WEFT_OPENAI_MESSAGE_MAX 512

/* Holds nothing of what the client sent but the places of things: it may be content. */
struct weft_openai_error {
    int status;
    char code[WEFT_OPENAI_CODE_MAX];   /* a word for programs */
    char param[WEFT_OPENAI_PARAM_MAX]; /* what it is about, "messages[2].role"; empty: the request as a whole */
    char message[WEFT_OPENAI_MESSAGE_MAX];
    int retry_s; /* worth another try after so many seconds; 0: nothing is known */
};

/* What is too long for its place is cut. */
void weft_openai_error_set(struct weft_openai_error *error, int status, const char *code, const char *format, ...)
    WEFT_PRINTF(4, 5);

/* Of a request that cannot be read as it is: status 400. Returns WEFT_ERR_INVALID, for whoever checks. */
WEFT_MUST_USE int weft_openai_wrong(struct weft_openai_error *error, const char *param, const char *code,
                                    const char *format, ...) WEFT_PRINTF(4, 5);

/* Appends {"error":{"message":…,"type":…,"param":…,"code":…}}. */
WEFT_MUST_USE int weft_openai_error_write(const struct weft_openai_error *error, struct weft_bytes *out);

#endif
