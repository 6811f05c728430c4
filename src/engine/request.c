/* engine/request.c - what the node asks of the engine: JSON bodies, checked, as plain structs.
 *
 * One table has every member, with the kinds that know it and the function that reads it. */
#include "engine/request.h"

#include <stdio.h>

#include "base/error.h"
#include "engine/grammar.h"
#include "engine/options.h"
#include "wire/json.h"

#define BIAS_BOUND    1e6
#define PENALTY_BOUND 100.0

/* A body being read. */
struct reading {
    struct weft_request *out;
    struct weft_arena *arena;
    int32_t vocabulary;
    char *problem;
    const char *member; /* being read: problems name it */
    int error;          /* the first one sticks */
};

static void fail(struct reading *reading, int error, const char *what)
{
    if (reading->error == 0) {
        reading->error = error;
        snprintf(reading->problem, WEFT_REQUEST_PROBLEM_MAX, "'%s' %s", reading->member, what);
    }
}

static void fail_memory(struct reading *reading)
{
    reading->error = WEFT_ERR_MEMORY;
    snprintf(reading->problem, WEFT_REQUEST_PROBLEM_MAX, "out of memory");
}

static void *take(struct reading *reading, size_t count, size_t size)
{
    void *place = weft_arena_alloc(reading->arena, count * size); /* counts are those of a parsed text: no overflow */
    if (!place) {
        fail_memory(reading);
    }
    return place;
}

/* -- values -- */

static bool read_bool(struct reading *reading, const json_t *value)
{
    if (!json_is_boolean(value)) {
        fail(reading, WEFT_ERR_INVALID, "must be true or false");
    }
    return json_is_true(value);
}

static int64_t read_int(struct reading *reading, const json_t *value, int64_t least, int64_t most)
{
    if (!json_is_integer(value) || json_integer_value(value) < least || json_integer_value(value) > most) {
        char what[80];
        snprintf(what, sizeof(what), "must be an integer from %lld to %lld", (long long)least, (long long)most);
        fail(reading, WEFT_ERR_INVALID, what);
        return least;
    }
    return json_integer_value(value);
}

static float read_float(struct reading *reading, const json_t *value, double least, double most)
{
    double number = json_number_value(value); /* 0 if it is none */
    if (!json_is_number(value) || !(number >= least && number <= most)) {
        char what[80];
        snprintf(what, sizeof(what), "must be a number from %g to %g", least, most);
        fail(reading, WEFT_ERR_INVALID, what);
        return (float)least;
    }
    return (float)number;
}

static struct weft_slice read_text(struct reading *reading, const json_t *value)
{
    if (!json_is_string(value)) {
        fail(reading, WEFT_ERR_INVALID, "must be a text");
        return (struct weft_slice){NULL, 0};
    }
    struct weft_slice text = weft_slice(json_string_value(value), json_string_length(value));
    struct weft_slice copy = weft_arena_copy(reading->arena, text);
    if (!copy.data) {
        fail_memory(reading);
    }
    return copy;
}

/* The value as compact JSON, for those who parse it themselves. */
static struct weft_slice read_json(struct reading *reading, const json_t *value)
{
    size_t size = json_dumpb(value, NULL, 0, JSON_COMPACT);
    char *text = size == 0 ? NULL : weft_arena_alloc(reading->arena, size + 1);
    if (!text || json_dumpb(value, text, size, JSON_COMPACT) != size) {
        fail_memory(reading); /* a value that was parsed can be written, so nothing else is left */
        return (struct weft_slice){NULL, 0};
    }
    text[size] = '\0';
    return weft_slice(text, size);
}

static int32_t read_id(struct reading *reading, const json_t *value)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) >= reading->vocabulary) {
        fail(reading, WEFT_ERR_INVALID, "holds an id that is not in the model's vocabulary");
        return 0;
    }
    return (int32_t)json_integer_value(value);
}

