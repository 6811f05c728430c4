/* node/external_asking.c - what an OpenAI-compatible server is asked, and how an answer that was cut goes on. */
#include "node/external_asking.h"

#include "base/error.h"
#include "base/mem.h"

const char *weft_external_kind_name(enum weft_external_kind kind)
{
    static const char *const names[] = {[WEFT_EXTERNAL_OTHER] = "other",
                                        [WEFT_EXTERNAL_LLAMA] = "llama-server",
                                        [WEFT_EXTERNAL_VLLM] = "vllm",
                                        [WEFT_EXTERNAL_OLLAMA] = "ollama"};
    return names[kind];
}

int weft_external_asking_check(const struct weft_openai_request *request, struct weft_openai_error *error)
{
    if (request->logprobs < 0) {
        return 0;
    }
    return weft_openai_wrong(error, "logprobs", "unsupported_parameter",
                             "logprobs is not supported for the models of an external server: only this node's own "
                             "engines tell them. Leave it out.");
}

/* -- its life -- */

void weft_external_asking_init(struct weft_external_asking *asking, const struct weft_openai_request *request)
{
    *asking = (struct weft_external_asking){.shape = request->shape,
                                            .body = json_incref(request->body),
                                            .prompt = request->prompt,
                                            .choices = request->choices,
                                            .echo = request->echo};
}

void weft_external_asking_deinit(struct weft_external_asking *asking)
{
    weft_bytes_deinit(&asking->content);
    weft_bytes_deinit(&asking->reasoning);
    json_decref(asking->body);
    *asking = (struct weft_external_asking){.body = NULL};
}

/* -- what was delivered -- */

void weft_external_asking_note(struct weft_external_asking *asking, const struct weft_frame *frame)
{
    if (frame->kind == WEFT_FRAME_FINISH) {
        asking->begun = asking->stuck = true; /* also where it has no text: it must not be written once more */
    }
    if (frame->kind != WEFT_FRAME_DELTA) {
        return;
    }
    bool reasoning = frame->delta.part == WEFT_PART_REASONING;
    struct weft_bytes *text = reasoning ? &asking->reasoning : &asking->content;
    asking->begun = true;
    asking->tokens++;
    if (frame->delta.part == WEFT_PART_TOOL_CALL || asking->choices != 1 ||
        text->size + frame->delta.text.size > WEFT_EXTERNAL_TOLD_MAX ||
        weft_bytes_append(text, frame->delta.text.data, frame->delta.text.size) < 0) {
        asking->stuck = true; /* out of memory too: this answer goes on, it only could not be taken up again */
    }
    if (asking->stuck) {
        weft_bytes_deinit(&asking->content);
        weft_bytes_deinit(&asking->reasoning);
    }
}

void weft_external_asking_usage(const struct weft_external_asking *asking, struct weft_frame *usage)
{
    uint32_t prompt = usage->usage.prompt_tokens;
    usage->usage.prompt_tokens = prompt > asking->resumed ? prompt - asking->resumed : 0;
    usage->usage.completion_tokens += asking->resumed;
}

/* -- whether it can go on -- */

/* A format or grammar would begin anew at the continuation. */
static bool is_shaped(const json_t *body)
{
    static const char *const shapes[] = {"json_schema",        "grammar",      "format",
                                         "guided_json",        "guided_regex", "guided_grammar",
                                         "structured_outputs", "guided_choice"};
    const json_t *format = json_object_get(body, "response_format"), *chosen = json_object_get(body, "tool_choice");
    if (json_is_object(format) && !weft_json_is(json_object_get(format, "type"), "text")) {
        return true;
    }
    for (size_t i = 0; i < WEFT_COUNT(shapes); i++) {
        const json_t *shape = json_object_get(body, shapes[i]);
        if (shape && !json_is_null(shape)) {
            return true;
        }
    }
    return json_is_object(chosen) || weft_json_is(chosen, "required");
}

/* The message of the assistant that the client itself wants continued, or NULL. vLLM takes a last message for a whole
 * one where nothing else is said; the others continue it. */
static json_t *continued(const struct weft_external_asking *asking, enum weft_external_kind kind)
{
    const json_t *messages = json_object_get(asking->body, "messages");
    json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    bool says = json_is_true(json_object_get(asking->body, "continue_final_message"));
    return weft_json_is(json_object_get(last, "role"), "assistant") && (says || kind != WEFT_EXTERNAL_VLLM) ? last
                                                                                                            : NULL;
}

static bool can_resume_chat(const struct weft_external_asking *asking, enum weft_external_kind kind)
{
    const json_t *last = continued(asking, kind);
    bool reasons = asking->reasoning.size > 0;
    if (last && (reasons || !json_is_string(json_object_get(last, "content")))) {
        return false;
    }
    /* Only llama-server takes up a thought where it was left. */
    return kind != WEFT_EXTERNAL_OTHER && (!reasons || kind == WEFT_EXTERNAL_LLAMA);
}

/* Ollama puts a prompt into the model's template: what stands behind it would be the asker's words. */
static bool can_resume_completion(const struct weft_external_asking *asking, enum weft_external_kind kind)
{
    return (kind == WEFT_EXTERNAL_LLAMA || kind == WEFT_EXTERNAL_VLLM) && json_is_string(asking->prompt) &&
           !asking->echo;
}

bool weft_external_asking_can_resume(const struct weft_external_asking *asking, enum weft_external_kind kind)
{
    if (!asking->begun) {
        return true;
    }
    if (asking->stuck || is_shaped(asking->body)) {
        return false;
    }
    return asking->shape == WEFT_OPENAI_CHAT ? can_resume_chat(asking, kind) : can_resume_completion(asking, kind);
}

