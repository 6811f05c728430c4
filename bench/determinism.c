/* bench/determinism.c - when does libllama give the same bits, and what does it cost to make it?
 *
 *   bench_determinism quantize --model FILE --out FILE --type NAME
 *   bench_determinism write    --model FILE --texts FILE [--count N]
 *   bench_determinism compare  --model FILE --texts FILE [--count N] [--prompt N] [--size N] [--recipe NAME]
 *                              [--record FILE | --against FILE] ARM...
 *   bench_determinism speed    --model FILE --texts FILE --recipe NAME [--pairs N]
 *
 * and everywhere [--backends FOLDER] [--variant NAME] [--threads N]. `write` has the model write texts, as ids, a line
 * each. `compare` reads the first --prompt ids of a text and then the others one by one, whatever the model would have
 * chosen: first as a lone stream with its prompt in one piece, then as each ARM says, and prints one line of JSON for
 * each arm: at how many positions a logit had another bit, and the margins of those at which another token would have
 * been chosen (greedily; and at temperature 1, where the engine's sampler draws the same noise on both sides).
 * `speed` measures a recipe in turn with the default, in tokens per second of CPU time, on one thread. */
#include "bench.h"
#include "flags.h"
#include "rows.h"

#include <string.h>

#include "base/error.h"
#include "engine/backend.h"
#include "engine/sampler.h"

#define TEXTS_MAX     16
#define SEQUENCES     17 /* one beside those that are looked at */
#define ROOM          512
#define TEXT_SIZE     504
#define BATCH         512
#define ARMS_MAX      32
#define FLIPS_MAX     4096
#define PIECE_BESIDE  40 /* rows of a prompt that is read beside answers */
#define BESIDE_BEFORE 32 /* and the answers beside begin so many rows before their prompt's end */
#define SPEED_PROMPT  400
#define SPEED_TOKENS  24
#define SPEED_STREAMS 8

struct recipe {
    const char *name;
    enum ggml_type keys, values;
    int piece;  /* rows of a prompt's pieces, at most */
    bool pads;  /* a lone row gets a companion */
    bool plain; /* weights stay in the file's layout */
};

static const struct recipe recipes[] = {
    {"f16", GGML_TYPE_F16, GGML_TYPE_F16, BATCH, false, false},       /* the engine's default */
    {"f16-pieces", GGML_TYPE_F16, GGML_TYPE_F16, 63, true, false},    /* neither tiles nor a split */
    {"f16-bf16", GGML_TYPE_F16, GGML_TYPE_BF16, BATCH, false, false}, /* neither, where the types differ */
    {"f16-bf16-plain", GGML_TYPE_F16, GGML_TYPE_BF16, BATCH, false, true},
    {"f16-f32", GGML_TYPE_F16, GGML_TYPE_F32, BATCH, false, false},
    {"bf16", GGML_TYPE_BF16, GGML_TYPE_BF16, BATCH, false, false},
    {"q8_0", GGML_TYPE_Q8_0, GGML_TYPE_Q8_0, BATCH, false, false},
};