static struct weft_request_text read_ids(struct reading *reading, const json_t *value)
{
    struct weft_request_text ids = {.count = 0};
    if (!json_is_array(value)) {
        fail(reading, WEFT_ERR_INVALID, "must be an array of token ids");
        return ids;
    }
    size_t count = json_array_size(value);
    int32_t *place = take(reading, count, sizeof(int32_t));
    for (size_t i = 0; place && i < count; i++) {
        place[i] = read_id(reading, json_array_get(value, i));
    }
    ids.ids = place;
    ids.count = place ? count : 0;
    return ids;
}

static struct weft_request_text read_text_or_ids(struct reading *reading, const json_t *value)
{
    if (json_is_array(value)) {
        return read_ids(reading, value);
    }
    if (!json_is_string(value)) {
        fail(reading, WEFT_ERR_INVALID, "must be a text or an array of token ids");
    }
    return (struct weft_request_text){.text = read_text(reading, value)};
}

/* -- members: of chats -- */

static void read_array(struct reading *reading, const json_t *value, struct weft_slice *out)
{
    if (!json_is_array(value) || json_array_size(value) == 0) {
        fail(reading, WEFT_ERR_INVALID, "must be an array with at least one element");
        return;
    }
    *out = read_json(reading, value);
}

static void read_object(struct reading *reading, const json_t *value, struct weft_slice *out)
{
    if (!json_is_object(value)) {
        fail(reading, WEFT_ERR_INVALID, "must be an object");
        return;
    }
    *out = read_json(reading, value);
}

static void read_messages(struct reading *reading, const json_t *value)
{
    read_array(reading, value, &reading->out->chat.messages);
}

static void read_tools(struct reading *reading, const json_t *value)
{
    read_array(reading, value, &reading->out->chat.tools);
}

static void read_tool_choice(struct reading *reading, const json_t *value)
{
    static const char *const names[] = {
        [WEFT_TOOLS_AUTO] = "auto",
        [WEFT_TOOLS_NONE] = "none",
        [WEFT_TOOLS_REQUIRED] = "required",
    };
    struct weft_slice given = weft_slice(json_string_value(value), json_string_length(value));
    for (size_t i = 0; i < WEFT_COUNT(names) && json_is_string(value); i++) {
        if (weft_slice_equal(given, weft_slice_text(names[i]))) {
            reading->out->chat.tool_choice = (enum weft_tool_choice)i;
            return;
        }
    }
    fail(reading, WEFT_ERR_INVALID, "must be auto, none or required");
}

static void read_parallel(struct reading *reading, const json_t *value)
{
    reading->out->chat.parallel_tool_calls = read_bool(reading, value);
}

static void read_template_args(struct reading *reading, const json_t *value)
{
    read_object(reading, value, &reading->out->chat.template_args);
}

static void read_continue(struct reading *reading, const json_t *value)
{
    reading->out->chat.continue_final_message = read_bool(reading, value);
}

static void read_reasoning(struct reading *reading, const json_t *value)
{
    reading->out->chat.reasoning = read_bool(reading, value);
}

static void read_now(struct reading *reading, const json_t *value)
{
    /* to the end of the year 9999: what a template prints has four digits */
    reading->out->chat.now_s = read_int(reading, value, 0, INT64_C(253402300799));
}

static void read_schema(struct reading *reading, const json_t *value)
{
    read_object(reading, value, &reading->out->chat.schema);
}

static void read_grammar(struct reading *reading, const json_t *value)
{
    struct weft_slice text = read_text(reading, value);
    if (text.size == 0 || memchr(text.data, '\0', text.size)) {
        fail(reading, WEFT_ERR_INVALID, "must be a text that is not empty and has no NUL");
    } else if (text.size > WEFT_GRAMMAR_TEXT_MAX) {
        fail(reading, WEFT_ERR_TOO_LARGE, "is longer than 1 MiB");
    }
    reading->out->chat.grammar = text;
}

/* -- members: texts and ids -- */

static void read_prompt(struct reading *reading, const json_t *value)
{
    reading->out->prompt = read_text_or_ids(reading, value);
}

