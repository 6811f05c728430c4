/* node/mesh_routes.c - what other nodes ask over links: who is there, and to be admitted. */

#include "base/error.h"
#include "base/mem.h"
#include "node/errand.h"
#include "node/mesh.h"
#include "node/posting.h"
#include "wire/hello.h"

#define ADMIT_PATH "/mesh/v1/admit"

static const struct weft_refusal unread = {400, "malformed", "The body must be a record as docs/PROTOCOL.md has it."};
static const struct weft_refusal no_mesh = {409, "no_mesh",
                                            "This node is in no mesh: it was told of none, or has left."};
static const struct weft_refusal no_version = {
    409, "protocol_unknown",
    "This node speaks version 1 of the mesh's protocol, and what came is of a newer one, or of none that it speaks: "
    "the older of the two programs must be updated."};
static const struct weft_refusal stranger = {
    403, "not_a_member", "This node's key is in no certificate that has been shown here: post your hello."};
static const struct weft_refusal no_gateway = {
    409, "no_gateway", "This node is no gateway: it gossips with those that it has attached itself to."};
static const struct weft_refusal crowded = {503, "busy", "This gateway has no room for another node: try another one."};

static void wait_for(struct weft_call *call, void (*wake)(void *self, struct weft_exchange *exchange))
{
    weft_exchange_want_body(call->exchange);
    weft_exchange_attach(call->exchange, WEFT_WORKER, wake, call);
}

/* The whole body, which came: how many bytes. */
static size_t take_body(struct weft_exchange *exchange, char *out)
{
    const struct weft_bytes *bytes = &exchange->flows[WEFT_REQUEST].bytes;
    size_t size = weft_bytes_tail(bytes, out, bytes->size);
    weft_exchange_take(exchange, WEFT_REQUEST, size);
    return size;
}

/* -- hellos -- */

static void answer_hello(struct weft_call *call)
{
    const struct weft_mesh_state *state = weft_mesh_state_of(call->front->mesh);
    const struct weft_hello hello = {.key = call->front->key,
                                     .least = WEFT_PROTOCOL_LEAST,
                                     .most = WEFT_PROTOCOL_MOST,
                                     .chain = state ? weft_mesh_state_chain(state) : weft_slice(NULL, 0),
                                     .version = weft_slice_text(call->front->version)};
    uint8_t record[WEFT_HELLO_MAX];
    struct weft_bytes body = {0};
    int64_t size = weft_hello_write(&hello, record);
    int error = size < 0 ? (int)size : weft_bytes_append(&body, record, (size_t)size);
    weft_call_answer(call, 200, WEFT_SLICE(WEFT_HELLO_TYPE), &body, error);
}

static void hear_hello(struct weft_call *call, struct weft_slice record)
{
    const struct weft_mesh_state *state = weft_mesh_state_of(call->front->mesh);
    struct weft_hello hello;
    int error = weft_hello_read(record, &hello);
    if (!state || !weft_mesh_state_membership(state)) {
        weft_call_refuse(call, &no_mesh);
    } else if (error == WEFT_ERR_UNSUPPORTED || (error == 0 && weft_hello_protocol(&hello) == 0)) {
        weft_call_refuse(call, &no_version);
    } else if (error < 0 || !weft_key_equal(&hello.key, &call->caller.key)) {
        weft_call_refuse(call, &unread);
    } else {
        enum weft_verdict verdict = weft_mesh_meet(call->front->mesh, &hello.key, hello.chain, &error);
        if (verdict != WEFT_VERDICT_MEMBER) {
            weft_call_refuse(call, &(const struct weft_refusal){403, "not_a_member", weft_verdict_text(verdict)});
        } else if (error < 0) {
            weft_call_put_off(call, &crowded, WEFT_CALL_RETRY_S);
        } else {
            answer_hello(call);
        }
    }
}

static void hello_wake(void *self, struct weft_exchange *exchange)
{
    struct weft_call *call = self;
    char record[WEFT_HELLO_MAX];
    if (weft_errand_body_came(call, sizeof(record))) {
        hear_hello(call, weft_slice(record, take_body(exchange, record)));
    }
}

void weft_call_hello(struct weft_call *call)
{
    if (weft_slice_equal(call->exchange->request.method, WEFT_SLICE("POST"))) {
        wait_for(call, hello_wake);
    } else if (call->principal == WEFT_ANONYMOUS) {
        weft_call_refuse(call, &stranger);
    } else {
        answer_hello(call);
    }
}

/* -- applications -- */

