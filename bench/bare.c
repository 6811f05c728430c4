/* bench/bare.c - libllama with nothing around it: how fast could an engine be?
 *
 *   bench_bare [--model FILE] [--backends FOLDER] [--threads N] [--streams N] [--prompt N] [--tokens N] [--context N]
 *              [--batch N]
 *
 * All streams begin at once, each with a prompt of its own of --prompt tokens, and each gets exactly --tokens tokens,
 * the likeliest each time: a step decodes one token of every stream that has its prompt behind it, and fills the rest
 * of the batch with prompts in their order. Prints one line of JSON: `rate` in tokens per second over all streams from
 * the start to the last token, `ttft_ms` of each stream, `gap_ms_max`, the longest wait between two tokens of one
 * stream. */
#include "bench.h"
#include "flags.h"
#include "rows.h"

#define STREAMS_MAX 64

struct stream {
    int prompt_read;
    llama_token next;
    int generated;
    int logits_at; /* in this step's batch, or -1 */
    uint64_t first_ns, last_ns, gap_ns;
};

struct bare {
    const char *model_path, *backends;
    int threads, prompt_size, tokens, context, batch_size;
    struct stream streams[STREAMS_MAX];
    int count;
    struct llama_model *model;
    struct llama_context *context_of_model;
    struct llama_batch batch;
    int vocabulary;
};

_Noreturn static void usage(const char *why)
{
    fprintf(stderr,
            "bench_bare: %s\nusage: bench_bare [--model FILE] [--backends FOLDER] [--threads N] [--streams N] "
            "[--prompt N] [--tokens N] [--context N] [--batch N]\n",
            why);
    exit(2);
}

static void read_flags(struct bare *bare, int argc, char **argv)
{
    const struct bench_flag flags[] = {
        {"--model", &bare->model_path, NULL, 0},         {"--backends", &bare->backends, NULL, 0},
        {"--threads", NULL, &bare->threads, 512},        {"--streams", NULL, &bare->count, STREAMS_MAX},
        {"--prompt", NULL, &bare->prompt_size, 1 << 20}, {"--tokens", NULL, &bare->tokens, 1 << 20},
        {"--context", NULL, &bare->context, 1 << 20},    {"--batch", NULL, &bare->batch_size, 1 << 16},
    };
    for (int at = 1; at < argc;) {
        if (bench_flag_take(flags, sizeof(flags) / sizeof(flags[0]), argc, argv, &at) <= 0) {
            usage("there is no such flag, or its value is missing or out of its range");
        }
    }
    if (bare->prompt_size + bare->tokens > bare->context) {
        usage("--prompt and --tokens do not fit in --context");
    }
}

/* Ordinary tokens without a pattern; no two streams have the same, so that none is spared another's work. */
static llama_token prompt_token(const struct bare *bare, int stream, int position)
{
    uint64_t mixed = ((uint64_t)stream * 1000003 + (uint64_t)position + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (llama_token)(mixed >> 33) % (bare->vocabulary / 2) + bare->vocabulary / 4;
}

static void say_nothing(enum ggml_log_level level, const char *text, void *user)
{
    (void)level;
    (void)text;
    (void)user;
}

static void load(struct bare *bare)
{
    llama_log_set(say_nothing, NULL);
    ggml_backend_load_all_from_path(bare->backends);
    struct llama_model_params model_params = llama_model_default_params();
    bare->model = llama_model_load_from_file(bare->model_path, model_params);
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = (uint32_t)(bare->context * bare->count);
    params.n_batch = (uint32_t)bare->batch_size;
    params.n_ubatch = (uint32_t)bare->batch_size;
    params.n_seq_max = (uint32_t)bare->count;
    params.n_threads = bare->threads;
    params.n_threads_batch = bare->threads;
    params.kv_unified = false;
    bare->context_of_model = bare->model ? llama_init_from_model(bare->model, params) : NULL;
    if (!bare->context_of_model) {
        fprintf(stderr, "bench_bare: %s could not be loaded\n", bare->model_path);
        exit(1);
    }
    bare->vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(bare->model));
    bare->batch = llama_batch_init(bare->batch_size, 0, 1);
}