static void read_plain_text(struct reading *reading, const json_t *value)
{
    reading->out->prompt.text = read_text(reading, value);
}

static void read_id_list(struct reading *reading, const json_t *value)
{
    reading->out->prompt = read_ids(reading, value);
    if (reading->out->kind == WEFT_REQUEST_SCORE && reading->out->prompt.count > WEFT_SCORE_MAX) {
        fail(reading, WEFT_ERR_TOO_LARGE, "has more than 32768 ids");
    }
}

static void read_from(struct reading *reading, const json_t *value)
{
    reading->out->from = (size_t)read_int(reading, value, 1, (int64_t)WEFT_SCORE_MAX);
}

static void read_special(struct reading *reading, const json_t *value)
{
    reading->out->special = read_bool(reading, value);
}

static void read_begin(struct reading *reading, const json_t *value)
{
    reading->out->begin = read_bool(reading, value);
}

static void read_input(struct reading *reading, const json_t *value)
{
    size_t count = json_array_size(value); /* 0 if it is none */
    if (count == 0) {
        fail(reading, WEFT_ERR_INVALID, "must be an array with at least one element");
        return;
    }
    /* [1, 2, 3] is one input of ids */
    bool one = json_is_integer(json_array_get(value, 0));
    if (!one && count > WEFT_REQUEST_INPUTS_MAX) {
        fail(reading, WEFT_ERR_TOO_LARGE, "has more than 2048 elements");
        return;
    }
    count = one ? 1 : count;
    struct weft_request_text *inputs = take(reading, count, sizeof(*inputs));
    for (size_t i = 0; inputs && i < count && reading->error == 0; i++) {
        inputs[i] = read_text_or_ids(reading, one ? value : json_array_get(value, i));
        if (inputs[i].text.size == 0 && inputs[i].count == 0) {
            fail(reading, WEFT_ERR_INVALID, "holds an empty element");
        }
    }
    reading->out->inputs = inputs;
    reading->out->input_count = count;
}

static void read_threads(struct reading *reading, const json_t *value)
{
    reading->out->threads = (int32_t)read_int(reading, value, 1, WEFT_ENGINE_THREADS_MAX);
}

/* -- members: of the answer -- */

static void read_max_tokens(struct reading *reading, const json_t *value)
{
    reading->out->max_tokens = (uint32_t)read_int(reading, value, 0, UINT32_MAX);
}

static void read_stop(struct reading *reading, const json_t *value)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count > WEFT_REQUEST_STOPS_MAX) {
        fail(reading, WEFT_ERR_INVALID, "must be an array of at most 16 texts");
        return;
    }
    struct weft_slice *stops = take(reading, count, sizeof(*stops));
    for (size_t i = 0; stops && i < count && reading->error == 0; i++) {
        stops[i] = read_text(reading, json_array_get(value, i));
        if (stops[i].size == 0 || stops[i].size > WEFT_TEXT_STOP_MAX) {
            fail(reading, WEFT_ERR_INVALID, "holds a text that is empty or over 1024 bytes long");
        }
    }
    reading->out->stops = stops;
    reading->out->stop_count = count;
}

static void read_choices(struct reading *reading, const json_t *value)
{
    reading->out->choices = (uint16_t)read_int(reading, value, 1, WEFT_JOB_CHOICES_MAX);
}

static void read_seed(struct reading *reading, const json_t *value)
{
    reading->out->seed = (uint64_t)read_int(reading, value, INT64_MIN, INT64_MAX);
}

static void read_logprobs(struct reading *reading, const json_t *value)
{
    reading->out->logprobs = (int32_t)read_int(reading, value, 0, WEFT_NATIVE_LOGPROBS_MAX);
}

static void read_echo(struct reading *reading, const json_t *value)
{
    reading->out->echo = read_bool(reading, value);
}

static void read_ignore_end(struct reading *reading, const json_t *value)
{
    reading->out->ignore_end = read_bool(reading, value);
}

