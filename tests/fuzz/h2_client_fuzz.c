/* tests/fuzz/h2_client_fuzz.c - any bytes at all, in pieces, as a server's answers to three requests over h2.
 *
 * The first byte chooses how: its low bits the size of pieces, others whether the server's SETTINGS are said for the
 * input, whether an asker leaves half-way, and whether the askers read. */
#include "support/http_ends.h"

#define ASKERS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ends_pair pair;
static struct ends_asker askers[ASKERS];

static void fetch(void)
{
    struct weft_bytes output;
    weft_bytes_init(&output);
    weft_turn_run(&pair.turn);
    weft_carrier_fill(pair.client, &output);
    weft_bytes_deinit(&output);
}

static void ask_all(bool reads)
{
    static const char *const methods[ASKERS] = {"GET", "POST", "HEAD"};
    for (size_t i = 0; i < ASKERS; i++) {
        askers[i] = (struct ends_asker){.to_send = i == 1 ? 5000 : 0, .with_trailers = i == 1};
        WEFT_ASSERT(ends_ask(&pair, &askers[i], methods[i]));
        askers[i].reads = reads;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint8_t how = data[0];
    size_t piece = (how & 0x0f) ? (size_t)(how & 0x0f) * 40 : 1;
    pair = (struct ends_pair){0};
    weft_turn_init(&pair.turn);
    struct weft_carrier_options options = {.turn = &pair.turn,
                                           .owner = {.self = &pair, .refused = ends_refused, .touched = ends_touched},
                                           .scheme = WEFT_SLICE("http")};
    WEFT_ASSERT(weft_h2_client_new(&pair.client, &options) == 0);
    ask_all((how & 0x20) == 0);
    fetch();
    if (how & 0x10) {
        weft_carrier_receive(pair.client, "\0\0\0\x04\0\0\0\0\0", 9);
    }
    for (size_t at = 1; at < size; at += piece) {
        weft_carrier_receive(pair.client, (const char *)data + at, piece < size - at ? piece : size - at);
        fetch();
        if ((how & 0x40) && at > size / 2 && askers[0].exchange) {
            weft_exchange_leave(askers[0].exchange, WEFT_ASKER, WEFT_ERR_CANCELLED);
            askers[0].exchange = NULL;
        }
    }
    if (how & 0x80) {
        weft_carrier_hangup(pair.client);
    }
    weft_carrier_free(pair.client);
    weft_turn_run(&pair.turn);
    for (size_t i = 0; i < ASKERS; i++) {
        if (askers[i].exchange) { /* an answer that came whole may still wait for an asker that does not read */
            askers[i].reads = true;
            ends_asker_wake(&askers[i], askers[i].exchange);
        }
        WEFT_ASSERT(!askers[i].exchange);
    }
    weft_bytes_trim();
    WEFT_ASSERT(weft_mem_live() == 0);
    return 0;
}
