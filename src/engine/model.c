/* engine/model.c - one loaded model: its weights, its context, and what its file says of it. */
#include "engine/model.h"

#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <llama.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/estimate.h"

#define LOADED_PERMILLE 900 /* of the way when the weights are read; the context and the first token are the rest */
#define VALUE_MAX       128
#define POLL_LEVEL      1 /* ggml's workers look for work this long before they sleep: 1 is about 2 ms */

/* What libllama said, as the end of a sentence. */
static int refuse_libllama(char problem[WEFT_ENGINE_PROBLEM_MAX], const char *what)
{
    const char *complaint = weft_backend_complaint(), *colon = complaint[0] ? ": " : "";
    if (strstr(complaint, "insufficient memory") || strstr(complaint, "failed to allocate") ||
        strstr(complaint, "bad_alloc")) {
        return weft_engine_refuse(
            problem, WEFT_ERR_MEMORY,
            "%s%s%s. This machine, or a limit set on it, gives too little memory: free some, raise "
            "the limit (ulimit -v), or take a smaller model or context.",
            what, colon, complaint);
    }
    return weft_engine_refuse(problem, WEFT_ERR_INVALID,
                              "%s%s%s. The file is damaged, or needs a newer libllama than %s.", what, colon, complaint,
                              weft_backend_llama_version());
}

/* -- what the file says -- */

static double read_number(const struct llama_model *llama, const char *key, double otherwise)
{
    char text[VALUE_MAX], *end = NULL;
    if (!key || llama_model_meta_val_str(llama, key, text, sizeof(text)) <= 0) {
        return otherwise;
    }
    double value = strtod(text, &end);
    return end != text && isfinite(value) ? value : otherwise;
}

static float recommended(const struct llama_model *llama, enum llama_model_meta_key key)
{
    return (float)read_number(llama, llama_model_meta_key_str(key), (double)NAN);
}

static void describe(struct weft_model *model, const struct weft_engine_options *options,
                     const struct weft_backend *backend)
{
    struct llama_model *llama = model->llama;
    /* Each of these leaves "" where the file says nothing; what is cut is for a person. */
    (void)llama_model_desc(llama, model->description, sizeof(model->description));
    (void)llama_model_meta_val_str(llama, "general.name", model->name, sizeof(model->name));
    (void)llama_model_meta_val_str(llama, "general.architecture", model->architecture, sizeof(model->architecture));
    (void)snprintf(model->quant, sizeof(model->quant), "%s", llama_ftype_name(llama_model_ftype(llama)));
    weft_exact_class(model->kernel_class, model->quant, backend, options);
    model->exact = options->exact;
    model->vocab = llama_model_get_vocab(llama);
    model->vocabulary = llama_vocab_n_tokens(model->vocab);
    model->token_bytes_max = weft_model_token_bytes(model);
    model->embedding = llama_model_n_embd_out(llama);
    model->trained_tokens = llama_model_n_ctx_train(llama);
    model->temperature = recommended(llama, LLAMA_MODEL_META_KEY_SAMPLING_TEMP);
    model->top_p = recommended(llama, LLAMA_MODEL_META_KEY_SAMPLING_TOP_P);
    model->min_p = recommended(llama, LLAMA_MODEL_META_KEY_SAMPLING_MIN_P);
    double top_k = read_number(llama, llama_model_meta_key_str(LLAMA_MODEL_META_KEY_SAMPLING_TOP_K), -1);
    model->top_k = top_k >= 0 && top_k <= INT32_MAX ? (int32_t)top_k : -1;
}

/* Does it pool embeddings itself: a model made for them? */
static bool pools(const struct weft_model *model)
{
    char key[VALUE_MAX];
    (void)snprintf(key, sizeof(key), "%s.pooling_type", model->architecture); /* one that is cut is not there */
    return read_number(model->llama, key, 0) > 0;
}

/* -- threads -- */

/* The functions of the CPU library that was chosen: each variant has its own. */
static void *cpu_function(const char *name)
{
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    return device ? ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), name) : NULL;
}

static struct ggml_threadpool *threads_new(int32_t count)
{
    struct ggml_threadpool *(*make)(struct ggml_threadpool_params *) = NULL;
    void *address = cpu_function("ggml_threadpool_new");
    memcpy(&make, &address, sizeof(make)); /* ISO C knows no cast from an object to a function */
    struct ggml_threadpool_params params = ggml_threadpool_params_default(count);
    params.poll = POLL_LEVEL;
    return make ? make(&params) : NULL;
}

static void threads_free(struct ggml_threadpool *threads)
{
    void (*drop)(struct ggml_threadpool *) = NULL;
    void *address = cpu_function("ggml_threadpool_free");
    memcpy(&drop, &address, sizeof(drop));
    if (threads && drop) {
        drop(threads);
    }
}