static const struct {
    const char *name;
    enum llama_ftype type;
} quants[] = {
    {"F16", LLAMA_FTYPE_MOSTLY_F16},       {"BF16", LLAMA_FTYPE_MOSTLY_BF16},     {"Q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},
    {"Q5_0", LLAMA_FTYPE_MOSTLY_Q5_0},     {"Q5_1", LLAMA_FTYPE_MOSTLY_Q5_1},     {"Q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},
    {"Q2_K", LLAMA_FTYPE_MOSTLY_Q2_K},     {"Q3_K_M", LLAMA_FTYPE_MOSTLY_Q3_K_M}, {"Q4_K_M", LLAMA_FTYPE_MOSTLY_Q4_K_M},
    {"Q5_K_M", LLAMA_FTYPE_MOSTLY_Q5_K_M}, {"Q6_K", LLAMA_FTYPE_MOSTLY_Q6_K},     {"IQ4_NL", LLAMA_FTYPE_MOSTLY_IQ4_NL},
    {"IQ4_XS", LLAMA_FTYPE_MOSTLY_IQ4_XS},
};

/* How a text is read. What is 0 is as in the reference. */
struct arm {
    const char *name;
    int chunk;    /* rows of the prompt's pieces */
    int together; /* texts that are answered at once */
    int resume;   /* so many of the answer's ids are read with the prompt */
    int threads;
    int copy;   /* the prompt was read by another sequence */
    int beside; /* so many others are answered while the prompt is read in pieces */
};

/* What came out at one position. */
struct seen {
    uint64_t bits; /* of all logits */
    int32_t greedy, sampled;
};

struct bench {
    const char *what, *model_path, *backends, *variant, *texts_path, *out, *type, *recipe_name, *record, *against;
    int threads, count, size, prompt, pairs;
    struct arm arms[ARMS_MAX];
    int arm_count;

    struct weft_backend backend;
    struct llama_model *model;
    struct llama_context *context;
    const struct recipe *recipe;
    int vocabulary;
    struct llama_batch batch;
    llama_token texts[TEXTS_MAX][ROOM];
    uint8_t *states[TEXTS_MAX]; /* of a sequence that has read the prompt as the reference does */
    size_t state_sizes[TEXTS_MAX];
    struct seen seen[TEXTS_MAX][ROOM]; /* by the reference */
    struct weft_sampler *greedy, *sampled;

    /* of the arm that is under way */
    int positions, bits, greedy_flips, sampled_flips;
    float greedy_margins[FLIPS_MAX], sampled_margins[FLIPS_MAX];
};

_Noreturn static void fail(const char *why)
{
    fprintf(stderr, "bench_determinism: %s\n", why);
    exit(1);
}

/* -- the model -- */

static const struct recipe *find_recipe(const char *name)
{
    for (size_t i = 0; i < sizeof(recipes) / sizeof(recipes[0]); i++) {
        if (strcmp(recipes[i].name, name) == 0) {
            return &recipes[i];
        }
    }
    fail("there is no such recipe");
}

static void load_model(struct bench *bench)
{
    struct llama_model_params params = llama_model_default_params();
    params.use_extra_bufts = !bench->recipe->plain;
    bench->model = llama_model_load_from_file(bench->model_path, params);
    if (!bench->model) {
        fail("the model could not be loaded");
    }
}

static void load(struct bench *bench)
{
    char problem[WEFT_ENGINE_PROBLEM_MAX];
    const struct weft_engine_options options = {.backends = bench->backends, .variant = bench->variant};
    if (weft_backend_load(&bench->backend, &options, problem) < 0) {
        fail(problem);
    }
    if (strcmp(bench->what, "quantize") == 0) {
        return;
    }
    load_model(bench);
    bench->vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(bench->model));
    bench->batch = llama_batch_init(BATCH, 0, 1);
    struct weft_sampling sampling = {.temperature = 1, .top_p = 1, .repeat_penalty = 1};
    struct weft_sampling greedy = {.temperature = 0, .top_p = 1, .repeat_penalty = 1};
    if (weft_sampler_new(&bench->sampled, bench->vocabulary, &sampling, 1) < 0 ||
        weft_sampler_new(&bench->greedy, bench->vocabulary, &greedy, 1) < 0) {
        fail("no sampler");
    }
}

static struct llama_context *make_context(const struct bench *bench)
{
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = SEQUENCES * ROOM;
    params.n_seq_max = SEQUENCES;
    params.n_batch = BATCH;
    params.n_ubatch = BATCH;
    params.n_threads = bench->threads;
    params.n_threads_batch = bench->threads;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    params.type_k = bench->recipe->keys;
    params.type_v = bench->recipe->values;
    params.kv_unified = false;
    params.swa_full = true;
    params.no_perf = true;
    struct llama_context *context = llama_init_from_model(bench->model, params);
    if (!context) {
        fail("the context could not be made");
    }
    return context;
}

/* -- rows -- */

static void add(struct bench *bench, llama_token id, int position, int sequence, bool logits)
{
    bench_add_row(&bench->batch, id, position, sequence, logits);
}

static void cut(const struct bench *bench, int sequence, int kept)
{
    (void)llama_memory_seq_rm(llama_get_memory(bench->context), sequence, kept, -1); /* a cache of keys can do that */
}

/* Computes what was added. libllama takes neighbouring sequences together, so a companion is the next one. */
static void compute(struct bench *bench)
{
    struct llama_batch *batch = &bench->batch;
    int companion = batch->n_tokens == 1 && bench->recipe->pads ? batch->seq_id[0][0] + 1 : 0;
    if (companion > 0) {
        cut(bench, companion, 0);
        add(bench, 0, 0, companion, false);
    }
    if (llama_decode(bench->context, *batch) != 0) {
        fail("libllama could not compute a batch");
    }
    llama_synchronize(bench->context);
    batch->n_tokens = 0;
    if (companion > 0) {
        cut(bench, companion, 0);
    }
}

/* Reads a text up to `end`, in pieces; logits of its last row. */
static void read_text(struct bench *bench, int text, int sequence, int end, int chunk)
{
    chunk = chunk < bench->recipe->piece ? chunk : bench->recipe->piece;
    for (int at = 0; at < end;) {
        for (int row = 0; row < chunk && at < end; row++, at++) {
            add(bench, bench->texts[text][at], at, sequence, at + 1 == end);
        }
        compute(bench);
    }
}

/* -- what came out -- */

static uint64_t hash_logits(const struct bench *bench, const float *logits)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (int i = 0; i < bench->vocabulary; i++) {
        uint32_t bits;
        memcpy(&bits, &logits[i], sizeof(bits));
        hash = (hash ^ bits) * 0x100000001b3;
    }
    return hash;
}

