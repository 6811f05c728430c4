/* node/renewing.c - a node's certificate is renewed before it ends. */
#include "node/renewing.h"

#include "base/error.h"
#include "node/applying.h"

static void look_later(struct weft_renewing *renewing)
{
    weft_timer_set(&renewing->loop->timers, &renewing->timer, renewing->loop->turn.now + WEFT_RENEWING_LOOK);
}

int64_t weft_renewing_due_s(const struct weft_renewing *renewing, const struct weft_certificate *own)
{
    int64_t from = weft_certificate_renew_s(own), spread = (own->not_after_s - from) / WEFT_RENEWING_SPREAD;
    return from + (int64_t)(((uint64_t)spread * renewing->fraction) >> 32);
}

/* -- what is said -- */

static void note(const struct weft_renewing *renewing, enum weft_log_level level, const char *event, const char *why)
{
    const struct weft_certificate *own = weft_mesh_state_certificate(renewing->state);
    if (own && weft_journal_begin(renewing->journal, level, event)) {
        weft_journal_number(renewing->journal, "ends_s", own->not_after_s);
        if (why) {
            weft_journal_word(renewing->journal, "why", why);
        }
        weft_journal_end(renewing->journal);
    }
}

static void say_why_not(struct weft_renewing *renewing, const char *why)
{
    weft_time now = renewing->loop->turn.now;
    renewing->next++;
    if (renewing->said == 0 || now - renewing->said >= WEFT_RENEWING_SAY) {
        renewing->said = now;
        note(renewing, WEFT_LOG_WARN, "certificate not renewed", why);
    }
}

static void on_stored(void *self, int status, const char *problem)
{
    struct weft_renewing *renewing = self;
    const struct weft_certificate *own = weft_mesh_state_certificate(renewing->state);
    renewing->storing = false;
    if (status < 0) {
        say_why_not(renewing, problem);
    } else if (own && own->serial == renewing->before) {
        say_why_not(renewing, "by the gateway's clock it is too soon: this one is wrong, or that one");
    } else {
        renewing->said = 0;
        note(renewing, WEFT_LOG_INFO, "certificate renewed", NULL);
    }
}

/* -- by a gateway -- */

static const char *refused_text(const struct weft_renewing *renewing, enum weft_refused refusal)
{
    const struct weft_certificate *own = weft_mesh_state_certificate(renewing->state);
    return refusal == WEFT_REFUSAL_ROOT_AWAY && own && own->role == WEFT_ROLE_GATEWAY
               ? "only the root renews a gateway's certificate, and its key is not here: before this one ends, run "
                 "`weft root certify` where it is, and `weft root deliver` here"
               : weft_refusal_text(refusal);
}

static void on_answered(void *self, int status, struct weft_slice answer)
{
    struct weft_renewing *renewing = self;
    const struct weft_certificate *own = weft_mesh_state_certificate(renewing->state);
    struct weft_joining_answer read;
    if (!own) {
        return; /* it has left */
    }
    const struct weft_key mesh = own->mesh;
    if (status != 200) {
        say_why_not(renewing, status < 0 ? weft_error_text(status) : "the gateway answers as none does");
        return;
    }
    int error = weft_mesh_state_take(renewing->state, &mesh, answer, &read, on_stored, renewing);
    renewing->storing = error == 0;
    if (error < 0) {
        say_why_not(renewing, error == WEFT_ERR_DENIED   ? refused_text(renewing, read.refusal)
                              : error == WEFT_ERR_CRYPTO ? weft_verdict_text(read.verdict)
                                                         : weft_error_text(error));
    }
}

static void apply(struct weft_renewing *renewing, const struct weft_certificate *own, struct weft_link *link)
{
    uint8_t binding[WEFT_FILTER_BINDING_SIZE], application[WEFT_APPLICATION_MAX];
    int error = weft_link_binding(link, binding);
    int64_t size = error < 0 ? error
                             : weft_joining_renew(renewing->node, &own->mesh, weft_mesh_state_chain(renewing->state),
                                                  binding, application);
    error = size < 0 ? (int)size
                     : weft_posting_start(&renewing->posting, renewing->loop, link, WEFT_SLICE(WEFT_APPLYING_PATH),
                                          weft_slice(application, (size_t)size), on_answered, renewing);
    if (error < 0) {
        say_why_not(renewing, weft_error_text(error));
    }
}

