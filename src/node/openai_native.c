/* node/openai_native.c - a checked request of OpenAI's API, as the body of POST /generate. */
#include "node/openai_native.h"

#include <math.h>
#include <stdlib.h>

#include "node/openai_messages.h"

static void write_number(struct weft_json *json, const char *name, double value)
{
    if (!isnan(value)) {
        weft_json_add_double(json, name, value);
    }
}

static void write_true(struct weft_json *json, const char *name, bool value)
{
    if (value) {
        weft_json_add_bool(json, name, true);
    }
}

/* What the client said, or else the file, or else we; NAN: whoever has the file is to say it. */
static double first_said(const struct weft_openai_terms *terms, double client, double file, double ours)
{
    if (!isnan(client) || terms->elsewhere) {
        return client;
    }
    return file >= 0 ? file : ours;
}

static void write_sampling(const struct weft_openai_request *request, const struct weft_openai_terms *terms,
                           struct weft_json *json)
{
    int64_t file_top_k = terms->top_k >= 0 ? terms->top_k : WEFT_OPENAI_TOP_K;
    int64_t top_k = request->top_k >= -1 ? request->top_k : file_top_k;
    write_number(json, "temperature",
                 first_said(terms, request->temperature, terms->temperature, WEFT_OPENAI_TEMPERATURE));
    if (request->top_k >= -1 || !terms->elsewhere) {
        weft_json_add_int(json, "top_k", top_k > 0 ? top_k : 0); /* -1 is how vLLM turns it off */
    }
    write_number(json, "top_p", first_said(terms, request->top_p, terms->top_p, WEFT_OPENAI_TOP_P));
    write_number(json, "min_p", first_said(terms, request->min_p, terms->min_p, WEFT_OPENAI_MIN_P));
    write_number(json, "repeat_penalty", request->repeat_penalty);
    write_number(json, "frequency_penalty", request->frequency_penalty);
    write_number(json, "presence_penalty", request->presence_penalty);
    bool penalties =
        !isnan(request->repeat_penalty) || !isnan(request->frequency_penalty) || !isnan(request->presence_penalty);
    if (penalties) {
        weft_json_add_int(json, "penalty_last_n",
                          request->penalty_last_n >= -1 ? request->penalty_last_n : WEFT_OPENAI_PENALTY_LAST_N);
    }
    if (request->logit_bias) {
        weft_json_key(json, "logit_bias");
        weft_json_array(json);
        for (void *at = json_object_iter(request->logit_bias); at;
             at = json_object_iter_next(request->logit_bias, at)) {
            weft_json_array(json);
            weft_json_int(json, strtoll(json_object_iter_key(at), NULL, 10));
            weft_json_double(json, json_number_value(json_object_iter_value(at)));
            weft_json_array_end(json);
        }
        weft_json_array_end(json);
    }
}

/* Templates that know levels of reasoning take them by this name. */
static void write_template_args(const struct weft_openai_request *request, struct weft_json *json)
{
    json_t *given = request->template_args;
    bool effort = request->effort.size > 0 && !json_object_get(given, "reasoning_effort");
    if (!given && !effort) {
        return;
    }
    weft_json_key(json, "template_args");
    weft_json_object(json);
    for (void *at = given ? json_object_iter(given) : NULL; at; at = json_object_iter_next(given, at)) {
        weft_json_key(json, json_object_iter_key(at));
        weft_json_value(json, json_object_iter_value(at));
    }
    if (effort) {
        weft_json_add_string(json, "reasoning_effort", request->effort);
    }
    weft_json_object_end(json);
}

static void write_chat(const struct weft_openai_request *request, struct weft_json *json)
{
    static const char *const choices[] = {[WEFT_OPENAI_TOOLS_AUTO] = "auto",
                                          [WEFT_OPENAI_TOOLS_NONE] = "none",
                                          [WEFT_OPENAI_TOOLS_REQUIRED] = "required"};
    weft_json_key(json, "messages");
    weft_openai_messages_write(request, json);
    if (request->tools) {
        weft_json_key(json, "tools");
        weft_openai_tools_write(request, json);
        weft_json_add_text(json, "tool_choice", choices[request->tool_choice]);
        weft_json_add_bool(json, "parallel_tool_calls", request->parallel_tool_calls);
    }
    write_template_args(request, json);
    write_true(json, "continue_final_message", request->continue_final_message);
    if (request->no_reasoning) {
        weft_json_add_bool(json, "reasoning", false);
    }
}

static void write_format(const struct weft_openai_request *request, struct weft_json *json)
{
    if (request->schema) {
        weft_json_key(json, "schema");
        weft_json_value(json, request->schema);
    } else if (request->any_object) {
        weft_json_key(json, "schema");
        weft_json_object(json);
        weft_json_add_text(json, "type", "object");
        weft_json_object_end(json);
    } else if (request->grammar.size > 0) {
        weft_json_add_string(json, "grammar", request->grammar);
    }
}

static void write_stop(const struct weft_openai_request *request, struct weft_json *json)
{
    if (!request->stop) {
        return;
    }
    weft_json_key(json, "stop");
    if (json_is_array(request->stop)) {
        weft_json_value(json, request->stop);
    } else {
        weft_json_array(json);
        weft_json_value(json, request->stop);
        weft_json_array_end(json);
    }
}

uint64_t weft_openai_seed(const struct weft_openai_request *request, const struct weft_openai_terms *terms)
{
    return request->has_seed ? (uint64_t)request->seed : terms->seed;
}

int weft_openai_native_write(const struct weft_openai_request *request, const struct weft_openai_terms *terms,
                             struct weft_bytes *out)
{
    struct weft_json json;
    weft_json_start(&json, out);
    weft_json_object(&json);
    if (request->shape == WEFT_OPENAI_CHAT) {
        write_chat(request, &json);
    } else {
        weft_json_key(&json, "prompt");
        weft_json_value(&json, request->prompt);
    }
    write_format(request, &json);
    write_stop(request, &json);
    if (request->max_tokens >= 0) {
        weft_json_add_int(&json, "max_tokens", request->max_tokens);
    }
    weft_json_add_int(&json, "n", request->choices);
    weft_json_add_int(&json, "seed", (int64_t)weft_openai_seed(request, terms));
    write_sampling(request, terms, &json);
    if (request->logprobs >= 0) {
        weft_json_add_int(&json, "logprobs", request->logprobs);
    }
    write_true(&json, "echo", request->echo);
    write_true(&json, "ignore_end", request->ignore_end);
    weft_json_add_string(&json, "call_ids", terms->call_ids);
    weft_json_add_int(&json, "now", terms->now_s);
    weft_json_object_end(&json);
    return weft_json_finish(&json);
}