static int32_t choose(struct weft_sampler *sampler, const float *logits, int position)
{
    int32_t token = 0;
    if (weft_sampler_choose(sampler, logits, (uint64_t)position, NULL, &token) < 0) {
        fail("the logits are no numbers");
    }
    return token;
}

static void note_margin(struct weft_sampler *sampler, const float *logits, int position, int32_t token, int *flips,
                        float *margins)
{
    struct weft_margin margin = {0};
    if (weft_sampler_margin(sampler, logits, (uint64_t)position, NULL, token, &margin) < 0) {
        fail("the logits are no numbers");
    }
    if (margin.choice != token) {
        margins[*flips % FLIPS_MAX] = margin.margin;
        ++*flips;
    }
}

/* The reference: what is there is to be compared with. */
static void remember(struct bench *bench, int text, int position, const float *logits)
{
    bench->seen[text][position] = (struct seen){
        .bits = hash_logits(bench, logits),
        .greedy = choose(bench->greedy, logits, position),
        .sampled = choose(bench->sampled, logits, position),
    };
}

static void compare(struct bench *bench, int text, int position, const float *logits)
{
    const struct seen *seen = &bench->seen[text][position];
    bench->positions++;
    if (hash_logits(bench, logits) == seen->bits) {
        return;
    }
    bench->bits++;
    note_margin(bench->greedy, logits, position, seen->greedy, &bench->greedy_flips, bench->greedy_margins);
    note_margin(bench->sampled, logits, position, seen->sampled, &bench->sampled_flips, bench->sampled_margins);
}

/* Answers texts at once, one row of each in a step, from `begin` on. */
static void answer(struct bench *bench, const int *texts, int count, int begin,
                   void (*each)(struct bench *bench, int text, int position, const float *logits))
{
    for (int at = begin; at < bench->size; at++) {
        for (int i = 0; i < count; i++) {
            add(bench, bench->texts[texts[i]][at], at, i, true);
        }
        compute(bench);
        for (int i = 0; i < count; i++) {
            each(bench, texts[i], at, llama_get_logits_ith(bench->context, i));
        }
    }
}