static void ask_a_gateway(struct weft_renewing *renewing, const struct weft_certificate *own)
{
    struct weft_attaching_gateway gateway;
    if (!weft_attaching_at(renewing->attaching, renewing->next, &gateway)) {
        renewing->next = 0;
    }
    if (weft_attaching_at(renewing->attaching, renewing->next, &gateway)) {
        apply(renewing, own, gateway.ask);
    } else if (own->role == WEFT_ROLE_GATEWAY) {
        say_why_not(renewing, refused_text(renewing, WEFT_REFUSAL_ROOT_AWAY));
    } else {
        say_why_not(renewing, "this node is attached to no gateway");
    }
}

/* -- by the root -- */

static void certify(struct weft_renewing *renewing, const struct weft_registrar *registrar)
{
    uint8_t chain[WEFT_CHAIN_MAX];
    uint64_t serial;
    enum weft_refused why = WEFT_REFUSAL_BUSY;
    enum weft_verdict verdict = WEFT_VERDICT_MALFORMED;
    struct weft_chain links;
    renewing->loop->host->ops->entropy(renewing->loop->host, &serial, sizeof(serial));
    int64_t size = weft_registrar_certify(registrar, &renewing->node->key, WEFT_ROLE_GATEWAY,
                                          weft_mesh_state_now_s(renewing->state), serial, chain, &why);
    if (size < 0) {
        say_why_not(renewing, weft_refusal_text(why));
        return;
    }
    int error = weft_chain_read(weft_slice(chain, (size_t)size), &links);
    if (error == 0) {
        error = weft_mesh_state_certify(renewing->state, links.own, &verdict, on_stored, renewing);
    }
    renewing->storing = error == 0;
    if (error < 0) {
        say_why_not(renewing, error == WEFT_ERR_CRYPTO ? weft_verdict_text(verdict) : weft_error_text(error));
    }
}

/* -- when -- */

static void on_timer(struct weft_timer *timer)
{
    struct weft_renewing *renewing = WEFT_CONTAINER(timer, struct weft_renewing, timer);
    const struct weft_certificate *own = weft_mesh_state_certificate(renewing->state);
    struct weft_registrar registrar;
    look_later(renewing);
    if (!own || renewing->storing || renewing->posting.exchange ||
        weft_mesh_state_now_s(renewing->state) < weft_renewing_due_s(renewing, own)) {
        return;
    }
    renewing->before = own->serial;
    if (weft_mesh_state_registrar(renewing->state, &registrar) && registrar.root) {
        certify(renewing, &registrar);
    } else {
        ask_a_gateway(renewing, own);
    }
}

void weft_renewing_start(struct weft_renewing *renewing)
{
    if (renewing->timer.place == 0) {
        look_later(renewing); /* so long there is time to attach */
    }
}

void weft_renewing_stop(struct weft_renewing *renewing)
{
    if (renewing->loop) {
        weft_timer_clear(&renewing->loop->timers, &renewing->timer);
        weft_posting_stop(&renewing->posting);
    }
}

int weft_renewing_init(struct weft_renewing *renewing, struct weft_loop *loop, struct weft_journal *journal,
                       const struct weft_identity *node, struct weft_mesh_state *state,
                       const struct weft_attaching *attaching)
{
    int error = weft_timers_reserve(&loop->timers);
    if (error < 0) {
        return error;
    }
    *renewing =
        (struct weft_renewing){.loop = loop, .journal = journal, .node = node, .state = state, .attaching = attaching};
    weft_timer_init(&renewing->timer, on_timer);
    loop->host->ops->entropy(loop->host, &renewing->fraction, sizeof(renewing->fraction));
    return 0;
}

void weft_renewing_deinit(struct weft_renewing *renewing)
{
    if (renewing->loop) {
        weft_renewing_stop(renewing);
        weft_timers_release(&renewing->loop->timers);
        renewing->loop = NULL;
    }
}