/* A pool of the right size, not a larger one in part: its idle threads would be woken by each step, and spin a while.
 * The back-end knows its pool until a step brings it another, and touches it then. */
int weft_model_set_threads(struct weft_model *model, int32_t count)
{
    if (model->threads_before) {
        return WEFT_ERR_BUSY;
    }
    struct ggml_threadpool *threads = threads_new(count);
    if (!threads) {
        return WEFT_ERR_MEMORY;
    }
    llama_attach_threadpool(model->context, threads, threads);
    llama_set_n_threads(model->context, count, count);
    model->threads_before = model->threads;
    model->threads = threads;
    return 0;
}

void weft_model_stepped(struct weft_model *model)
{
    threads_free(model->threads_before);
    model->threads_before = NULL;
}

/* -- loading -- */

static bool on_progress(float progress, void *self)
{
    struct weft_model_progress *out = self;
    atomic_store(&out->permille, (int)(progress * LOADED_PERMILLE));
    return !atomic_load(&out->cancel);
}

static int load_weights(struct weft_model *model, const struct weft_engine_options *options,
                        struct llama_model_params params, struct weft_model_progress *progress, char *problem)
{
    params.n_gpu_layers = options->gpu_layers;
    params.progress_callback = on_progress;
    params.progress_callback_user_data = progress;
    model->llama = llama_model_load_from_file(options->model, params);
    if (model->llama) {
        return 0;
    }
    return atomic_load(&progress->cancel) ? weft_engine_refuse(problem, WEFT_ERR_CANCELLED, "Loading was cancelled.")
                                          : refuse_libllama(problem, "libllama cannot load the model");
}

static int make_context(struct weft_model *model, char *problem)
{
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = (uint32_t)model->slots * (uint32_t)model->context_tokens;
    params.n_seq_max = (uint32_t)model->slots;
    params.n_batch = WEFT_MODEL_BATCH;
    params.n_ubatch = WEFT_MODEL_BATCH;
    /* A row of logits is a megabyte with a large vocabulary. A model that pools gives every row. */
    params.n_outputs_max = pools(model) ? WEFT_MODEL_BATCH : WEFT_MODEL_OUTPUTS_MAX;
    params.n_threads = model->thread_count;
    params.n_threads_batch = model->thread_count;
    params.flash_attn_type = model->exact ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_AUTO;
    params.type_k = GGML_TYPE_F16;
    params.type_v = model->exact ? GGML_TYPE_BF16 : GGML_TYPE_F16; /* engine/exact.h says why */
    params.embeddings = pools(model);
    params.kv_unified = false; /* else a slot's answer depends on what the others do */
    params.swa_full = true;    /* else a prompt's beginning cannot be used again */
    params.no_perf = true;
    model->context = llama_init_from_model(model->llama, params);
    if (!model->context) {
        return refuse_libllama(problem, "libllama cannot make a context for the model");
    }
    model->embeds = llama_pooling_type(model->context) > LLAMA_POOLING_TYPE_NONE;
    model->threads = threads_new(model->thread_count);
    if (!model->threads) {
        return weft_engine_refuse(problem, WEFT_ERR_MEMORY,
                                  "%d computing threads could not be started: try fewer, with --threads.",
                                  model->thread_count);
    }
    llama_attach_threadpool(model->context, model->threads, model->threads);
    return 0;
}

static bool are_numbers(const float *values, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        if (isnan(values[i])) {
            return false;
        }
    }
    return true;
}

/* Computes `rows` of a begin token, the last `outputs` of them with their results, and forgets them. */
static int compute(struct weft_model *model, int32_t rows, int32_t outputs, char *problem)
{
    llama_token token = llama_vocab_bos(model->vocab);
    token = token >= 0 && token < model->vocabulary ? token : 0;
    struct llama_batch batch = llama_batch_init(rows, 0, 1);
    batch.n_tokens = rows;
    for (int32_t i = 0; i < rows; i++) { /* spread over the slots, as far as their contexts go */
        batch.token[i] = token;
        batch.pos[i] = i / model->slots;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = i % model->slots;
        batch.logits[i] = model->embeds || i >= rows - outputs;
    }
    int status = llama_decode(model->context, batch);
    llama_batch_free(batch);
    if (status != 0) {
        return refuse_libllama(problem, "The model loads, but computing with it failed");
    }
    llama_synchronize(model->context);
    const float *out =
        model->embeds ? llama_get_embeddings_seq(model->context, 0) : llama_get_logits_ith(model->context, -1);
    if (!out) {
        return refuse_libllama(problem, "The model loads, but gives no answer to its first token");
    }
    if (!are_numbers(out, model->embeds ? model->embedding : model->vocabulary)) {
        return weft_engine_refuse(
            problem, WEFT_ERR_INVALID,
            "The model loads, but what it computes is not a number: its weights are damaged. Download it "
            "again.");
    }
    if (llama_get_memory(model->context)) { /* models that only embed have none */
        llama_memory_clear(llama_get_memory(model->context), true);
    }
    return 0;
}

