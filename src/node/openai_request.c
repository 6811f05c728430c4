/* node/openai_request.c - what a client of OpenAI's API asks: read and checked. */
#include "node/openai_request.h"

#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "node/openai_messages.h"

#define CHAT       1u
#define COMPLETION 2u
#define BOTH       (CHAT | COMPLETION)

#define NOT_SAID (-2) /* of integers that may be -1 */

/* One parameter. Null is as good as absent, for all of them. */
struct parameter {
    const char *name;
    unsigned shapes;
    int (*read)(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                struct weft_openai_error *error);
    size_t at;          /* where a simple one goes, in struct weft_openai_request */
    double least, most; /* of numbers */
    const char *why;    /* of what is refused */
};

/* -- readers: simple ones -- */

static void *place(struct weft_openai_request *request, const struct parameter *parameter)
{
    return (char *)request + parameter->at;
}

static int wrong_type(struct weft_openai_error *error, const char *param, const char *wanted)
{
    return weft_openai_wrong(error, param, "invalid_type", "%s must be %s.", param, wanted);
}

static int read_bool(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                     struct weft_openai_error *error)
{
    if (!json_is_boolean(value)) {
        return wrong_type(error, parameter->name, "true or false");
    }
    *(bool *)place(request, parameter) = json_is_true(value);
    return 0;
}

static int out_of_range(const struct parameter *parameter, struct weft_openai_error *error)
{
    return weft_openai_wrong(error, parameter->name, "invalid_value", "%s must be from %.10g to %.10g.",
                             parameter->name, parameter->least, parameter->most);
}

static int read_number(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                       struct weft_openai_error *error)
{
    if (!json_is_number(value)) {
        return wrong_type(error, parameter->name, "a number");
    }
    double number = json_number_value(value);
    if (number < parameter->least || number > parameter->most) {
        return out_of_range(parameter, error);
    }
    *(double *)place(request, parameter) = number;
    return 0;
}

static int read_integer(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                        struct weft_openai_error *error)
{
    if (!json_is_integer(value)) {
        return wrong_type(error, parameter->name, "a whole number");
    }
    int64_t number = json_integer_value(value);
    if ((double)number < parameter->least || (double)number > parameter->most) {
        return out_of_range(parameter, error);
    }
    *(int64_t *)place(request, parameter) = number;
    return 0;
}

static int read_text(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                     struct weft_openai_error *error)
{
    if (!json_is_string(value)) {
        return wrong_type(error, parameter->name, "a text");
    }
    *(struct weft_slice *)place(request, parameter) = weft_json_slice(value);
    return 0;
}

static int read_object(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                       struct weft_openai_error *error)
{
    if (!json_is_object(value)) {
        return wrong_type(error, parameter->name, "an object");
    }
    *(json_t **)place(request, parameter) = value;
    return 0;
}

/* Read later, when all that belongs to it is there. */
static int read_any(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                    struct weft_openai_error *error)
{
    (void)error;
    *(json_t **)place(request, parameter) = value;
    return 0;
}

static int refuse_second(const struct parameter *parameter, const char *first, struct weft_openai_error *error)
{
    return weft_openai_wrong(error, parameter->name, "invalid_value", "%s and %s say the same thing. Give one of them.",
                             parameter->name, first);
}

/* Another name of repeat_penalty. */
static int read_repetition(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                           struct weft_openai_error *error)
{
    return isnan(request->repeat_penalty) ? read_number(request, parameter, value, error)
                                          : refuse_second(parameter, "repeat_penalty", error);
}

/* Another place of response_format's schema. */
static int read_schema(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                       struct weft_openai_error *error)
{
    return request->schema ? refuse_second(parameter, "response_format.json_schema", error)
                           : read_object(request, parameter, value, error);
}

/* -- readers: what is refused -- */

static int refuse(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                  struct weft_openai_error *error)
{
    (void)request;
    (void)value;
    return weft_openai_wrong(error, parameter->name, "unsupported_parameter", "%s is not supported: %s",
                             parameter->name, parameter->why);
}

static int refuse_true(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                       struct weft_openai_error *error)
{
    return json_is_false(value) ? 0 : refuse(request, parameter, value, error);
}

static int refuse_suffix(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                         struct weft_openai_error *error)
{
    return weft_json_is(value, "") ? 0 : refuse(request, parameter, value, error);
}

static int refuse_verbosity(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                            struct weft_openai_error *error)
{
    return weft_json_is(value, "medium") ? 0 : refuse(request, parameter, value, error);
}

