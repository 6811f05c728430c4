/* crypto/tls_filter.c - TLS as one of the filters that a connection takes, and those of a node's links. */
#include "base/error.h"
#include "crypto/tls_inside.h"

static struct weft_tls *of(struct weft_filter *filter)
{
    return WEFT_CONTAINER(filter, struct weft_tls, filter);
}

static const struct weft_tls *of_const(const struct weft_filter *filter)
{
    return (const struct weft_tls *)(const void *)filter; /* its first member */
}

static void filter_free(struct weft_filter *filter)
{
    weft_tls_free(of(filter));
}

static int filter_receive(struct weft_filter *filter, const char *data, size_t size, struct weft_bytes *plain)
{
    return weft_tls_receive(of(filter), data, size, plain);
}

static int filter_send(struct weft_filter *filter, struct weft_bytes *plain)
{
    return weft_tls_send(of(filter), plain);
}

static void filter_shut(struct weft_filter *filter)
{
    weft_tls_shut(of(filter));
}

static struct weft_slice filter_alpn(const struct weft_filter *filter)
{
    return weft_tls_alpn(of_const(filter));
}

static const uint8_t *filter_peer_key(const struct weft_filter *filter)
{
    return weft_tls_peer_key(of_const(filter));
}

_Static_assert(WEFT_TLS_BINDING_SIZE == WEFT_FILTER_BINDING_SIZE, "one kind of binding");

static int filter_binding(const struct weft_filter *filter, uint8_t out[WEFT_FILTER_BINDING_SIZE])
{
    return weft_tls_binding(of_const(filter), out);
}

static const char *filter_why(const struct weft_filter *filter)
{
    return weft_tls_why(of_const(filter));
}

const struct weft_filter_ops weft_tls_filter_ops = {
    .free = filter_free,
    .receive = filter_receive,
    .send = filter_send,
    .shut = filter_shut,
    .alpn = filter_alpn,
    .peer_key = filter_peer_key,
    .binding = filter_binding,
    .why = filter_why,
};

static int filters_accept(struct weft_filters *filters, struct weft_filter **out)
{
    struct weft_tls *tls;
    int error = weft_tls_accept_new(&tls, WEFT_CONTAINER(filters, struct weft_tls_context, filters));
    *out = error < 0 ? NULL : &tls->filter;
    return error;
}

static int filters_connect(struct weft_filters *filters, struct weft_filter **out, const char *name, const uint8_t *key)
{
    struct weft_tls *tls;
    int error = weft_tls_connect_new(&tls, WEFT_CONTAINER(filters, struct weft_tls_context, filters), name, key);
    *out = error < 0 ? NULL : &tls->filter;
    return error;
}

const struct weft_filters_ops weft_tls_filters_ops = {.accept = filters_accept, .connect = filters_connect};

struct weft_filters *weft_tls_filters(struct weft_tls_context *context)
{
    return context ? &context->filters : NULL;
}

/* -- those of links -- */

static void links_unmake(struct weft_link_filters *filters)
{
    struct weft_filters *const all[] = {filters->accepted, filters->asking, filters->serving};
    for (size_t i = 0; i < WEFT_COUNT(all); i++) {
        if (all[i]) {
            weft_tls_context_free(WEFT_CONTAINER(all[i], struct weft_tls_context, filters));
        }
    }
    weft_tls_identity_free(filters->own);
    *filters = (struct weft_link_filters){0};
}

static int client_new(struct weft_filters **out, const struct weft_tls_identity *identity, const char *const *alpn)
{
    const struct weft_tls_client_options options = {.verify = WEFT_TLS_VERIFY_KEY, .identity = identity, .alpn = alpn};
    struct weft_tls_context *context;
    int error = weft_tls_client_context_new(&context, &options);
    *out = weft_tls_filters(context);
    return error;
}

static int links_make(struct weft_link_filters *out, const struct weft_identity *identity,
                      const struct weft_tls_identity *web, int64_t wall_s)
{
    static const char *const asking[] = {WEFT_ALPN_LINK, NULL}, *const serving[] = {WEFT_ALPN_REVERSE, NULL};
    struct weft_tls_identity *own;
    struct weft_tls_context *accepted = NULL;
    *out = (struct weft_link_filters){0};
    int error = weft_tls_identity_from_seed(&own, identity->seed, wall_s);
    if (error < 0) {
        return error;
    }
    out->own = own;
    const struct weft_tls_server_options options = {.web = web ? web : own, .link = own};
    error = weft_tls_server_context_new(&accepted, &options);
    out->accepted = weft_tls_filters(accepted);
    error = error < 0 ? error : client_new(&out->asking, own, asking);
    error = error < 0 ? error : client_new(&out->serving, own, serving);
    if (error < 0) {
        links_unmake(out);
    }
    return error;
}

const struct weft_link_security weft_tls_links = {.make = links_make, .unmake = links_unmake};
