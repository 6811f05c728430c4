/* sim/filter.c - what stands in TLS's place on the links of simulated nodes.
 *
 * The dialler says hello: what it wants to speak, its key, a number that it uses once. The other one says hello too and
 * signs both; then the dialler signs them. From there on bytes go in records with a checksum, and an empty record says
 * that no more will come. */
#include "sim/filter.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/error.h"
#include "base/mem.h"
#include "crypto/secret.h"

#define MAGIC       "weft-sim"
#define MAGIC_SIZE  (sizeof(MAGIC) - 1)
#define NONCE_SIZE  sizeof(uint64_t)
#define HELLO_SIZE  (MAGIC_SIZE + 1 + WEFT_KEY_SIZE + NONCE_SIZE)
#define RECORD_MAX  ((size_t)16 * 1024)
#define OUTPUT_HIGH ((size_t)64 * 1024)

/* Each end signs as what it is: what one has signed is worth nothing as the other's. */
static const struct weft_slice domains[] = {{"weft sim accepted v1", 20}, {"weft sim dialled v1", 19}};

static const char *const protocols[] = {WEFT_ALPN_LINK, WEFT_ALPN_REVERSE, "h2", "http/1.1"};
enum protocol { LINK, REVERSE, HTTP2, HTTP1 };

/* What makes filters of one kind. */
struct kind {
    struct weft_filters filters; /* first */
    struct weft_identity identity;
    enum protocol wants; /* of a dialler */
    uint64_t made;       /* each has a number of its own in its hello */
};

struct kit {
    struct kind accepted, asking, serving;
};

/* What stands before a record's bytes. */
struct header {
    uint32_t size, sum;
};

struct plain {
    struct weft_filter filter; /* first */
    struct weft_identity identity;
    struct weft_key wanted, peer;
    struct weft_bytes input;       /* not yet complete */
    uint8_t hellos[2][HELLO_SIZE]; /* the dialler's, and the other's */
    enum protocol protocol;
    const char *why;
    int error;
    struct header header; /* of the record that comes in, once it is here */
    bool has_header;
    bool dialled, greeted, shut;
};

static struct plain *of(struct weft_filter *filter)
{
    return WEFT_CONTAINER(filter, struct plain, filter);
}

static bool is_link(const struct plain *plain)
{
    return plain->protocol <= REVERSE;
}

static int fail(struct plain *plain, int error, const char *why)
{
    plain->filter.state = WEFT_FILTER_FAILED;
    plain->error = error;
    plain->why = why;
    return error;
}

static int say(struct plain *plain, const void *data, size_t size)
{
    int error = weft_bytes_append(&plain->filter.output, data, size);
    return error < 0 ? fail(plain, error, weft_error_text(error)) : 0;
}

/* -- the handshake -- */

static void write_hello(struct plain *plain, const struct kind *kind)
{
    uint8_t *hello = plain->hellos[!plain->dialled];
    memcpy(hello, MAGIC, MAGIC_SIZE);
    hello[MAGIC_SIZE] = (uint8_t)plain->protocol;
    memcpy(hello + MAGIC_SIZE + 1, kind->identity.key.bytes, WEFT_KEY_SIZE);
    memcpy(hello + HELLO_SIZE - NONCE_SIZE, &kind->made, NONCE_SIZE);
}

static int sign(struct plain *plain)
{
    uint8_t signature[WEFT_SIGNATURE_SIZE];
    weft_identity_sign(&plain->identity, domains[plain->dialled], weft_slice(plain->hellos, sizeof(plain->hellos)),
                       signature);
    return say(plain, signature, sizeof(signature));
}

/* What the peer signs: it holds its key, and has heard the hellos that we have. */
static int check(struct plain *plain)
{
    uint8_t signature[WEFT_SIGNATURE_SIZE];
    size_t size = weft_bytes_read(&plain->input, signature, sizeof(signature));
    WEFT_ASSERT(size == sizeof(signature));
    if (!weft_key_verify(&plain->peer, domains[!plain->dialled], weft_slice(plain->hellos, sizeof(plain->hellos)),
                         signature)) {
        return fail(plain, WEFT_ERR_CRYPTO, "the peer does not hold its key");
    }
    if (weft_key_set(&plain->wanted) && !weft_key_equal(&plain->wanted, &plain->peer)) {
        return fail(plain, WEFT_ERR_CRYPTO, "the peer has another key than the one expected");
    }
    return 0;
}

static int read_hello(struct plain *plain)
{
    uint8_t *hello = plain->hellos[plain->dialled];
    size_t size = weft_bytes_read(&plain->input, hello, HELLO_SIZE);
    WEFT_ASSERT(size == HELLO_SIZE);
    memcpy(plain->peer.bytes, hello + MAGIC_SIZE + 1, WEFT_KEY_SIZE);
    if (memcmp(hello, MAGIC, MAGIC_SIZE) != 0 || hello[MAGIC_SIZE] >= WEFT_COUNT(protocols)) {
        return fail(plain, WEFT_ERR_CRYPTO, "the peer does not speak what stands for TLS here");
    }
    plain->protocol = (enum protocol)hello[MAGIC_SIZE];
    if ((is_link(plain) || plain->dialled) && !weft_key_set(&plain->peer)) {
        return fail(plain, WEFT_ERR_CRYPTO, "the peer shows no key");
    }
    return 0;
}