static int refuse_modalities(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                             struct weft_openai_error *error)
{
    bool text_only =
        json_is_array(value) && json_array_size(value) == 1 && weft_json_is(json_array_get(value, 0), "text");
    return text_only ? 0 : refuse(request, parameter, value, error);
}

/* -- readers: with a shape of their own -- */

static int check_stop(const json_t *value, const char *param, struct weft_openai_error *error)
{
    if (!json_is_string(value)) {
        return wrong_type(error, param, "a text");
    }
    size_t size = json_string_length(value);
    return size > 0 && size <= WEFT_OPENAI_STOP_MAX
               ? 0
               : weft_openai_wrong(error, param, "invalid_value", "A stop text has 1 to %d bytes.",
                                   WEFT_OPENAI_STOP_MAX);
}

static int read_stop(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                     struct weft_openai_error *error)
{
    (void)parameter;
    request->stop = value;
    if (!json_is_array(value)) {
        return json_is_string(value) ? check_stop(value, "stop", error)
                                     : wrong_type(error, "stop", "a text or an array of texts");
    }
    size_t count = json_array_size(value);
    if (count > WEFT_OPENAI_STOPS_MAX) {
        return weft_openai_wrong(error, "stop", "invalid_value", "stop may hold %d texts.", WEFT_OPENAI_STOPS_MAX);
    }
    int status = 0;
    for (size_t i = 0; status == 0 && i < count; i++) {
        char param[WEFT_OPENAI_PARAM_MAX];
        (void)snprintf(param, sizeof(param), "stop[%zu]", i);
        status = check_stop(json_array_get(value, i), param, error);
    }
    return status;
}

static bool is_token(const char *text)
{
    int64_t id = 0;
    size_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9' && digits < 10; digits++) {
        id = id * 10 + (text[digits] - '0');
    }
    return digits > 0 && text[digits] == '\0' && id <= INT32_MAX;
}

static int read_logit_bias(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                           struct weft_openai_error *error)
{
    const char *name = parameter->name;
    if (!json_is_object(value)) {
        return wrong_type(error, name, "an object from token ids to numbers");
    }
    if (json_object_size(value) > WEFT_OPENAI_BIAS_MAX) {
        return weft_openai_wrong(error, name, "invalid_value", "logit_bias may name %d tokens.", WEFT_OPENAI_BIAS_MAX);
    }
    for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at)) {
        const json_t *bias = json_object_iter_value(at);
        if (!is_token(json_object_iter_key(at))) {
            return weft_openai_wrong(error, name, "invalid_value", "The keys of logit_bias are token ids, in digits.");
        }
        if (!json_is_number(bias)) {
            return wrong_type(error, name, "an object from token ids to numbers");
        }
        if (json_number_value(bias) < parameter->least || json_number_value(bias) > parameter->most) {
            return weft_openai_wrong(error, name, "invalid_value", "The values of logit_bias are from -100 to 100.");
        }
    }
    request->logit_bias = value;
    return 0;
}

static int read_stream_options(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                               struct weft_openai_error *error)
{
    int status = read_object(request, parameter, value, error);
    const json_t *usage = status == 0 ? json_object_get(value, "include_usage") : NULL;
    if (!usage || json_is_null(usage)) {
        return status;
    }
    request->include_usage = json_is_true(usage);
    return json_is_boolean(usage) ? 0 : wrong_type(error, "stream_options.include_usage", "true or false");
}

static int read_response_format(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                                struct weft_openai_error *error)
{
    if (!json_is_object(value)) {
        return wrong_type(error, parameter->name, "an object");
    }
    const json_t *type = json_object_get(value, "type");
    if (weft_json_is(type, "text")) {
        return 0;
    }
    if (weft_json_is(type, "json_object")) {
        request->any_object = true;
        return 0;
    }
    if (!weft_json_is(type, "json_schema")) {
        return weft_openai_wrong(error, "response_format.type", "invalid_value",
                                 "response_format.type must be text, json_object or json_schema.");
    }
    const json_t *format = json_object_get(value, "json_schema");
    if (!json_is_object(format)) {
        return wrong_type(error, "response_format.json_schema", "an object with a schema");
    }
    const json_t *strict = json_object_get(format, "strict");
    if (strict && !json_is_null(strict) && !json_is_boolean(strict)) {
        return wrong_type(error, "response_format.json_schema.strict", "true or false");
    }
    request->schema = json_object_get(format, "schema");
    return json_is_object(request->schema) ? 0 : wrong_type(error, "response_format.json_schema.schema", "an object");
}

