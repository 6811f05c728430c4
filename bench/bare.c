/* bench/bare.c - libllama with nothing around it: how fast could an engine be?
 *
 *   bench_bare [--model FILE] [--backends FOLDER] [--threads N] [--context N] [--tokens N] [--batch N] <PROMPTS
 *
 * PROMPTS has a line of token ids for each stream. All streams begin at once and each gets exactly --tokens tokens, the
 * likeliest each time: a step decodes one token of every stream that has its prompt behind it, and fills the rest of
 * the batch with prompts in their order. Prints one line of JSON: `rate` in tokens per second over all streams from the
 * start to the last token, `ttft_ms` of each stream, `gap_ms_max`, the longest wait between two tokens of one stream.
 */
#include "bench.h"

#include <llama.h>
#include <stdbool.h>
#include <string.h>

#define STREAMS_MAX 64
#define PROMPT_MAX  32768
#define LINE_MAX    (PROMPT_MAX * 8)

struct stream {
    llama_token *prompt;
    int prompt_size, prompt_read;
    llama_token next;
    int generated;
    int logits_at; /* in this step's batch, or -1 */
    uint64_t first_ns, last_ns, gap_ns;
};

struct bare {
    const char *model_path, *backends;
    int threads, context, tokens, batch_size;
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
            "bench_bare: %s\nusage: bench_bare [--model FILE] [--backends FOLDER] [--threads N] [--context N] "
            "[--tokens N] [--batch N] <PROMPTS\n",
            why);
    exit(2);
}

static int number(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text || value < 1 || value > 1 << 20) {
        usage("a number is from 1 to 1048576");
    }
    return (int)value;
}

static void read_flags(struct bare *bare, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!value) {
            usage("each flag has a value");
        }
        if (strcmp(argv[i], "--model") == 0) {
            bare->model_path = value;
        } else if (strcmp(argv[i], "--backends") == 0) {
            bare->backends = value;
        } else if (strcmp(argv[i], "--threads") == 0) {
            bare->threads = number(value);
        } else if (strcmp(argv[i], "--context") == 0) {
            bare->context = number(value);
        } else if (strcmp(argv[i], "--tokens") == 0) {
            bare->tokens = number(value);
        } else if (strcmp(argv[i], "--batch") == 0) {
            bare->batch_size = number(value);
        } else {
            usage("no such flag");
        }
    }
}

static void read_prompts(struct bare *bare)
{
    static char line[LINE_MAX];
    static llama_token ids[PROMPT_MAX];
    while (fgets(line, sizeof(line), stdin)) {
        int count = 0;
        char *end;
        for (char *at = line; count < PROMPT_MAX; at = end) {
            long id = strtol(at, &end, 10);
            if (end == at) {
                break;
            }
            ids[count++] = (llama_token)id;
        }
        if (count == 0 || count + bare->tokens > bare->context || bare->count == STREAMS_MAX) {
            usage("a prompt is empty, or does not fit --context with its answer, or is one too many");
        }
        struct stream *stream = &bare->streams[bare->count++];
        stream->prompt_size = count;
        stream->prompt = calloc((size_t)count, sizeof(*ids));
        if (!stream->prompt) {
            bench_fail("memory");
        }
        memcpy(stream->prompt, ids, (size_t)count * sizeof(*ids));
    }
    if (bare->count == 0) {
        usage("there is no prompt on the standard input");
    }
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

static void add(struct llama_batch *batch, llama_token id, int position, int sequence, bool logits)
{
    int at = batch->n_tokens++;
    batch->token[at] = id;
    batch->pos[at] = position;
    batch->n_seq_id[at] = 1;
    batch->seq_id[at][0] = sequence;
    batch->logits[at] = logits;
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
            add(batch, stream->next, stream->prompt_size + stream->generated - 1, i, true);
        }
    }
    for (int i = 0; i < bare->count; i++) {
        struct stream *stream = &bare->streams[i];
        while (stream->prompt_read < stream->prompt_size && batch->n_tokens < bare->batch_size) {
            int at = stream->prompt_read++;
            bool last = stream->prompt_read == stream->prompt_size;
            stream->logits_at = last ? batch->n_tokens : -1;
            add(batch, stream->prompt[at], at, i, last);
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
    add(&bare->batch, bare->streams[0].prompt[0], 0, 0, true);
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
        .context = 4096,
        .tokens = 64,
        .batch_size = 512,
    };
    read_flags(&bare, argc, argv);
    read_prompts(&bare);
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
    for (int i = 0; i < bare.count; i++) {
        free(bare.streams[i].prompt);
    }
    return 0;
}