/* -- states: so that the prompt need not be read for each arm that reads it as the reference does -- */

static void save(struct bench *bench, int text)
{
    free(bench->states[text]);
    size_t size = llama_state_seq_get_size(bench->context, 0);
    bench->states[text] = malloc(size);
    if (!bench->states[text]) {
        fail("out of memory");
    }
    bench->state_sizes[text] = llama_state_seq_get_data(bench->context, bench->states[text], size, 0);
}

static void restore(const struct bench *bench, int text, int sequence)
{
    cut(bench, sequence, 0);
    if (llama_state_seq_set_data(bench->context, bench->states[text], bench->state_sizes[text], sequence) == 0) {
        fail("a state could not be put back");
    }
}

/* A lone stream, its prompt in one piece. Where it was recorded by another process its results are read instead. */
static void run_reference(struct bench *bench)
{
    for (int text = 0; text < bench->count; text++) {
        cut(bench, 0, 0);
        read_text(bench, text, 0, bench->prompt, BATCH);
        save(bench, text);
        answer(bench, &text, 1, bench->prompt, bench->against ? compare : remember);
    }
}

/* -- arms -- */

static void run_together(struct bench *bench, int together)
{
    int most = bench->count > together ? bench->count : together;
    for (int first = 0; first < most; first += together) {
        int texts[TEXTS_MAX];
        for (int i = 0; i < together; i++) {
            texts[i] = (first + i) % bench->count;
            restore(bench, texts[i], i);
        }
        answer(bench, texts, together, bench->prompt, compare);
    }
}

static void run_copies(struct bench *bench)
{
    for (int text = 0; text < bench->count; text++) {
        restore(bench, text, 1);
        cut(bench, 0, 0);
        llama_memory_seq_cp(llama_get_memory(bench->context), 1, 0, -1, -1);
        cut(bench, 1, 0);
        answer(bench, &text, 1, bench->prompt, compare);
    }
}

static void run_alone(struct bench *bench, const struct arm *arm)
{
    int end = bench->prompt + arm->resume;
    for (int text = 0; text < bench->count; text++) {
        cut(bench, 0, 0);
        read_text(bench, text, 0, end, arm->chunk > 0 ? arm->chunk : BATCH);
        if (arm->resume > 0) {
            compare(bench, text, end - 1, llama_get_logits_ith(bench->context, -1));
        }
        answer(bench, &text, 1, end, compare);
    }
}

/* One text is read in pieces and answered, others are answered meanwhile, all in the same batches: first one row of
 * each, then the rest of the piece, as the engine fills them. */
static void run_beside(struct bench *bench, int others)
{
    for (int text = 0; text < bench->count; text++) {
        cut(bench, 0, 0);
        for (int i = 1; i <= others; i++) {
            restore(bench, (text + i) % bench->count, i);
            cut(bench, i, bench->prompt - BESIDE_BEFORE);
        }
        int read = 0;
        for (int step = bench->prompt - BESIDE_BEFORE; read < bench->size; step++) {
            int left = bench->prompt - read;
            int rows = left <= 0 ? 1 : left < PIECE_BESIDE ? left : PIECE_BESIDE;
            add(bench, bench->texts[text][read], read, 0, rows == 1);
            for (int i = 1; i <= others && step < bench->size; i++) {
                add(bench, bench->texts[(text + i) % bench->count][step], step, i, false);
            }
            for (int row = 1; row < rows; row++) {
                add(bench, bench->texts[text][read + row], read + row, 0, false);
            }
            compute(bench);
            if (left <= 0) {
                compare(bench, text, read, llama_get_logits_ith(bench->context, 0));
            }
            read += rows;
        }
    }
}

static void print_margins(const char *name, const float *margins, int flips)
{
    printf(",\"%s\":[", name);
    for (int i = 0; i < flips && i < FLIPS_MAX; i++) {
        printf("%s%.6g", i > 0 ? "," : "", (double)margins[i]);
    }
    printf("]");
}