/* One token of each stream that answers, then as much of the prompts as fits. */
static void fill(struct bare *bare)
{
    struct llama_batch *batch = &bare->batch;
    batch->n_tokens = 0;
    for (int i = 0; i < bare->count; i++) {
        struct stream *stream = &bare->streams[i];
        stream->logits_at = -1;
        if (stream->generated > 0 && stream->generated < bare->tokens && batch->n_tokens < bare->batch_size) {
            stream->logits_at = batch->n_tokens;
            bench_add_row(batch, stream->next, bare->prompt_size + stream->generated - 1, i, true);
        }
    }
    for (int i = 0; i < bare->count; i++) {
        struct stream *stream = &bare->streams[i];
        while (stream->prompt_read < bare->prompt_size && batch->n_tokens < bare->batch_size) {
            int at = stream->prompt_read++;
            bool last = stream->prompt_read == bare->prompt_size;
            stream->logits_at = last ? batch->n_tokens : -1;
            bench_add_row(batch, prompt_token(bare, i, at), at, i, last);
        }
    }
}

static llama_token likeliest(const float *logits, int vocabulary)
{
    llama_token best = 0;
    for (int i = 1; i < vocabulary; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

static void decode(struct bare *bare)
{
    if (llama_decode(bare->context_of_model, bare->batch) != 0) {
        fprintf(stderr, "bench_bare: libllama could not decode a batch of %d\n", bare->batch.n_tokens);
        exit(1);
    }
}

static void step(struct bare *bare)
{
    fill(bare);
    decode(bare);
    for (int i = 0; i < bare->count; i++) {
        struct stream *stream = &bare->streams[i];
        if (stream->logits_at < 0) {
            continue;
        }
        stream->next = likeliest(llama_get_logits_ith(bare->context_of_model, stream->logits_at), bare->vocabulary);
        uint64_t now = bench_now_ns();
        if (stream->generated++ == 0) {
            stream->first_ns = now;
        } else if (now - stream->last_ns > stream->gap_ns) {
            stream->gap_ns = now - stream->last_ns;
        }
        stream->last_ns = now;
    }
}

/* What the first step pays for once is not part of the figure. */
static void warm_up(struct bare *bare)
{
    bare->batch.n_tokens = 0;
    bench_add_row(&bare->batch, prompt_token(bare, 0, 0), 0, 0, true);
    decode(bare);
    llama_memory_clear(llama_get_memory(bare->context_of_model), true);
}

static void report(const struct bare *bare, uint64_t start_ns)
{
    uint64_t end_ns = start_ns, gap_ns = 0;
    for (int i = 0; i < bare->count; i++) {
        const struct stream *stream = &bare->streams[i];
        end_ns = stream->last_ns > end_ns ? stream->last_ns : end_ns;
        gap_ns = stream->gap_ns > gap_ns ? stream->gap_ns : gap_ns;
    }
    double seconds = (double)(end_ns - start_ns) / (double)BENCH_SECOND_NS;
    int tokens = bare->count * bare->tokens;
    printf("{\"streams\":%d,\"tokens\":%d,\"seconds\":%.6f,\"rate\":%.3f,\"gap_ms_max\":%.3f,\"ttft_ms\":[",
           bare->count, tokens, seconds, tokens / seconds, (double)gap_ns / 1e6);
    for (int i = 0; i < bare->count; i++) {
        printf("%s%.3f", i ? "," : "", (double)(bare->streams[i].first_ns - start_ns) / 1e6);
    }
    printf("]}\n");
}

int main(int argc, char **argv)
{
    static struct bare bare = {
        .model_path = "models/SmolLM2-135M-Instruct-Q4_1.gguf",
        .backends = ".llama/lib",
        .threads = 2,
        .count = 1,
        .prompt_size = 90,
        .tokens = 64,
        .context = 1024,
        .batch_size = 512,
    };
    read_flags(&bare, argc, argv);
    load(&bare);
    warm_up(&bare);
    uint64_t start_ns = bench_now_ns();
    for (bool running = true; running;) {
        step(&bare);
        running = false;
        for (int i = 0; i < bare.count; i++) {
            running = running || bare.streams[i].generated < bare.tokens;
        }
    }
    report(&bare, start_ns);
    llama_batch_free(bare.batch);
    llama_free(bare.context_of_model);
    llama_model_free(bare.model);
    return 0;
}
