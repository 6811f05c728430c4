/* tests/unit/node/outsider.h - a server of OpenAI's API that is not ours, played: it says what it is told to say. */
#ifndef WEFT_TESTS_UNIT_NODE_OUTSIDER_H
#define WEFT_TESTS_UNIT_NODE_OUTSIDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"

#define OUTSIDER_AT      "10.0.0.8:8080"
#define OUTSIDER_PEERS   72
#define OUTSIDER_ANSWERS 4
#define OUTSIDER_MODELS                                                                                                \
    "{\"object\":\"list\",\"data\":[{\"id\":\"m:1b\",\"owned_by\":\"llamacpp\"},{\"id\":\"other\"}]}"
#define OUTSIDER_EVENTS "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n"
#define OUTSIDER_CHUNK(text)                                                                                           \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"},\"finish_reason\":null}]}\n\n"
#define OUTSIDER_STOP                                                                                                  \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"                                  \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n"

static struct weft_raw outsider_peers[OUTSIDER_PEERS];

static struct outsider {
    struct weft_host *host;
    struct weft_raw_server at;
    bool listens, goes; /* `goes`: it dies when it has told its models */
    const char *models; /* what GET /v1/models is answered; NULL: nothing */
    int models_status;
    const char *answers[OUTSIDER_ANSWERS]; /* what the POSTs are answered one after the other, head and all; NULL:
                                              nothing. The last one holds for all that follow */
    bool cuts;                             /* and then the connection breaks */
    size_t checks, posts;
    char heard[4096]; /* the last request */
    char asked[4096]; /* the last POST */
} outsider;

/* It is killed. */
static inline void outsider_die(void)
{
    if (outsider.listens) {
        weft_raw_unlisten(&outsider.at);
        outsider.listens = false;
        weft_world_poke(outsider.host);
    }
}

static inline void outsider_tell_models(struct weft_raw *raw)
{
    char bytes[1024];
    outsider.checks++;
    if (outsider.models) {
        (void)snprintf(bytes, sizeof(bytes),
                       "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       outsider.models_status, strlen(outsider.models), outsider.models);
        weft_raw_text(raw, bytes);
    }
    if (outsider.goes) {
        outsider_die();
    }
}

static inline void outsider_answer(struct weft_raw *raw)
{
    const char *answer = outsider.answers[0];
    for (size_t i = 1; i <= outsider.posts && i < OUTSIDER_ANSWERS; i++) {
        answer = outsider.answers[i] ? outsider.answers[i] : answer;
    }
    outsider.posts++;
    if (answer) {
        weft_raw_text(raw, answer);
        if (strstr(answer, "Connection: close") || outsider.cuts) {
            weft_raw_close(raw, false); /* a reset would take back what was said */
        }
    }
}

/* Requests come one after the other on a connection, each of them whole once its body is. */
static inline void outsider_hear(struct weft_raw *raw)
{
    const char *end = strstr(raw->in, "\r\n\r\n"), *length = strstr(raw->in, "ontent-length: ");
    if (!length) {
        length = strstr(raw->in, "ontent-Length: ");
    }
    size_t body = length && length < end ? strtoul(length + 15, NULL, 10) : 0;
    if (!end || raw->in_size < (size_t)(end + 4 - raw->in) + body) {
        return;
    }
    assert_in_range(raw->in_size, 1, sizeof(outsider.heard) - 1);
    memcpy(outsider.heard, raw->in, raw->in_size + 1);
    weft_raw_drop(raw, raw->in_size);
    if (strncmp(outsider.heard, "GET ", 4) == 0) {
        outsider_tell_models(raw);
    } else {
        memcpy(outsider.asked, outsider.heard, sizeof(outsider.asked));
        outsider_answer(raw);
    }
}

static inline void outsider_accept(struct weft_raw *raw)
{
    raw->changed = outsider_hear;
}

static inline void outsider_listen(void)
{
    outsider.at = (struct weft_raw_server){
        .host = outsider.host, .at = outsider_peers, .count = OUTSIDER_PEERS, .accepted = outsider_accept};
    weft_raw_listen(&outsider.at, OUTSIDER_AT);
    outsider.listens = true;
}

static inline void outsider_begin(struct weft_world *world)
{
    outsider = (struct outsider){.models = OUTSIDER_MODELS, .models_status = 200};
    outsider.host = weft_world_host(world, "outsider");
    memset(outsider_peers, 0, sizeof(outsider_peers));
    outsider_listen();
}

#endif