/* One step, if what it needs is here. 1: there may be another; 0: more must come; or an error. */
static int shake(struct plain *plain)
{
    size_t needed = plain->greeted ? WEFT_SIGNATURE_SIZE : HELLO_SIZE + (plain->dialled ? WEFT_SIGNATURE_SIZE : 0);
    if (plain->input.size < needed) {
        return 0;
    }
    bool first = !plain->greeted;
    int error = first ? read_hello(plain) : 0;
    plain->greeted = true;
    if (error == 0 && first && !plain->dialled) {
        plain->hellos[1][MAGIC_SIZE] = (uint8_t)plain->protocol;
        error = say(plain, plain->hellos[1], HELLO_SIZE);
        error = error < 0 ? error : sign(plain);
    } else if (error == 0) {
        error = check(plain);
    }
    if (error == 0 && plain->dialled && is_link(plain)) {
        error = sign(plain);
    }
    if (error == 0 && (plain->dialled || !first || !is_link(plain))) {
        plain->filter.state = WEFT_FILTER_OPEN;
    }
    return error < 0 ? error : 1;
}

/* -- records -- */

static struct header header_of(const char *data, size_t size)
{
    return (struct header){.size = (uint32_t)size, .sum = weft_checksum(data, size) ^ (uint32_t)size};
}

/* One record, if it is complete; returns as shake() does. */
static int open_record(struct plain *plain, struct weft_bytes *out)
{
    if (!plain->has_header) {
        if (plain->input.size < sizeof(plain->header)) {
            return 0;
        }
        plain->has_header = weft_bytes_read(&plain->input, &plain->header, sizeof(plain->header)) > 0;
    }
    char record[RECORD_MAX];
    size_t size = plain->header.size;
    if (size > RECORD_MAX) {
        return fail(plain, WEFT_ERR_CRYPTO, "a record was spoiled on its way");
    }
    if (plain->input.size < size) {
        return 0;
    }
    plain->has_header = false;
    struct header found = header_of(record, weft_bytes_read(&plain->input, record, size));
    if (found.sum != plain->header.sum) {
        return fail(plain, WEFT_ERR_CRYPTO, "a record was spoiled on its way");
    }
    if (size == 0) {
        plain->filter.state = WEFT_FILTER_ENDED;
        return 0;
    }
    int error = weft_bytes_append(out, record, size);
    return error < 0 ? fail(plain, error, weft_error_text(error)) : 1;
}

static int say_record(struct plain *plain, const char *data, size_t size)
{
    struct header header = header_of(data, size);
    int error = say(plain, &header, sizeof(header));
    return error < 0 || size == 0 ? error : say(plain, data, size);
}

/* -- the filter -- */

static int receive(struct weft_filter *filter, const char *data, size_t size, struct weft_bytes *plain_out)
{
    struct plain *plain = of(filter);
    if (filter->state == WEFT_FILTER_FAILED) {
        return plain->error;
    }
    int more = weft_bytes_append(&plain->input, data, size);
    if (more < 0) {
        return fail(plain, more, weft_error_text(more));
    }
    do {
        more = filter->state == WEFT_FILTER_HANDSHAKE ? shake(plain)
               : filter->state == WEFT_FILTER_OPEN    ? open_record(plain, plain_out)
                                                      : 0;
    } while (more > 0); /* ends: each step takes some of the input */
    if (filter->state == WEFT_FILTER_ENDED) {
        weft_bytes_deinit(&plain->input); /* what follows is no one's */
    }
    return more;
}

static int send(struct weft_filter *filter, struct weft_bytes *from)
{
    struct plain *plain = of(filter);
    int error = filter->state == WEFT_FILTER_FAILED ? plain->error : 0;
    if (filter->state == WEFT_FILTER_HANDSHAKE) {
        return 0;
    }
    if (error == 0 && plain->shut && from->size > 0) {
        return WEFT_ERR_CLOSED;
    }
    while (error == 0 && from->size > 0 && filter->output.size < OUTPUT_HIGH) {
        char record[RECORD_MAX];
        error = say_record(plain, record, weft_bytes_read(from, record, sizeof(record)));
    }
    return error;
}

static void shut(struct weft_filter *filter)
{
    struct plain *plain = of(filter);
    bool flows = filter->state == WEFT_FILTER_OPEN || filter->state == WEFT_FILTER_ENDED;
    if (flows && !plain->shut) {
        plain->shut = true;
        (void)say_record(plain, "", 0); /* it has failed then: the peer sees a cut, which is what it is */
    }
}