static int read_grammar(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                        struct weft_openai_error *error)
{
    int status = read_text(request, parameter, value, error);
    if (status == 0 && request->grammar.size > WEFT_OPENAI_GRAMMAR_MAX) {
        return weft_openai_wrong(error, parameter->name, "invalid_value", "A grammar may have %zu bytes.",
                                 WEFT_OPENAI_GRAMMAR_MAX);
    }
    return status;
}

static int read_effort(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                       struct weft_openai_error *error)
{
    static const char *const efforts[] = {"none", "minimal", "low", "medium", "high", "xhigh", "max"};
    for (size_t i = 0; i < WEFT_COUNT(efforts); i++) {
        if (weft_json_is(value, efforts[i])) {
            request->no_reasoning = i == 0;
            return read_text(request, parameter, value, error);
        }
    }
    return weft_openai_wrong(error, parameter->name, "invalid_value",
                             "reasoning_effort must be none, minimal, low, medium, high, xhigh or max.");
}

static int read_template_args(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                              struct weft_openai_error *error)
{
    int status = read_object(request, parameter, value, error);
    if (status == 0 && json_is_false(json_object_get(value, "enable_thinking"))) {
        request->no_reasoning = true;
    }
    return status;
}

static int read_seed(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                     struct weft_openai_error *error)
{
    request->has_seed = json_is_integer(value);
    request->seed = json_integer_value(value);
    return request->has_seed ? 0 : wrong_type(error, parameter->name, "a whole number");
}

static int read_generation_prompt(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                                  struct weft_openai_error *error)
{
    request->keeps_open = json_is_false(value);
    return json_is_boolean(value) ? 0 : wrong_type(error, parameter->name, "true or false");
}

/* An array of ids: each fits 31 bits, and the engine knows how many there are. */
static int check_ids(const json_t *ids, struct weft_openai_error *error)
{
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX) {
            return wrong_type(error, "prompt", "a text, or an array of token ids");
        }
    }
    return 0;
}

/* One prompt: alone, or the only one of an array. */
static int read_prompt(struct weft_openai_request *request, const struct parameter *parameter, json_t *value,
                       struct weft_openai_error *error)
{
    json_t *first = json_array_get(value, 0); /* NULL if it is no array */
    if (json_is_string(first) || json_is_array(first)) {
        if (json_array_size(value) > 1) {
            return weft_openai_wrong(error, parameter->name, "unsupported_value",
                                     "One prompt a request: send a request for each, they are worked on side by side.");
        }
        value = first;
    }
    request->prompt = value;
    if (json_is_string(value)) {
        return 0;
    }
    if (!json_is_array(value) || json_array_size(value) == 0) {
        return wrong_type(error, parameter->name, "a text, or an array of token ids");
    }
    return check_ids(value, error);
}

/* -- the table -- */

#define AT(member)     offsetof(struct weft_openai_request, member)
#define TOKENS_MOST    2147483647.0
#define LOGPROBS_MOST  20
#define FUNCTIONS_GONE "it was replaced by tools and tool_choice, which this node takes."
#define TEXT_ONLY      "this node reads and writes text only."