static void print_arm(struct bench *bench, const char *name)
{
    printf("{\"arm\":\"%s\",\"recipe\":\"%s\",\"variant\":\"%s\",\"positions\":%d,\"bits\":%d", name,
           bench->recipe->name, bench->backend.variant, bench->positions, bench->bits);
    print_margins("greedy", bench->greedy_margins, bench->greedy_flips);
    print_margins("sampled", bench->sampled_margins, bench->sampled_flips);
    printf("}\n");
    fflush(stdout);
    bench->positions = bench->bits = bench->greedy_flips = bench->sampled_flips = 0;
}

static void run_arm(struct bench *bench, const struct arm *arm)
{
    if (arm->threads > 0) {
        llama_set_n_threads(bench->context, arm->threads, arm->threads);
    }
    if (arm->together > 0) {
        run_together(bench, arm->together);
    } else if (arm->copy > 0) {
        run_copies(bench);
    } else if (arm->beside > 0) {
        run_beside(bench, arm->beside);
    } else {
        run_alone(bench, arm);
    }
    llama_set_n_threads(bench->context, bench->threads, bench->threads);
    print_arm(bench, arm->name);
}

/* -- what one process leaves for another -- */

static void keep_seen(struct bench *bench, const char *path, bool writes)
{
    FILE *file = fopen(path, writes ? "wb" : "rb");
    size_t done = !file    ? 0
                  : writes ? fwrite(bench->seen, sizeof(bench->seen), 1, file)
                           : fread(bench->seen, sizeof(bench->seen), 1, file);
    if (done != 1 || fclose(file) != 0) {
        bench_fail(path);
    }
}

static void read_texts(struct bench *bench)
{
    FILE *file = fopen(bench->texts_path, "r");
    if (!file) {
        bench_fail(bench->texts_path);
    }
    for (int i = 0; i < bench->count; i++) {
        for (int at = 0; at < TEXT_SIZE; at++) {
            if (fscanf(file, "%d", &bench->texts[i][at]) != 1) {
                fail("the file of texts has fewer or shorter ones");
            }
        }
    }
    (void)fclose(file); /* it was only read */
}

static void run_compare(struct bench *bench)
{
    read_texts(bench);
    bench->context = make_context(bench);
    if (bench->against) {
        keep_seen(bench, bench->against, false);
    }
    run_reference(bench);
    if (bench->against) {
        print_arm(bench, "against");
        return; /* what it compares with is another's */
    }
    if (bench->record) {
        keep_seen(bench, bench->record, true);
    }
    for (int i = 0; i < bench->arm_count; i++) {
        run_arm(bench, &bench->arms[i]);
    }
}

/* -- writing -- */

static const char *const openings[TEXTS_MAX] = {
    "Once upon a time, in a village by the sea,",
    "The three most important rules of cooking are",
    "To find the area of a circle, we first",
    "def merge(left, right):\n    ",
    "Dear Sir or Madam, I am writing to",
    "In the year 1789 the people of Paris",
    "Photosynthesis is the process by which",
    "The capital cities of South America include",
    "Here is a short poem about the rain:\n",
    "My grandmother always told me that",
    "SELECT name, count(*) FROM visitors",
    "The patient was asked to describe",
    "A good way to learn a language is",
    "Scientists have discovered that whales",
    "Q: Why is the sky blue?\nA:",
    "The train left the station at nine, and",
};

/* The next token of a text, at temperature 1; it does not end before its size is reached. */
static llama_token write_on(struct bench *bench, int text, int at)
{
    const struct llama_vocab *vocab = llama_model_get_vocab(bench->model);
    float *logits = llama_get_logits_ith(bench->context, text);
    for (int32_t token = 0; token < bench->vocabulary; token++) {
        logits[token] = llama_vocab_is_eog(vocab, token) ? -1e9F : logits[token];
    }
    return choose(bench->sampled, logits, text * ROOM + at);
}