static void on_admission(void *self, struct weft_slice admission)
{
    struct weft_call *call = weft_errand_end(self);
    struct weft_bytes body = {0};
    if (call) {
        int error = weft_bytes_append(&body, admission.data, admission.size);
        weft_call_answer(call, 200, WEFT_SLICE(WEFT_APPLYING_TYPE), &body, error);
    }
}

static void answer_refusal(struct weft_errand *errand, enum weft_refused refusal)
{
    uint8_t record[WEFT_ADMISSION_MAX];
    int64_t size = weft_admission_write(&(const struct weft_admission){.refusal = refusal}, record);
    on_admission(errand, weft_slice(record, size > 0 ? (size_t)size : 0));
}

/* An application on its way to the gateway whose invite it is about. */
struct passing {
    struct weft_posting posting;
    struct weft_errand *errand;
};

static void on_passed(void *self, int status, struct weft_slice answer)
{
    struct passing *passing = self;
    struct weft_errand *errand = passing->errand;
    struct weft_admission read;
    weft_free(passing);
    if (status == 200 && weft_admission_read(answer, &read) == 0) {
        on_admission(errand, answer);
    } else {
        answer_refusal(errand, WEFT_REFUSAL_ISSUER_AWAY);
    }
}

static void pass_on(struct weft_errand *errand, const struct weft_key *issuer, struct weft_slice application)
{
    struct weft_link *link = weft_mesh_link_to(errand->front->mesh, issuer);
    struct passing *passing = link ? (struct passing *)weft_zalloc(sizeof(*passing)) : NULL;
    int error = passing ? 0 : WEFT_ERR_MEMORY;
    if (passing) {
        passing->errand = errand;
        error = weft_posting_start(&passing->posting, errand->front->loop, link, WEFT_SLICE(ADMIT_PATH), application,
                                   on_passed, passing);
    }
    if (error < 0) {
        weft_free(passing);
        answer_refusal(errand, link ? WEFT_REFUSAL_BUSY : WEFT_REFUSAL_ISSUER_AWAY);
    }
}

/* `link`: what the link is known by; NULL: another gateway has passed it on. */
static void hear_application(struct weft_call *call, struct weft_slice application, const uint8_t *link)
{
    struct weft_admitting *admitting = weft_mesh_admitting(call->front->mesh);
    struct weft_errand *errand = weft_errand_new(call);
    struct weft_key issuer;
    if (!errand) {
        return;
    }
    if (!admitting) {
        answer_refusal(errand, WEFT_REFUSAL_GATEWAY_LAPSED);
    } else if (weft_admitting_hear(admitting, application, link, on_admission, errand, &issuer) == 1) {
        pass_on(errand, &issuer, application);
    }
}

static void join_wake(void *self, struct weft_exchange *exchange)
{
    struct weft_call *call = self;
    char application[WEFT_APPLICATION_MAX];
    if (weft_errand_body_came(call, sizeof(application))) {
        hear_application(call, weft_slice(application, take_body(exchange, application)), call->caller.binding);
    }
}

void weft_call_join(struct weft_call *call)
{
    wait_for(call, join_wake);
}

static void admit_wake(void *self, struct weft_exchange *exchange)
{
    struct weft_call *call = self;
    char application[WEFT_APPLICATION_MAX];
    if (weft_errand_body_came(call, sizeof(application))) {
        hear_application(call, weft_slice(application, take_body(exchange, application)), NULL);
    }
}

void weft_call_admit(struct weft_call *call)
{
    wait_for(call, admit_wake);
}

/* -- gossip -- */

void weft_call_gossip(struct weft_call *call)
{
    struct weft_mesh_gossip *gossip = weft_mesh_gossip(call->front->mesh);
    int error =
        gossip ? weft_mesh_gossip_accept(gossip, call->exchange, &call->caller.key, call->principal == WEFT_GATEWAY)
               : WEFT_ERR_CLOSED;
    switch (error) {
    case 0:
        weft_call_close(call, 200, false, 0); /* the stream is the link's from here on, and no request that runs */
        break;
    case WEFT_ERR_CLOSED:
        weft_call_refuse(call, &no_mesh);
        break;
    case WEFT_ERR_DENIED:
        weft_call_refuse(call, &no_gateway);
        break;
    case WEFT_ERR_FULL:
        weft_call_put_off(call, &crowded, WEFT_CALL_RETRY_S);
        break;
    default:
        weft_call_refuse(call, weft_refusal_for_error(error));
        break;
    }
}
