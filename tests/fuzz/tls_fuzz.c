/* tests/fuzz/tls_fuzz.c - bytes to one end of TLS, or damage to the bytes between two.
 *
 * First byte: which end hears the rest (bits 0-1; 2: a pair, where the rest is a list of damages), how it is cut. */
#include "base/error.h"
#include "support/tls_ends.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WALL_S      1767225600
#define DAMAGES_MAX 64

enum { SERVER, CLIENT, PAIR };

static struct weft_tls_context *server_context, *client_context;

static void set_up(void)
{
    static const char *const alpn[] = {"weft/1", NULL};
    const uint8_t seed[WEFT_TLS_KEY_SIZE] = {7};
    struct weft_tls_identity *identity = NULL;
    weft_tls_setup();
    WEFT_ASSERT(weft_tls_identity_from_seed(&identity, seed, WALL_S) == 0);
    WEFT_ASSERT(weft_tls_server_context_new(&server_context,
                                            &(struct weft_tls_server_options){.web = identity, .link = identity}) == 0);
    WEFT_ASSERT(weft_tls_client_context_new(
                    &client_context, &(struct weft_tls_client_options){
                                         .verify = WEFT_TLS_VERIFY_KEY, .identity = identity, .alpn = alpn}) == 0);
    weft_tls_identity_free(identity);
}

static void hear(struct weft_tls *tls, const uint8_t *data, size_t size, size_t piece)
{
    struct weft_bytes plain;
    weft_bytes_init(&plain);
    int error = 0;
    for (size_t at = 0; at < size; at += piece) {
        size_t part = size - at < piece ? size - at : piece;
        int now = weft_tls_receive(tls, (const char *)data + at, part, &plain);
        WEFT_ASSERT(!error || now == error); /* failed once is failed for good */
        WEFT_ASSERT((now < 0) == (weft_tls_state(tls) == WEFT_FILTER_FAILED));
        error = now;
    }
    WEFT_ASSERT(weft_tls_state(tls) != WEFT_FILTER_OPEN); /* nobody gets in without the keys */
    WEFT_ASSERT(plain.size == 0 && !weft_tls_peer_key(tls));
    weft_tls_shut(tls);
}

/* Each two bytes of `data` damage one byte on its way. Whatever arrives then is what was sent. */
static void damage(struct tls_ends *ends, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 1 < size && i < 2 * (size_t)DAMAGES_MAX; i += 2) {
        bool to_server = i % 4 == 0;
        struct weft_tls *from = to_server ? ends->client : ends->server, *to = to_server ? ends->server : ends->client;
        struct weft_bytes *plain = to_server ? &ends->server_plain : &ends->client_plain;
        char flight[4096];
        size_t got = weft_bytes_read(weft_tls_output(from), flight, sizeof(flight));
        if (got > 0 && data[i + 1] != 0) {
            flight[data[i] * got / 256] ^= (char)data[i + 1];
        }
        if (weft_tls_receive(to, flight, got, plain) == 0 && weft_tls_state(to) == WEFT_FILTER_OPEN) {
            struct weft_bytes text;
            weft_bytes_init(&text);
            WEFT_ASSERT(weft_bytes_append(&text, "x", 1) == 0 && weft_tls_send(to, &text) == 0);
        }
        char byte = 'x';
        while (weft_bytes_read(plain, &byte, 1) == 1) {
            WEFT_ASSERT(byte == 'x');
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!server_context) {
        set_up();
    }
    if (size < 1) {
        return 0;
    }
    struct tls_ends ends = {0};
    WEFT_ASSERT(weft_tls_accept_new(&ends.server, server_context) == 0);
    WEFT_ASSERT(weft_tls_connect_new(&ends.client, client_context, NULL, NULL) == 0);
    size_t piece = data[0] >> 2 ? data[0] >> 2 : size;
    switch (data[0] & 3) {
    case SERVER:
        hear(ends.server, data + 1, size - 1, piece);
        break;
    case CLIENT:
        hear(ends.client, data + 1, size - 1, piece);
        break;
    default:
        damage(&ends, data + 1, size - 1);
        break;
    }
    tls_ends_free(&ends);
    return 0;
}
