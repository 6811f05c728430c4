/* tests/fuzz/h2_server_fuzz.c - any bytes at all, in pieces, to the h2 server, with a worker that echoes.
 *
 * The first byte chooses how: its low bits the size of pieces, others whether the preface and a first SETTINGS are
 * said for the input, whether time passes between pieces, and whether the output is fetched only at the end. */
#include "support/h2_frames.h"
#include "support/http_ends.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ends_pair pair;
static size_t requests;

/* The pair keeps a bounded number of workers: later requests are left at once. */
static void on_request(void *self, struct weft_exchange *exchange)
{
    WEFT_ASSERT(exchange->request.target.size > 0 && exchange->request.authority.size > 0);
    WEFT_ASSERT(!exchange->answer_begun);
    if (requests++ < ENDS_MAX) {
        ends_request(self, exchange);
    } else {
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_TIMEOUT);
    }
}

static void fetch(void)
{
    struct weft_bytes output;
    weft_bytes_init(&output);
    weft_turn_run(&pair.turn);
    weft_carrier_fill(pair.server, &output);
    weft_bytes_deinit(&output);
}

static void feed(const uint8_t *data, size_t size, size_t piece, bool time_passes, bool fetches)
{
    while (size > 0 && !weft_carrier_done(pair.server)) {
        size_t part = piece < size ? piece : size;
        weft_carrier_receive(pair.server, (const char *)data, part);
        data += part;
        size -= part;
        weft_turn_run(&pair.turn);
        if (time_passes) {
            pair.turn.now += WEFT_SECOND;
            weft_carrier_expire(pair.server);
        }
        if (fetches) {
            fetch();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    static const uint8_t start[] = H2_MAGIC "\0\0\0\x04\0\0\0\0\0";
    uint8_t how = data[0];
    pair = (struct ends_pair){.work = ends_echo};
    requests = 0;
    weft_turn_init(&pair.turn);
    struct weft_carrier_options options = {
        .turn = &pair.turn,
        .owner = {.self = &pair, .request = on_request, .refused = ends_refused, .touched = ends_touched},
        .scheme = WEFT_SLICE("http"),
        .body_max = 100000,
        .trusted = (how & 0x80) != 0};
    WEFT_ASSERT(weft_h2_server_new(&pair.server, &options) == 0);
    if (how & 0x10) {
        feed(start, sizeof(start) - 1, SIZE_MAX, false, true);
    }
    feed(data + 1, size - 1, (how & 0x0f) ? (size_t)(how & 0x0f) * 40 : 1, (how & 0x20) != 0, (how & 0x40) == 0);
    if (how & 1) {
        weft_carrier_hangup(pair.server);
    } else {
        weft_carrier_drain(pair.server);
    }
    fetch();
    weft_carrier_free(pair.server);
    weft_turn_run(&pair.turn);
    weft_bytes_trim();
    WEFT_ASSERT(weft_mem_live() == 0);
    return 0;
}