static void run_write(struct bench *bench)
{
    const struct llama_vocab *vocab = llama_model_get_vocab(bench->model);
    int given[TEXTS_MAX];
    bench->context = make_context(bench);
    for (int i = 0; i < bench->count; i++) {
        const char *text = openings[i];
        given[i] = llama_tokenize(vocab, text, (int32_t)strlen(text), bench->texts[i], ROOM, true, false);
        if (given[i] <= 0) {
            fail("an opening could not be turned into tokens");
        }
    }
    for (int at = 0; at + 1 < TEXT_SIZE; at++) {
        for (int i = 0; i < bench->count; i++) {
            add(bench, bench->texts[i][at], at, i, true);
        }
        compute(bench);
        for (int i = 0; i < bench->count; i++) {
            bench->texts[i][at + 1] = at + 1 < given[i] ? bench->texts[i][at + 1] : write_on(bench, i, at);
        }
    }
    FILE *file = fopen(bench->texts_path, "w");
    for (int i = 0; file && i < bench->count; i++) {
        for (int at = 0; at < TEXT_SIZE; at++) {
            fprintf(file, "%d%c", bench->texts[i][at], at + 1 < TEXT_SIZE ? ' ' : '\n');
        }
    }
    if (!file || fclose(file) != 0) {
        bench_fail(bench->texts_path);
    }
}

static void run_quantize(const struct bench *bench)
{
    struct llama_model_quantize_params params = llama_model_quantize_default_params();
    params.allow_requantize = true; /* worse than from the original, and good enough to see which kernels agree */
    params.nthread = bench->threads;
    for (size_t i = 0; i < sizeof(quants) / sizeof(quants[0]); i++) {
        if (strcmp(quants[i].name, bench->type) == 0) {
            params.ftype = quants[i].type;
            if (llama_model_quantize(bench->model_path, bench->out, &params) != 0) {
                fail("the model could not be quantized");
            }
            return;
        }
    }
    fail("there is no such type");
}

/* -- speed -- */

/* Of this process: what else the machine does counts little. */
static uint64_t cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* cannot fail with a valid clock and pointer */
    return (uint64_t)now.tv_sec * BENCH_SECOND_NS + (uint64_t)now.tv_nsec;
}

static double rate(int tokens, uint64_t start_ns)
{
    return tokens * (double)BENCH_SECOND_NS / (double)(cpu_ns() - start_ns);
}

/* A prompt, a lone answer behind it, and several at once. */
static void measure(struct bench *bench)
{
    for (int i = 0; i < SPEED_STREAMS; i++) {
        cut(bench, i, 0);
    }
    uint64_t start_ns = cpu_ns();
    read_text(bench, 0, 0, SPEED_PROMPT, BATCH);
    double prefill = rate(SPEED_PROMPT, start_ns);
    start_ns = cpu_ns();
    for (int at = SPEED_PROMPT; at < SPEED_PROMPT + SPEED_TOKENS; at++) {
        add(bench, bench->texts[0][at], at, 0, true);
        compute(bench);
    }
    double alone = rate(SPEED_TOKENS, start_ns);
    cut(bench, 0, SPEED_PROMPT);
    for (int i = 1; i < SPEED_STREAMS; i++) {
        llama_memory_seq_cp(llama_get_memory(bench->context), 0, i, -1, -1);
    }
    for (int at = SPEED_PROMPT; at < SPEED_PROMPT + SPEED_TOKENS; at++) {
        if (at == SPEED_PROMPT + 1) {
            start_ns = cpu_ns(); /* the first step makes the copies */
        }
        for (int i = 0; i < SPEED_STREAMS; i++) {
            add(bench, bench->texts[0][at], at, i, true);
        }
        compute(bench);
    }
    double together = rate(SPEED_STREAMS * (SPEED_TOKENS - 1), start_ns);
    printf("{\"recipe\":\"%s\",\"prefill\":%.2f,\"alone\":%.3f,\"together\":%.3f}\n", bench->recipe->name, prefill,
           alone, together);
    fflush(stdout);
}

