/* sys/resolve.c - names to addresses, on a worker thread. */
#include "sys/inside.h"

#include "base/error.h"
#include "base/mem.h"

#define ADDRESSES_MAX 16  /* of one name; more are not told */
#define NAME_MAX_SIZE 254 /* RFC 1035: 253 characters as text, and the NUL */

struct question {
    uv_getaddrinfo_t request;
    struct weft_task soon; /* for an answer that needs no asking */
    struct weft_sys *sys;
    void (*done)(void *self, int status, const struct weft_address *addresses, size_t count);
    void *self;
    uint16_t port;
    struct weft_address address;
};

static void answer(struct question *question, int status, const struct weft_address *addresses, size_t count)
{
    struct weft_sys *sys = question->sys;
    void (*done)(void *, int, const struct weft_address *, size_t) = question->done;
    void *self = question->self;
    weft_free(question);
    weft_sys_job_end(sys);
    if (!sys->over) {
        done(self, status, addresses, count);
    }
}

static void on_soon(struct weft_task *task)
{
    struct question *question = WEFT_CONTAINER(task, struct question, soon);
    struct weft_address address = question->address;
    answer(question, 0, &address, 1);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct question *question = WEFT_CONTAINER(request, struct question, request);
    struct weft_address addresses[ADDRESSES_MAX];
    size_t count = 0;
    for (const struct addrinfo *at = list; status == 0 && at && count < ADDRESSES_MAX; at = at->ai_next) {
        if (weft_sys_address_print(at->ai_addr, &addresses[count]) == 0) {
            addresses[count++].port = question->port;
        }
    }
    uv_freeaddrinfo(list);
    if (status == 0 && count == 0) {
        status = UV_EAI_NODATA;
    }
    answer(question, weft_sys_error(status), addresses, count);
}

int weft_resolve(struct weft_host *host, const char *name, uint16_t port,
                 void (*done)(void *self, int status, const struct weft_address *addresses, size_t count), void *self)
{
    struct weft_sys *sys = WEFT_CONTAINER(host, struct weft_sys, host);
    size_t size = strnlen(name, NAME_MAX_SIZE);
    if (size == 0 || size == NAME_MAX_SIZE) {
        return WEFT_ERR_INVALID;
    }
    int status = weft_sys_job_begin(sys);
    if (status < 0) {
        return status;
    }
    struct question *question = weft_zalloc(sizeof(*question));
    if (!question) {
        weft_sys_job_end(sys);
        return WEFT_ERR_MEMORY;
    }
    question->sys = sys;
    question->done = done;
    question->self = self;
    question->port = port;
    weft_task_init(&question->soon, on_soon);
    if (size < sizeof(question->address.text)) {
        question->address.port = port;
        memcpy(question->address.text, name, size);
        struct sockaddr_storage unused;
        socklen_t unused_size;
        if (weft_sys_address_parse(&question->address, &unused, &unused_size) == 0) {
            weft_sys_soon(sys, &question->soon);
            return 0;
        }
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    status = uv_getaddrinfo(&sys->loop, &question->request, on_resolved, name, NULL, &hints);
    if (status < 0) {
        weft_free(question);
        weft_sys_job_end(sys);
        return weft_sys_error(status);
    }
    return 0;
}