static void read_call_ids(struct reading *reading, const json_t *value)
{
    struct weft_slice text = read_text(reading, value);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= ' ' || text.data[i] > '~') {
            fail(reading, WEFT_ERR_INVALID, "must be printable ASCII");
            return;
        }
    }
    if (text.size == 0 || text.size > WEFT_REQUEST_CALL_ID_MAX) {
        fail(reading, WEFT_ERR_INVALID, "must have 1 to 64 bytes");
    }
    reading->out->call_ids = text;
}

static void read_resume(struct reading *reading, const json_t *value)
{
    size_t count = json_array_size(value);
    if (count == 0 || count > WEFT_JOB_CHOICES_MAX) {
        fail(reading, WEFT_ERR_INVALID, "must be an array with one array of ids per choice");
        return;
    }
    for (size_t i = 0; i < count && reading->error == 0; i++) {
        reading->out->resume[i] = read_ids(reading, json_array_get(value, i));
    }
    reading->out->resumes = true;
    reading->out->from = count; /* until `n` is known too: see check_generate() */
}

/* -- members: of the sampling -- */

static void read_temperature(struct reading *reading, const json_t *value)
{
    reading->out->sampling.temperature = read_float(reading, value, 0, 100);
}

static void read_top_k(struct reading *reading, const json_t *value)
{
    reading->out->sampling.top_k = (int32_t)read_int(reading, value, 0, INT32_MAX);
}

static void read_top_p(struct reading *reading, const json_t *value)
{
    reading->out->sampling.top_p = read_float(reading, value, 0, 1);
}

static void read_min_p(struct reading *reading, const json_t *value)
{
    reading->out->sampling.min_p = read_float(reading, value, 0, 1);
}

static void read_repeat_penalty(struct reading *reading, const json_t *value)
{
    reading->out->sampling.repeat_penalty = read_float(reading, value, 0.01, PENALTY_BOUND);
}

static void read_frequency_penalty(struct reading *reading, const json_t *value)
{
    reading->out->sampling.frequency_penalty = read_float(reading, value, -PENALTY_BOUND, PENALTY_BOUND);
}

static void read_presence_penalty(struct reading *reading, const json_t *value)
{
    reading->out->sampling.presence_penalty = read_float(reading, value, -PENALTY_BOUND, PENALTY_BOUND);
}

static void read_penalty_last_n(struct reading *reading, const json_t *value)
{
    reading->out->sampling.penalty_last_n = (int32_t)read_int(reading, value, -1, WEFT_SAMPLER_HISTORY_MAX);
}

static void read_logit_bias(struct reading *reading, const json_t *value)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count > WEFT_SAMPLER_BIAS_MAX) {
        fail(reading, WEFT_ERR_INVALID, "must be an array of at most 1024 pairs");
        return;
    }
    struct weft_bias *bias = take(reading, count, sizeof(*bias));
    for (size_t i = 0; bias && i < count && reading->error == 0; i++) {
        const json_t *pair = json_array_get(value, i);
        if (json_array_size(pair) != 2) {
            fail(reading, WEFT_ERR_INVALID, "must hold pairs of an id and a number");
            return;
        }
        bias[i].token = read_id(reading, json_array_get(pair, 0));
        bias[i].bias = read_float(reading, json_array_get(pair, 1), -BIAS_BOUND, BIAS_BOUND);
    }
    reading->out->sampling.bias = bias;
    reading->out->sampling.bias_count = count;
}

/* -- the table -- */

#define GENERATE   (1U << WEFT_REQUEST_GENERATE)
#define SCORE      (1U << WEFT_REQUEST_SCORE)
#define EMBED      (1U << WEFT_REQUEST_EMBED)
#define TOKENIZE   (1U << WEFT_REQUEST_TOKENIZE)
#define DETOKENIZE (1U << WEFT_REQUEST_DETOKENIZE)
#define THREADS    (1U << WEFT_REQUEST_THREADS)