static void run_speed(struct bench *bench)
{
    read_texts(bench);
    const struct recipe *sides[] = {find_recipe("f16"), bench->recipe};
    struct llama_context *contexts[] = {NULL, make_context(bench)};
    bench->recipe = sides[0];
    load_model(bench);
    contexts[0] = make_context(bench);
    for (int pair = 0; pair < bench->pairs; pair++) {
        for (int turn = 0; turn < 2; turn++) {
            int side = (pair + turn) % 2;
            bench->recipe = sides[side];
            bench->context = contexts[side];
            measure(bench);
        }
    }
}

/* -- the command line -- */

/* "chunk=16" */
static void read_arm(struct bench *bench, const char *text)
{
    struct arm *arm = &bench->arms[bench->arm_count < ARMS_MAX ? bench->arm_count++ : 0];
    const struct {
        const char *name;
        int *field;
        int max;
    } kinds[] = {{"chunk=", &arm->chunk, BATCH},  {"together=", &arm->together, TEXTS_MAX},
                 {"resume=", &arm->resume, ROOM}, {"threads=", &arm->threads, 64},
                 {"copy=", &arm->copy, 1},        {"beside=", &arm->beside, TEXTS_MAX}};
    arm->name = text;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strncmp(text, kinds[i].name, strlen(kinds[i].name)) == 0) {
            if (!bench_number(text + strlen(kinds[i].name), kinds[i].max, kinds[i].field)) {
                fail("an arm's number is out of its range");
            }
            return;
        }
    }
    fail("there is no such arm");
}

static void read_flags(struct bench *bench, int argc, char **argv)
{
    const struct bench_flag flags[] = {
        {"--model", &bench->model_path, NULL, 0},
        {"--backends", &bench->backends, NULL, 0},
        {"--variant", &bench->variant, NULL, 0},
        {"--texts", &bench->texts_path, NULL, 0},
        {"--out", &bench->out, NULL, 0},
        {"--type", &bench->type, NULL, 0},
        {"--recipe", &bench->recipe_name, NULL, 0},
        {"--record", &bench->record, NULL, 0},
        {"--against", &bench->against, NULL, 0},
        {"--threads", NULL, &bench->threads, 64},
        {"--count", NULL, &bench->count, TEXTS_MAX},
        {"--size", NULL, &bench->size, TEXT_SIZE},
        {"--prompt", NULL, &bench->prompt, TEXT_SIZE},
        {"--pairs", NULL, &bench->pairs, 1000},
    };
    bench->what = argc > 1 ? argv[1] : "";
    for (int at = 2; at < argc;) {
        int taken = bench_flag_take(flags, sizeof(flags) / sizeof(flags[0]), argc, argv, &at);
        if (taken < 0) {
            fail("a flag's value is missing or out of its range");
        } else if (taken == 0) {
            read_arm(bench, argv[at++]);
        }
    }
    if (!bench->model_path || bench->prompt >= bench->size || bench->prompt <= BESIDE_BEFORE) {
        fail("--model is missing, or --prompt does not go with --size");
    }
}

int main(int argc, char **argv)
{
    static struct bench bench = {
        .backends = ".llama/lib",
        .recipe_name = "f16",
        .threads = 1,
        .count = 8,
        .size = 288,
        .prompt = 264,
        .pairs = 3,
    };
    static const struct {
        const char *name;
        void (*run)(struct bench *bench);
    } runs[] = {{"write", run_write}, {"compare", run_compare}, {"speed", run_speed}};
    read_flags(&bench, argc, argv);
    bench.recipe = find_recipe(bench.recipe_name);
    load(&bench);
    if (strcmp(bench.what, "quantize") == 0) {
        run_quantize(&bench);
        return 0;
    }
    for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
        if (strcmp(bench.what, runs[i].name) == 0) {
            runs[i].run(&bench);
            llama_free(bench.context);
            return 0;
        }
    }
    fail("say quantize, write, compare or speed");
}
