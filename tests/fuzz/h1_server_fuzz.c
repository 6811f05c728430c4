/* tests/fuzz/h1_server_fuzz.c - any bytes, split in any way, on a server carrier: it must never crash or leak, the
 * answers must be well formed, and how the bytes are split must not change them. The first two bytes seed the splits.
 */
#include "unit/http/h1_stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Which answers came, and what became of the connection. */
struct outcome {
    int statuses[STAGE_ANSWERS_MAX];
    size_t count;
    bool done;
};

static struct outcome run(const char *bytes, size_t size, uint32_t seed)
{
    struct stage stage;
    struct stage_answer answers[STAGE_ANSWERS_MAX];
    struct outcome outcome = {0};
    WEFT_ASSERT(stage_open(&stage, 100000) == 0);
    stage_receive_split(&stage, bytes, size, seed);
    outcome.count = stage_answers(&stage, answers);
    for (size_t i = 0; i < outcome.count; i++) {
        WEFT_ASSERT(answers[i].whole);
        outcome.statuses[i] = answers[i].status;
    }
    outcome.done = weft_carrier_done(stage.carrier);
    weft_carrier_hangup(stage.carrier);
    stage_settle(&stage);
    WEFT_ASSERT(weft_carrier_done(stage.carrier));
    stage_close(&stage);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The smallest request is 18 bytes long ("GET / HTTP/1.0" and two line ends), and the stage counts so many. */
    if (size < 2 || size > 2 + (size_t)18 * (STAGE_ANSWERS_MAX - 1)) {
        return 0;
    }
    uint32_t seed = 2u + ((uint32_t)data[0] << 8 | data[1]);
    const char *bytes = (const char *)data + 2;
    weft_bytes_trim();
    int64_t live = weft_mem_live();
    struct outcome whole = run(bytes, size - 2, 0);
    struct outcome split = run(bytes, size - 2, seed);
    WEFT_ASSERT(whole.count == split.count && whole.done == split.done);
    WEFT_ASSERT(memcmp(whole.statuses, split.statuses, sizeof(whole.statuses)) == 0);
    weft_bytes_trim();
    WEFT_ASSERT(weft_mem_live() == live);
    return 0;
}