/* -- the body -- */

/* `before` (a string, or NULL) and behind it what was delivered; NULL if memory ran out. */
static json_t *join(const json_t *before, const struct weft_bytes *text)
{
    size_t start = json_string_length(before);
    char *whole = weft_alloc(start + text->size + 1);
    if (!whole) {
        return NULL;
    }
    if (start > 0) {
        memcpy(whole, json_string_value(before), start);
    }
    size_t size = start + weft_bytes_tail(text, whole + start, text->size); /* all of it */
    json_t *joined = json_stringn(whole, size);
    weft_free(whole);
    return joined;
}

static int set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0 ? 0 : WEFT_ERR_MEMORY; /* also for a value that is NULL */
}

/* Copies whose members are shared; NULL if memory ran out: jansson's own would leave some out. */
static json_t *copy_object(json_t *object)
{
    json_t *copy = json_object();
    if (json_object_update(copy, object) < 0) {
        json_decref(copy);
        copy = NULL;
    }
    return copy;
}

static json_t *copy_array(json_t *array)
{
    json_t *copy = json_array();
    if (json_array_extend(copy, array) < 0) {
        json_decref(copy);
        copy = NULL;
    }
    return copy;
}

static json_t *make_message(const struct weft_external_asking *asking)
{
    json_t *message = json_object();
    int error = set(message, "role", json_string("assistant"));
    if (error == 0) {
        error = set(message, "content", join(NULL, &asking->content));
    }
    if (error == 0 && asking->reasoning.size > 0) {
        error = set(message, "reasoning_content", join(NULL, &asking->reasoning));
    }
    if (error < 0) {
        json_decref(message);
        message = NULL;
    }
    return message;
}

/* What was delivered as the end of the last message. */
static int extend_message(const struct weft_external_asking *asking, json_t *messages, json_t *last)
{
    json_t *message = copy_object(last);
    int error = set(message, "content", join(json_object_get(last, "content"), &asking->content));
    if (error < 0) {
        json_decref(message);
        return error;
    }
    return json_array_set_new(messages, json_array_size(messages) - 1, message) == 0 ? 0 : WEFT_ERR_MEMORY;
}

static int resume_chat(const struct weft_external_asking *asking, enum weft_external_kind kind, json_t *body)
{
    json_t *last = continued(asking, kind), *messages = copy_array(json_object_get(body, "messages"));
    int error = set(body, "messages", messages); /* held by the body from here on, or gone */
    if (error == 0 && last) {
        error = extend_message(asking, messages, last);
    } else if (error == 0) {
        error = json_array_append_new(messages, make_message(asking)) == 0 ? 0 : WEFT_ERR_MEMORY;
    }
    if (error == 0 && kind != WEFT_EXTERNAL_OLLAMA) {
        /* llama-server continues a last message without being told, and repeats it in its answer then. */
        error = set(body, "continue_final_message", json_true());
        error = error < 0 ? error : set(body, "add_generation_prompt", json_false());
    }
    return error;
}

/* At least one: what is counted are pieces, and a piece may have been no whole token. */
static int resume_tokens(const struct weft_external_asking *asking, json_t *body)
{
    static const char *const keys[] = {"max_tokens", "max_completion_tokens"};
    int error = 0;
    for (size_t i = 0; error == 0 && i < WEFT_COUNT(keys); i++) {
        const json_t *most = json_object_get(body, keys[i]);
        json_int_t left = json_integer_value(most) - asking->tokens;
        error = json_is_integer(most) ? set(body, keys[i], json_integer(left > 0 ? left : 1)) : 0;
    }
    return error;
}

/* The settings of the answer that are ours to say: how it comes, so that it can be read. */
static int set_ours(json_t *body, struct weft_slice model)
{
    json_t *given = json_object_get(body, "stream_options");
    json_t *options = json_is_object(given) ? copy_object(given) : json_object();
    int error = set(body, "stream_options", options);
    error = error < 0 ? error : set(options, "include_usage", json_true());
    error = error < 0 ? error : set(body, "stream", json_true());
    return error < 0 ? error : set(body, "model", json_stringn(model.data, model.size));
}

/* What is meant for us stays here. */
static void strip(json_t *body)
{
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(body, next, key, value)
    {
        if (strncmp(key, "weft", strlen("weft")) == 0) {
            (void)json_object_del(body, key); /* it is there */
        }
    }
}

static int shape_body(struct weft_external_asking *asking, enum weft_external_kind kind, struct weft_slice model,
                      json_t *body)
{
    strip(body);
    int error = set_ours(body, model);
    if (error < 0 || !asking->begun) {
        return error;
    }
    error = asking->shape == WEFT_OPENAI_CHAT ? resume_chat(asking, kind, body)
                                              : set(body, "prompt", join(asking->prompt, &asking->content));
    return error < 0 ? error : resume_tokens(asking, body);
}

int weft_external_asking_write(struct weft_external_asking *asking, enum weft_external_kind kind,
                               struct weft_slice model, struct weft_bytes *out)
{
    if (!weft_external_asking_can_resume(asking, kind)) {
        return WEFT_ERR_UNSUPPORTED;
    }
    json_t *body = copy_object(asking->body); /* each member that changes is replaced, and stays in the client's */
    int error = body ? shape_body(asking, kind, model, body) : WEFT_ERR_MEMORY;
    if (error == 0) {
        struct weft_json json;
        weft_json_start(&json, out);
        weft_json_value(&json, body);
        error = weft_json_finish(&json);
    }
    json_decref(body);
    if (error == 0) {
        asking->resumed = asking->tokens;
    }
    return error;
}