static const struct member {
    const char *name;
    unsigned kinds; /* that know it */
    void (*read)(struct reading *reading, const json_t *value);
} members[] = {
    {"messages", GENERATE | TOKENIZE, read_messages},
    {"tools", GENERATE | TOKENIZE, read_tools},
    {"tool_choice", GENERATE | TOKENIZE, read_tool_choice},
    {"parallel_tool_calls", GENERATE | TOKENIZE, read_parallel},
    {"template_args", GENERATE | TOKENIZE, read_template_args},
    {"continue_final_message", GENERATE | TOKENIZE, read_continue},
    {"reasoning", GENERATE | TOKENIZE, read_reasoning},
    {"now", GENERATE | TOKENIZE, read_now},
    {"schema", GENERATE | SCORE | TOKENIZE, read_schema},
    {"grammar", GENERATE | SCORE | TOKENIZE, read_grammar},
    {"prompt", GENERATE, read_prompt},
    {"text", TOKENIZE, read_plain_text},
    {"ids", SCORE | DETOKENIZE, read_id_list},
    {"from", SCORE, read_from},
    {"special", TOKENIZE, read_special},
    {"begin", TOKENIZE, read_begin},
    {"input", EMBED, read_input},
    {"threads", THREADS, read_threads},
    {"max_tokens", GENERATE, read_max_tokens},
    {"stop", GENERATE, read_stop},
    {"n", GENERATE, read_choices},
    {"seed", GENERATE | SCORE, read_seed},
    {"logprobs", GENERATE, read_logprobs},
    {"echo", GENERATE, read_echo},
    {"ignore_end", GENERATE | SCORE, read_ignore_end},
    {"call_ids", GENERATE, read_call_ids},
    {"resume", GENERATE, read_resume},
    {"temperature", GENERATE | SCORE, read_temperature},
    {"top_k", GENERATE | SCORE, read_top_k},
    {"top_p", GENERATE | SCORE, read_top_p},
    {"min_p", GENERATE | SCORE, read_min_p},
    {"repeat_penalty", GENERATE | SCORE, read_repeat_penalty},
    {"frequency_penalty", GENERATE | SCORE, read_frequency_penalty},
    {"presence_penalty", GENERATE | SCORE, read_presence_penalty},
    {"penalty_last_n", GENERATE | SCORE, read_penalty_last_n},
    {"logit_bias", GENERATE | SCORE, read_logit_bias},
};

static void read_member(struct reading *reading, const char *name, const json_t *value)
{
    for (size_t i = 0; i < WEFT_COUNT(members); i++) {
        if ((members[i].kinds & (1U << reading->out->kind)) != 0 && strcmp(members[i].name, name) == 0) {
            reading->member = members[i].name;
            members[i].read(reading, value);
            return;
        }
    }
    /* A name of ours is told; anything else may be content. */
    for (size_t i = 0; i < WEFT_COUNT(members); i++) {
        if (strcmp(members[i].name, name) == 0) {
            reading->member = members[i].name;
            fail(reading, WEFT_ERR_INVALID, "is not a member of this request");
            return;
        }
    }
    reading->error = WEFT_ERR_UNSUPPORTED;
    snprintf(reading->problem, WEFT_REQUEST_PROBLEM_MAX,
             "the request has a member that this engine does not know: is the node of the same version?");
}

/* -- what holds between members -- */

static void need(struct reading *reading, bool held, const char *member, const char *what)
{
    if (!held) {
        reading->member = member;
        fail(reading, WEFT_ERR_INVALID, what);
    }
}

static void check_chat(struct reading *reading, const json_t *body, const char *alternative)
{
    const struct weft_chat_request *chat = &reading->out->chat;
    bool messages = chat->messages.size > 0;
    bool other = json_object_get(body, alternative);
    need(reading, messages || other, "messages", "is missing");
    need(reading, !(messages && other), alternative, "cannot stand beside 'messages'");
    static const char *const with_messages[] = {
        "tools", "tool_choice", "parallel_tool_calls", "template_args", "continue_final_message", "reasoning",
    };
    for (size_t i = 0; i < WEFT_COUNT(with_messages) && !messages; i++) {
        need(reading, !json_object_get(body, with_messages[i]), with_messages[i], "needs 'messages'");
    }
    bool tools = chat->tools.size > 0;
    need(reading, tools || chat->tool_choice != WEFT_TOOLS_REQUIRED, "tool_choice",
         "is required, but there are no tools");
    need(reading, !(tools && chat->tool_choice != WEFT_TOOLS_NONE && chat->grammar.size > 0), "grammar",
         "cannot stand beside 'tools'");
}