static const struct parameter parameters[] = {
    {"model", BOTH, read_text, AT(model), 0, 0, NULL},
    {"messages", CHAT, read_any, AT(messages), 0, 0, NULL},
    {"prompt", COMPLETION, read_prompt, 0, 0, 0, NULL},
    {"stream", BOTH, read_bool, AT(stream), 0, 0, NULL},
    {"stream_options", BOTH, read_stream_options, AT(stream_options), 0, 0, NULL},
    {"max_tokens", BOTH, read_integer, AT(max_tokens), 0, TOKENS_MOST, NULL},
    {"max_completion_tokens", CHAT, read_integer, AT(max_completion_tokens), 0, TOKENS_MOST, NULL},
    {"temperature", BOTH, read_number, AT(temperature), 0, 2, NULL},
    {"top_p", BOTH, read_number, AT(top_p), 0, 1, NULL},
    {"n", BOTH, read_integer, AT(choices), 1, WEFT_OPENAI_CHOICES_MAX, NULL},
    {"best_of", COMPLETION, read_integer, AT(best_of), 1, WEFT_OPENAI_CHOICES_MAX, NULL},
    {"stop", BOTH, read_stop, 0, 0, 0, NULL},
    {"seed", BOTH, read_seed, 0, 0, 0, NULL},
    {"frequency_penalty", BOTH, read_number, AT(frequency_penalty), -2, 2, NULL},
    {"presence_penalty", BOTH, read_number, AT(presence_penalty), -2, 2, NULL},
    {"logit_bias", BOTH, read_logit_bias, 0, -100, 100, NULL},
    {"logprobs", CHAT, read_bool, AT(wants_logprobs), 0, 0, NULL},
    {"logprobs", COMPLETION, read_integer, AT(logprobs), 0, LOGPROBS_MOST, NULL},
    {"top_logprobs", CHAT, read_integer, AT(top_logprobs), 0, LOGPROBS_MOST, NULL},
    {"echo", COMPLETION, read_bool, AT(echo), 0, 0, NULL},
    {"response_format", BOTH, read_response_format, 0, 0, 0, NULL},
    {"tools", CHAT, read_any, AT(tools), 0, 0, NULL},
    {"tool_choice", CHAT, read_any, AT(chosen), 0, 0, NULL},
    {"parallel_tool_calls", CHAT, read_bool, AT(parallel_tool_calls), 0, 0, NULL},
    {"reasoning_effort", CHAT, read_effort, AT(effort), 0, 0, NULL},

    /* known to those who come from llama-server or vLLM */
    {"top_k", BOTH, read_integer, AT(top_k), -1, TOKENS_MOST, NULL},
    {"min_p", BOTH, read_number, AT(min_p), 0, 1, NULL},
    {"repeat_penalty", BOTH, read_number, AT(repeat_penalty), 0.01, 10, NULL},
    {"repetition_penalty", BOTH, read_repetition, AT(repeat_penalty), 0.01, 10, NULL},
    {"repeat_last_n", BOTH, read_integer, AT(penalty_last_n), -1, 4096, NULL},
    {"grammar", BOTH, read_grammar, AT(grammar), 0, 0, NULL},
    {"json_schema", BOTH, read_schema, AT(schema), 0, 0, NULL},
    {"ignore_eos", BOTH, read_bool, AT(ignore_end), 0, 0, NULL},
    {"chat_template_kwargs", CHAT, read_template_args, AT(template_args), 0, 0, NULL},
    {"continue_final_message", CHAT, read_bool, AT(continue_final_message), 0, 0, NULL},
    {"add_generation_prompt", CHAT, read_generation_prompt, 0, 0, 0, NULL},

    /* what would change the answer if it were passed over */
    {"audio", CHAT, refuse, 0, 0, 0, TEXT_ONLY},
    {"modalities", CHAT, refuse_modalities, 0, 0, 0, TEXT_ONLY},
    {"functions", CHAT, refuse, 0, 0, 0, FUNCTIONS_GONE},
    {"function_call", CHAT, refuse, 0, 0, 0, FUNCTIONS_GONE},
    {"prediction", CHAT, refuse, 0, 0, 0, "leave it out; the answer is the same without it."},
    {"store", CHAT, refuse_true, 0, 0, 0, "this node keeps no conversations. Leave it out or say false."},
    {"web_search_options", CHAT, refuse, 0, 0, 0, "this node does not search the web."},
    {"verbosity", CHAT, refuse_verbosity, 0, 0, 0, "models that run here do not know it. Ask for it in a message."},
    {"suffix", COMPLETION, refuse_suffix, 0, 0, 0, "text is continued at its end only."},
};

/* -- what must fit together -- */

static int missing(struct weft_openai_error *error, const char *param, const char *what)
{
    return weft_openai_wrong(error, param, "missing_required_parameter", "%s is missing: %s", param, what);
}

static int settle_tokens(struct weft_openai_request *request, struct weft_openai_error *error)
{
    bool chat = request->shape == WEFT_OPENAI_CHAT;
    const char *name = "max_tokens";
    if (request->max_completion_tokens >= 0) {
        name = "max_completion_tokens";
        if (request->max_tokens >= 0 && request->max_tokens != request->max_completion_tokens) {
            return weft_openai_wrong(error, "max_tokens", "invalid_value",
                                     "max_tokens is the old name of max_completion_tokens, and the two differ here. "
                                     "Give one of them.");
        }
        request->max_tokens = request->max_completion_tokens;
    }
    if (request->max_tokens == 0 && !request->echo) {
        return weft_openai_wrong(error, name, "invalid_value", "%s must be 1 or more%s.", name,
                                 chat ? "" : "; 0 goes with echo only");
    }
    if (request->max_tokens < 0 && !chat) {
        request->max_tokens = WEFT_OPENAI_COMPLETION_TOKENS;
    }
    return 0;
}

static int settle_logprobs(struct weft_openai_request *request, struct weft_openai_error *error)
{
    if (request->top_logprobs > 0 && !request->wants_logprobs) {
        return weft_openai_wrong(error, "top_logprobs", "invalid_value", "top_logprobs needs logprobs to be true.");
    }
    if (request->wants_logprobs) {
        request->logprobs = request->top_logprobs > 0 ? request->top_logprobs : 0;
    }
    return 0;
}