int weft_model_exercise(struct weft_model *model, char problem[WEFT_ENGINE_PROBLEM_MAX])
{
    int32_t most = model->slots * model->context_tokens;
    int32_t rows = most < WEFT_MODEL_BATCH ? most : WEFT_MODEL_BATCH;
    return compute(model, rows, rows < WEFT_MODEL_OUTPUTS_MAX ? rows : WEFT_MODEL_OUTPUTS_MAX, problem);
}

static int choose_context(struct weft_model *model, const struct weft_gguf *gguf,
                          const struct weft_engine_options *options, char *problem)
{
    int32_t trained = (int32_t)gguf->context;
    if (options->context > trained) {
        return weft_engine_refuse(
            problem, WEFT_ERR_TOO_LARGE,
            "A context of %d tokens is more than the %d that this model was trained for, and past them its "
            "answers fall apart: say --context %d or less.",
            options->context, trained, trained);
    }
    model->slots = options->slots;
    model->thread_count = options->threads > 0 ? options->threads : 1; /* main has asked the host for the cores */
    model->context_tokens = options->context;
    if (options->context == 0) {
        model->context_tokens = trained < WEFT_MODEL_CONTEXT_DEFAULT ? trained : WEFT_MODEL_CONTEXT_DEFAULT;
    }
    return 0;
}

/* A template that does not work is the model's fault, and known before anybody asks. */
static int read_template(struct weft_model *model, char *problem)
{
    char why[WEFT_CHAT_PROBLEM_MAX] = "";
    int status = weft_chat_new(&model->chat, model->llama, &model->has_template, why);
    if (status == 0) {
        return 0;
    }
    for (char *at = why; *at; at++) { /* it may quote the template */
        *at = *at >= ' ' && *at <= '~' ? *at : ' ';
    }
    return weft_engine_refuse(problem, status, "The model cannot chat: %s. Look for another file of this model.", why);
}

/* All that can be said before libllama sees the file; how it is to be loaded. */
static int plan(struct weft_model *model, const struct weft_engine_options *options, const struct weft_backend *backend,
                struct llama_model_params *params, char *problem)
{
    struct weft_gguf gguf;
    int status = weft_gguf_read(&gguf, options->model, problem);
    if (status == 0) {
        status = choose_context(model, &gguf, options, problem);
    }
    if (status == 0 && options->exact) {
        status = weft_exact_check(&gguf, backend, options, problem);
    }
    if (status < 0) {
        return status;
    }
    params->load_mode = weft_estimate_maps(&gguf, backend->variant) ? LLAMA_LOAD_MODE_MMAP : LLAMA_LOAD_MODE_NONE;
    params->use_extra_bufts = !options->exact || !weft_exact_plain(&gguf);
    weft_estimate(&model->estimate, &gguf, backend, options, model->slots, model->context_tokens);
    return weft_estimate_check(&model->estimate, &gguf, backend, options, problem);
}

int weft_model_load(struct weft_model **out, const struct weft_engine_options *options,
                    const struct weft_backend *backend, struct weft_model_progress *progress,
                    char problem[WEFT_ENGINE_PROBLEM_MAX])
{
    *out = NULL;
    problem[0] = '\0';
    struct weft_model *model = weft_zalloc(sizeof(*model));
    if (!model) {
        return weft_engine_refuse(problem, WEFT_ERR_MEMORY, "Out of memory.");
    }
    struct llama_model_params params = llama_model_default_params();
    int status = plan(model, options, backend, &params, problem);
    status = status < 0 ? status : load_weights(model, options, params, progress, problem);
    if (status == 0) {
        describe(model, options, backend);
        status = make_context(model, problem);
    }
    if (status == 0 && weft_tokenizer_init(&model->tokenizer, model->llama) < 0) {
        status = weft_engine_refuse(problem, WEFT_ERR_MEMORY, "There is not enough memory for the model's vocabulary.");
    }
    status = status < 0 ? status : read_template(model, problem);
    /* One token through the whole model: its pages are read, and weights that are no numbers show. */
    status = status < 0 ? status : compute(model, 1, 1, problem);
    if (status < 0) {
        weft_model_free(model);
        return status;
    }
    atomic_store(&progress->permille, 1000);
    *out = model;
    return 0;
}

void weft_model_free(struct weft_model *model)
{
    if (!model) {
        return;
    }
    weft_chat_free(model->chat);
    weft_tokenizer_deinit(&model->tokenizer);
    if (model->context) {
        llama_detach_threadpool(model->context);
        llama_free(model->context);
    }
    threads_free(model->threads_before);
    threads_free(model->threads);
    if (model->llama) {
        llama_model_free(model->llama);
    }
    weft_free(model);
}