static void check_constraint(struct reading *reading)
{
    const struct weft_chat_request *chat = &reading->out->chat;
    need(reading, chat->schema.size == 0 || chat->grammar.size == 0, "grammar", "cannot stand beside 'schema'");
}

static void check_generate(struct reading *reading, const json_t *body)
{
    struct weft_request *out = reading->out;
    check_chat(reading, body, "prompt");
    check_constraint(reading);
    need(reading, json_object_get(body, "seed"), "seed", "is missing: whoever asks first draws it");
    need(reading, out->max_tokens > 0 || out->echo, "max_tokens", "is 0: only 'echo' makes sense of that");
    need(reading, !out->resumes || out->from == out->choices, "resume", "must have one array of ids per choice");
    out->from = 0;
}

static void check_score(struct reading *reading, const json_t *body)
{
    struct weft_request *out = reading->out;
    check_constraint(reading);
    need(reading, out->prompt.count > 1, "ids", "must have at least two ids");
    need(reading, out->from > 0, "from", "is missing");
    need(reading, out->from < out->prompt.count, "from", "lies behind the last id");
    need(reading, json_object_get(body, "seed"), "seed", "is missing");
}

static void check(struct reading *reading, const json_t *body)
{
    struct weft_request *out = reading->out;
    switch (out->kind) {
    case WEFT_REQUEST_GENERATE:
        check_generate(reading, body);
        break;
    case WEFT_REQUEST_SCORE:
        check_score(reading, body);
        break;
    case WEFT_REQUEST_EMBED:
        need(reading, out->input_count > 0, "input", "is missing");
        break;
    case WEFT_REQUEST_TOKENIZE:
        check_chat(reading, body, "text");
        check_constraint(reading);
        break;
    case WEFT_REQUEST_DETOKENIZE:
        need(reading, json_object_get(body, "ids"), "ids", "is missing");
        break;
    case WEFT_REQUEST_THREADS:
        need(reading, json_object_get(body, "threads"), "threads", "is missing");
        break;
    }
}

static void set_defaults(struct weft_request *out, enum weft_request_kind kind)
{
    *out = (struct weft_request){
        .kind = kind,
        .chat = {.reasoning = true},
        .sampling = {.temperature = 1, .top_p = 1, .repeat_penalty = 1, .penalty_last_n = -1},
        .choices = 1,
        .max_tokens = UINT32_MAX,
        .logprobs = -1,
    };
}

int weft_request_read(enum weft_request_kind kind, struct weft_slice body, int32_t vocabulary, struct weft_arena *arena,
                      struct weft_request *out, char problem[WEFT_REQUEST_PROBLEM_MAX])
{
    set_defaults(out, kind);
    problem[0] = '\0';
    json_t *tree;
    struct weft_json_problem why;
    int error = weft_json_parse(body, &tree, &why);
    if (error != 0) {
        snprintf(problem, WEFT_REQUEST_PROBLEM_MAX, "the request is not understood: %s", why.text);
        return error;
    }
    struct reading reading = {.out = out, .arena = arena, .vocabulary = vocabulary, .problem = problem};
    if (json_is_object(tree)) {
        const char *name;
        json_t *value;
        json_object_foreach(tree, name, value)
        {
            if (reading.error == 0) {
                read_member(&reading, name, value);
            }
        }
    } else {
        reading.error = WEFT_ERR_INVALID;
        snprintf(problem, WEFT_REQUEST_PROBLEM_MAX, "the request must be a JSON object");
    }
    if (reading.error == 0) {
        check(&reading, tree);
    }
    json_decref(tree);
    return reading.error;
}