static void filter_free(struct weft_filter *filter)
{
    struct plain *plain = of(filter);
    weft_bytes_deinit(&filter->output);
    weft_bytes_deinit(&plain->input);
    weft_identity_deinit(&plain->identity);
    weft_free(plain);
}

static struct weft_slice alpn(const struct weft_filter *filter)
{
    const struct plain *plain = (const struct plain *)(const void *)filter;
    return weft_slice_text(protocols[plain->protocol]);
}

static const uint8_t *peer_key(const struct weft_filter *filter)
{
    const struct plain *plain = (const struct plain *)(const void *)filter;
    bool proven = filter->state == WEFT_FILTER_OPEN || filter->state == WEFT_FILTER_ENDED;
    return proven && is_link(plain) ? plain->peer.bytes : NULL;
}

/* Both hellos are in it, and so both keys and a number of each side's. */
static int binding(const struct weft_filter *filter, uint8_t out[WEFT_FILTER_BINDING_SIZE])
{
    const struct plain *plain = (const struct plain *)(const void *)filter;
    if (filter->state != WEFT_FILTER_OPEN) {
        return WEFT_ERR_CLOSED;
    }
    struct weft_secret hash = weft_secret_of(weft_slice(plain->hellos, sizeof(plain->hellos)));
    _Static_assert(sizeof(hash.hash) == WEFT_FILTER_BINDING_SIZE, "a binding is a hash");
    memcpy(out, hash.hash, sizeof(hash.hash));
    return 0;
}

static const char *why(const struct weft_filter *filter)
{
    const struct plain *plain = (const struct plain *)(const void *)filter;
    return plain->why ? plain->why : "nothing failed";
}

static const struct weft_filter_ops filter_ops = {
    .free = filter_free,
    .receive = receive,
    .send = send,
    .shut = shut,
    .alpn = alpn,
    .peer_key = peer_key,
    .binding = binding,
    .why = why,
};

/* -- what makes them -- */

static int filter_new(struct weft_filters *filters, struct weft_filter **out, bool dials, const uint8_t *key)
{
    struct kind *kind = WEFT_CONTAINER(filters, struct kind, filters);
    struct plain *plain = weft_zalloc(sizeof(*plain));
    *out = NULL;
    if (!plain) {
        return WEFT_ERR_MEMORY;
    }
    plain->filter.ops = &filter_ops;
    plain->identity = kind->identity;
    plain->dialled = dials;
    plain->protocol = kind->wants;
    if (key) {
        memcpy(plain->wanted.bytes, key, sizeof(plain->wanted.bytes));
    }
    kind->made += weft_key_set(&kind->identity.key); /* a caller without a key leaves no trace from world to world */
    write_hello(plain, kind);
    if (dials && say(plain, plain->hellos[0], HELLO_SIZE) < 0) {
        filter_free(&plain->filter);
        return WEFT_ERR_MEMORY;
    }
    *out = &plain->filter;
    return 0;
}

static int filter_accept(struct weft_filters *filters, struct weft_filter **out)
{
    return filter_new(filters, out, false, NULL);
}

static int filter_connect(struct weft_filters *filters, struct weft_filter **out, const char *name, const uint8_t *key)
{
    (void)name; /* who has a name in a world has no certificate for it */
    return filter_new(filters, out, true, key);
}

static const struct weft_filters_ops filters_ops = {.accept = filter_accept, .connect = filter_connect};

static int make(struct weft_link_filters *out, const struct weft_identity *identity,
                const struct weft_tls_identity *web, int64_t wall_s)
{
    struct kit *kit = weft_alloc(sizeof(*kit));
    (void)web, (void)wall_s;
    *out = (struct weft_link_filters){0};
    if (!kit) {
        return WEFT_ERR_MEMORY;
    }
    kit->accepted = kit->asking = kit->serving = (struct kind){.filters = {.ops = &filters_ops}, .identity = *identity};
    kit->serving.wants = REVERSE;
    *out = (struct weft_link_filters){.accepted = &kit->accepted.filters,
                                      .asking = &kit->asking.filters,
                                      .serving = &kit->serving.filters,
                                      .own = kit};
    return 0;
}

static void unmake(struct weft_link_filters *filters)
{
    struct kit *kit = filters->own;
    if (kit) {
        weft_identity_deinit(&kit->accepted.identity);
        weft_identity_deinit(&kit->asking.identity);
        weft_identity_deinit(&kit->serving.identity);
    }
    weft_free(kit);
    *filters = (struct weft_link_filters){0};
}

const struct weft_link_security weft_world_security = {.make = make, .unmake = unmake};

struct weft_filters *weft_world_web(bool h2)
{
    static struct kind kinds[] = {{.filters = {.ops = &filters_ops}, .wants = HTTP1},
                                  {.filters = {.ops = &filters_ops}, .wants = HTTP2}};
    return &kinds[h2].filters;
}