static int settle_rest(struct weft_openai_request *request, struct weft_openai_error *error)
{
    if (request->stream_options && !request->stream) {
        return weft_openai_wrong(error, "stream_options", "invalid_value", "stream_options needs stream to be true.");
    }
    if (request->best_of >= 0 && request->best_of != request->choices) {
        return weft_openai_wrong(error, "best_of", "unsupported_value",
                                 "best_of is not supported: ask for n answers and choose among them.");
    }
    if (request->grammar.size > 0 && (request->schema || request->any_object)) {
        return weft_openai_wrong(error, "grammar", "invalid_value",
                                 "A grammar and a JSON format cannot both shape the answer. Give one of them.");
    }
    if (request->schema && request->any_object) {
        request->any_object = false; /* json_schema says more than "any object" */
    }
    return 0;
}

static int settle_chat(struct weft_openai_request *request, struct weft_openai_error *error)
{
    if (!request->messages) {
        return missing(error, "messages", "the conversation so far, an array of messages.");
    }
    int status = weft_openai_messages_check(request, error);
    if (status == 0) {
        status = weft_openai_tools_check(request, error);
    }
    if (status < 0 || !(request->keeps_open || request->continue_final_message)) {
        return status;
    }
    request->continue_final_message = true;
    const json_t *last = json_array_get(request->messages, json_array_size(request->messages) - 1);
    return weft_json_is(json_object_get(last, "role"), "assistant")
               ? 0
               : weft_openai_wrong(error, "continue_final_message", "invalid_value",
                                   "Only a message of the assistant can be continued, and the last one is none.");
}

static int settle(struct weft_openai_request *request, struct weft_openai_error *error)
{
    int status = settle_tokens(request, error);
    if (status == 0) {
        status = settle_logprobs(request, error);
    }
    if (status == 0) {
        status = settle_rest(request, error);
    }
    if (status < 0) {
        return status;
    }
    if (request->shape == WEFT_OPENAI_CHAT) {
        return settle_chat(request, error);
    }
    return request->prompt ? 0 : missing(error, "prompt", "a text, or an array of token ids.");
}

/* -- reading -- */

static int parse(struct weft_slice text, json_t **body, struct weft_openai_error *error)
{
    struct weft_json_problem problem;
    int status = weft_json_parse(text, body, &problem);
    if (status == WEFT_ERR_MEMORY) {
        return status;
    }
    if (status < 0 && problem.line > 0) {
        return weft_openai_wrong(error, "", "invalid_json", "The body is not valid JSON: %s, at line %d, column %d.",
                                 problem.text, problem.line, problem.column);
    }
    if (status < 0) {
        return weft_openai_wrong(error, "", "invalid_json", "The body is not valid JSON: %s.", problem.text);
    }
    return json_is_object(*body) ? 0 : weft_openai_wrong(error, "", "invalid_type", "The body must be a JSON object.");
}

static int read_all(struct weft_openai_request *request, struct weft_openai_error *error)
{
    unsigned shape = request->shape == WEFT_OPENAI_CHAT ? CHAT : COMPLETION;
    int status = 0;
    for (size_t i = 0; status == 0 && i < WEFT_COUNT(parameters); i++) {
        const struct parameter *parameter = &parameters[i];
        json_t *value = parameter->shapes & shape ? json_object_get(request->body, parameter->name) : NULL;
        if (value && !json_is_null(value)) {
            status = parameter->read(request, parameter, value, error);
        }
    }
    return status;
}

int weft_openai_request_init(struct weft_openai_request *request, enum weft_openai_shape shape, struct weft_slice text,
                             struct weft_openai_error *error)
{
    *request = (struct weft_openai_request){
        .shape = shape,
        .parallel_tool_calls = true,
        .choices = 1,
        .max_tokens = -1,
        .max_completion_tokens = -1,
        .best_of = -1,
        .temperature = NAN,
        .top_p = NAN,
        .min_p = NAN,
        .repeat_penalty = NAN,
        .frequency_penalty = NAN,
        .presence_penalty = NAN,
        .top_k = NOT_SAID,
        .penalty_last_n = NOT_SAID,
        .logprobs = -1,
        .top_logprobs = -1,
    };
    int status = parse(text, &request->body, error);
    if (status == 0) {
        status = read_all(request, error);
    }
    if (status == 0) {
        status = settle(request, error);
    }
    if (status < 0) {
        weft_openai_request_deinit(request);
    }
    return status;
}

void weft_openai_request_deinit(struct weft_openai_request *request)
{
    json_decref(request->body);
    *request = (struct weft_openai_request){.shape = request->shape};
}
