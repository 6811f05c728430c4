/* engine/service.h - what the engine answers over its socket: HTTP/2, one exchange per request.
 *
 * GET /info, GET /load, POST /generate (the native stream), /score, /embed, /tokenize, /detokenize, /threads. Runs on
 * the main thread, as the guest of a host; the model is loaded and computes on others. */
#ifndef WEFT_ENGINE_SERVICE_H
#define WEFT_ENGINE_SERVICE_H

#include "engine/backend.h"
#include "engine/model.h"
#include "engine/options.h"
#include "host/host.h"
#include "wire/engine_page.h"

struct weft_service;

struct weft_service_options {
    struct weft_host *host;
    struct weft_socket *socket; /* our end of the pair */
    const struct weft_engine_options *engine;
    const struct weft_backend *backend;
    const char *sandbox_level;
    struct weft_engine_page *page; /* where it counts for its node; NULL: nobody reads */
    const char *problem;           /* NULL, or why there is no sense in loading: then the model has failed already */
    void (*poke)(void *self);      /* thread-safe: runs the guest's turn soon */
    /* The socket is closed: the node has gone, or `error`, WEFT_ERR_MEMORY, has ended the connection to it. */
    void (*ended)(void *self, int error);
    void *self;
};

WEFT_MUST_USE int weft_service_new(struct weft_service **out, const struct weft_service_options *options);
void weft_service_free(struct weft_service *service);
struct weft_guest weft_service_guest(struct weft_service *service);

#endif
