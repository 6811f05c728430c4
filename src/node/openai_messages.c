/* node/openai_messages.c - the conversation and the tools of a chat. */
#include "node/openai_messages.h"

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"

enum role { SYSTEM, USER, ASSISTANT, TOOL, ROLES };

/* What the model is told: its template knows these. A developer's message is the system message of newer models. */
static const struct {
    const char *name;
    enum role role;
    const char *told;
} roles[] = {
    {"system", SYSTEM, "system"},          {"developer", SYSTEM, "system"}, {"user", USER, "user"},
    {"assistant", ASSISTANT, "assistant"}, {"tool", TOOL, "tool"},
};

/* A member that says something: null is as good as absent. */
static json_t *member(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

/* Whereof a check speaks: "messages[3]" and what is below it. */
struct where {
    const char *list; /* "messages" or "tools" */
    size_t at;
    struct weft_openai_error *error;
};

static int wrong(const struct where *where, const char *below, const char *code, const char *what)
{
    char param[WEFT_OPENAI_PARAM_MAX];
    (void)snprintf(param, sizeof(param), "%s[%zu]%s", where->list, where->at, below);
    return weft_openai_wrong(where->error, param, code, "%s %s", param, what);
}

/* -- messages: checking -- */

static int role_of(const json_t *message)
{
    struct weft_slice name = weft_json_slice(json_object_get(message, "role"));
    for (size_t i = 0; name.size > 0 && i < WEFT_COUNT(roles); i++) {
        if (weft_slice_equal(name, weft_slice_text(roles[i].name))) {
            return (int)i;
        }
    }
    return -1;
}

static int check_part(const struct where *where, enum role role, size_t at, const json_t *part)
{
    char below[48];
    (void)snprintf(below, sizeof(below), ".content[%zu]", at);
    if (!json_is_object(part)) {
        return wrong(where, below, "invalid_type", "must be an object.");
    }
    const json_t *type = json_object_get(part, "type");
    const char *name = weft_json_is(type, "text") ? "text" : "refusal";
    if (!weft_json_is(type, "text") && !(role == ASSISTANT && weft_json_is(type, "refusal"))) {
        (void)snprintf(below, sizeof(below), ".content[%zu].type", at);
        return wrong(where, below, "unsupported_value", "must be text: this node reads nothing else.");
    }
    (void)snprintf(below, sizeof(below), ".content[%zu].%s", at, name);
    return json_is_string(json_object_get(part, name)) ? 0 : wrong(where, below, "invalid_type", "must be a text.");
}

static int check_content(const struct where *where, enum role role, const json_t *message)
{
    const json_t *content = member(message, "content");
    if (!content && role == ASSISTANT && member(message, "tool_calls")) {
        return 0;
    }
    if (!content) {
        return wrong(where, ".content", "missing_required_parameter", "is missing: a text, or an array of text parts.");
    }
    if (json_is_string(content)) {
        return 0;
    }
    if (!json_is_array(content) || json_array_size(content) == 0) {
        return wrong(where, ".content", "invalid_type", "must be a text, or an array of text parts.");
    }
    int status = 0;
    for (size_t i = 0; status == 0 && i < json_array_size(content); i++) {
        status = check_part(where, role, i, json_array_get(content, i));
    }
    return status;
}

static int check_call(const struct where *where, size_t at, const json_t *call)
{
    char below[64];
    const json_t *function = json_object_get(call, "function");
    const json_t *type = member(call, "type");
    if (type && !weft_json_is(type, "function")) {
        (void)snprintf(below, sizeof(below), ".tool_calls[%zu].type", at);
        return wrong(where, below, "unsupported_value", "must be function.");
    }
    const struct {
        const char *below;
        const json_t *value;
    } texts[] = {
        {"id", json_object_get(call, "id")},
        {"function.name", json_object_get(function, "name")},
        {"function.arguments", json_object_get(function, "arguments")},
    };
    for (size_t i = 0; i < WEFT_COUNT(texts); i++) {
        if (!json_is_string(texts[i].value)) {
            (void)snprintf(below, sizeof(below), ".tool_calls[%zu].%s", at, texts[i].below);
            return wrong(where, below, "invalid_type", "must be a text.");
        }
    }
    return 0;
}

static int check_assistant(const struct where *where, const json_t *message)
{
    if (member(message, "audio")) {
        return wrong(where, ".audio", "unsupported_value", "is not supported: this node reads text only.");
    }
    if (member(message, "function_call")) {
        return wrong(where, ".function_call", "unsupported_value", "is not supported: it was replaced by tool_calls.");
    }
    const json_t *calls = member(message, "tool_calls");
    if (calls && !json_is_array(calls)) {
        return wrong(where, ".tool_calls", "invalid_type", "must be an array.");
    }
    int status = 0;
    for (size_t i = 0; status == 0 && i < json_array_size(calls); i++) {
        status = check_call(where, i, json_array_get(calls, i));
    }
    return status;
}

static int check_message(const struct where *where, const json_t *message)
{
    if (!json_is_object(message)) {
        return wrong(where, "", "invalid_type", "must be an object.");
    }
    int row = role_of(message);
    if (row < 0) {
        return wrong(where, ".role", "invalid_value", "must be system, developer, user, assistant or tool.");
    }
    enum role role = roles[row].role;
    static const char *const texts[] = {".name", ".reasoning_content"};
    for (size_t i = 0; i < WEFT_COUNT(texts); i++) {
        const json_t *value = member(message, texts[i] + 1);
        if (value && !json_is_string(value)) {
            return wrong(where, texts[i], "invalid_type", "must be a text.");
        }
    }
    if (role == TOOL && !json_is_string(json_object_get(message, "tool_call_id"))) {
        return wrong(where, ".tool_call_id", "missing_required_parameter",
                     "is missing: the id of the call that this is the result of.");
    }
    int status = role == ASSISTANT ? check_assistant(where, message) : 0;
    return status < 0 ? status : check_content(where, role, message);
}

int weft_openai_messages_check(const struct weft_openai_request *request, struct weft_openai_error *error)
{
    const json_t *messages = request->messages;
    size_t count = json_array_size(messages);
    if (!json_is_array(messages)) {
        return weft_openai_wrong(error, "messages", "invalid_type", "messages must be an array.");
    }
    if (count == 0 || count > WEFT_OPENAI_MESSAGES_MAX) {
        return weft_openai_wrong(error, "messages", "invalid_value", "messages must hold 1 to %d messages.",
                                 WEFT_OPENAI_MESSAGES_MAX);
    }
    struct where where = {.list = "messages", .error = error};
    int status = 0;
    for (; status == 0 && where.at < count; where.at++) {
        status = check_message(&where, json_array_get(messages, where.at));
    }
    return status;
}

/* -- messages: writing -- */

static void write_member(struct weft_json *json, const char *name, json_t *value)
{
    if (value) {
        weft_json_key(json, name);
        weft_json_value(json, value);
    }
}

static void write_content(struct weft_json *json, json_t *content)
{
    if (!json_is_array(content)) {
        weft_json_value(json, content);
        return;
    }
    weft_json_array(json);
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *part = json_array_get(content, i);
        json_t *text = json_object_get(part, "text");
        weft_json_object(json);
        weft_json_add_text(json, "type", "text");
        write_member(json, "text", json_is_string(text) ? text : json_object_get(part, "refusal"));
        weft_json_object_end(json);
    }
    weft_json_array_end(json);
}

static void write_calls(struct weft_json *json, const json_t *calls)
{
    if (json_array_size(calls) == 0) {
        return;
    }
    weft_json_key(json, "tool_calls");
    weft_json_array(json);
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i);
        const json_t *function = json_object_get(call, "function");
        weft_json_object(json);
        write_member(json, "id", json_object_get(call, "id"));
        weft_json_add_text(json, "type", "function");
        weft_json_key(json, "function");
        weft_json_object(json);
        write_member(json, "name", json_object_get(function, "name"));
        write_member(json, "arguments", json_object_get(function, "arguments"));
        weft_json_object_end(json);
        weft_json_object_end(json);
    }
    weft_json_array_end(json);
}

static void write_message(struct weft_json *json, const json_t *message)
{
    int row = role_of(message);
    weft_json_object(json);
    weft_json_add_text(json, "role", roles[row].told);
    json_t *content = member(message, "content");
    weft_json_key(json, "content");
    if (content) {
        write_content(json, content);
    } else {
        weft_json_null(json);
    }
    write_member(json, "name", member(message, "name"));
    if (roles[row].role == ASSISTANT) {
        write_member(json, "reasoning_content", member(message, "reasoning_content"));
        write_calls(json, member(message, "tool_calls"));
    } else if (roles[row].role == TOOL) {
        write_member(json, "tool_call_id", json_object_get(message, "tool_call_id"));
    }
    weft_json_object_end(json);
}

void weft_openai_messages_write(const struct weft_openai_request *request, struct weft_json *json)
{
    weft_json_array(json);
    for (size_t i = 0; i < json_array_size(request->messages); i++) {
        write_message(json, json_array_get(request->messages, i));
    }
    weft_json_array_end(json);
}

/* -- tools: checking -- */

static bool is_name(struct weft_slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (!weft_is_alnum(name.data[i]) && name.data[i] != '_' && name.data[i] != '-') {
            return false;
        }
    }
    return name.size > 0 && name.size <= WEFT_OPENAI_TOOL_NAME_MAX;
}

static int check_tool(const struct where *where, const json_t *tool)
{
    if (!json_is_object(tool)) {
        return wrong(where, "", "invalid_type", "must be an object.");
    }
    if (!weft_json_is(json_object_get(tool, "type"), "function")) {
        return wrong(where, ".type", "unsupported_value", "must be function: this node knows no other tools.");
    }
    const json_t *function = json_object_get(tool, "function");
    if (!json_is_object(function)) {
        return wrong(where, ".function", "invalid_type", "must be an object.");
    }
    if (!is_name(weft_json_slice(json_object_get(function, "name")))) {
        return wrong(where, ".function.name", "invalid_value",
                     "must be 1 to 64 letters, digits, underscores and dashes.");
    }
    const json_t *description = member(function, "description"), *parameters = member(function, "parameters");
    const json_t *strict = member(function, "strict");
    if (description && !json_is_string(description)) {
        return wrong(where, ".function.description", "invalid_type", "must be a text.");
    }
    if (parameters && !json_is_object(parameters)) {
        return wrong(where, ".function.parameters", "invalid_type", "must be an object: a JSON schema.");
    }
    if (strict && !json_is_boolean(strict)) {
        return wrong(where, ".function.strict", "invalid_type", "must be true or false.");
    }
    return 0;
}

/* Lets through the function that {"type":"function","function":{"name":…}} names. */
static bool allow(struct weft_openai_request *request, const json_t *named)
{
    struct weft_slice name = weft_json_slice(json_object_get(json_object_get(named, "function"), "name"));
    for (size_t i = 0; name.size > 0 && i < json_array_size(request->tools); i++) {
        const json_t *function = json_object_get(json_array_get(request->tools, i), "function");
        if (weft_slice_equal(weft_json_slice(json_object_get(function, "name")), name)) {
            return request->allowed[i] = true;
        }
    }
    return false;
}

static int not_among(struct weft_openai_error *error, const char *param)
{
    return weft_openai_wrong(error, param, "invalid_value", "%s must name a function that is among the tools.", param);
}

static int choose_allowed(struct weft_openai_request *request, struct weft_openai_error *error)
{
    const json_t *choice = json_object_get(request->chosen, "allowed_tools");
    const json_t *mode = json_object_get(choice, "mode"), *named = json_object_get(choice, "tools");
    if (!weft_json_is(mode, "auto") && !weft_json_is(mode, "required")) {
        return weft_openai_wrong(error, "tool_choice.allowed_tools.mode", "invalid_value",
                                 "tool_choice.allowed_tools.mode must be auto or required.");
    }
    request->tool_choice = weft_json_is(mode, "auto") ? WEFT_OPENAI_TOOLS_AUTO : WEFT_OPENAI_TOOLS_REQUIRED;
    size_t count = json_array_size(named);
    bool found = count > 0;
    for (size_t i = 0; found && i < count; i++) {
        found = allow(request, json_array_get(named, i));
    }
    return found ? 0 : not_among(error, "tool_choice.allowed_tools.tools");
}

static int choose(struct weft_openai_request *request, struct weft_openai_error *error)
{
    const json_t *chosen = request->chosen;
    const json_t *type = json_object_get(chosen, "type"); /* NULL if it is a word */
    if (weft_json_is(type, "function")) {
        request->tool_choice = WEFT_OPENAI_TOOLS_REQUIRED;
        request->parallel_tool_calls = false; /* one function, called once */
        return allow(request, chosen) ? 0 : not_among(error, "tool_choice.function.name");
    }
    if (weft_json_is(type, "allowed_tools")) {
        return choose_allowed(request, error);
    }
    if (chosen && !weft_json_is(chosen, "auto") && !weft_json_is(chosen, "none") && !weft_json_is(chosen, "required")) {
        return weft_openai_wrong(error, "tool_choice", "invalid_value",
                                 "tool_choice must be auto, none, required, or an object that names a function.");
    }
    request->tool_choice = weft_json_is(chosen, "none")       ? WEFT_OPENAI_TOOLS_NONE
                           : weft_json_is(chosen, "required") ? WEFT_OPENAI_TOOLS_REQUIRED
                                                              : WEFT_OPENAI_TOOLS_AUTO;
    for (size_t i = 0; i < json_array_size(request->tools); i++) {
        request->allowed[i] = true;
    }
    return 0;
}

int weft_openai_tools_check(struct weft_openai_request *request, struct weft_openai_error *error)
{
    const json_t *tools = request->tools;
    size_t count = json_array_size(tools);
    if (tools && !json_is_array(tools)) {
        return weft_openai_wrong(error, "tools", "invalid_type", "tools must be an array.");
    }
    if (count > WEFT_OPENAI_TOOLS_MAX) {
        return weft_openai_wrong(error, "tools", "invalid_value", "tools may hold %d tools.", WEFT_OPENAI_TOOLS_MAX);
    }
    struct where where = {.list = "tools", .error = error};
    int status = 0;
    for (; status == 0 && where.at < count; where.at++) {
        status = check_tool(&where, json_array_get(tools, where.at));
    }
    if (status == 0) {
        status = choose(request, error);
    }
    if (status == 0 && count == 0) {
        request->tools = NULL;
        if (request->tool_choice == WEFT_OPENAI_TOOLS_REQUIRED) {
            return weft_openai_wrong(error, "tool_choice", "invalid_value", "tool_choice needs tools to choose from.");
        }
    }
    return status;
}

/* -- tools: writing -- */

static void write_tool(struct weft_json *json, const json_t *function)
{
    weft_json_object(json);
    weft_json_add_text(json, "type", "function");
    weft_json_key(json, "function");
    weft_json_object(json);
    write_member(json, "name", json_object_get(function, "name"));
    write_member(json, "description", member(function, "description"));
    write_member(json, "strict", member(function, "strict"));
    weft_json_key(json, "parameters");
    json_t *parameters = member(function, "parameters");
    if (parameters) {
        weft_json_value(json, parameters);
    } else { /* it takes none; templates want to be told so */
        weft_json_object(json);
        weft_json_add_text(json, "type", "object");
        weft_json_key(json, "properties");
        weft_json_object(json);
        weft_json_object_end(json);
        weft_json_object_end(json);
    }
    weft_json_object_end(json);
    weft_json_object_end(json);
}

void weft_openai_tools_write(const struct weft_openai_request *request, struct weft_json *json)
{
    weft_json_array(json);
    for (size_t i = 0; i < json_array_size(request->tools); i++) {
        if (request->allowed[i]) {
            write_tool(json, json_object_get(json_array_get(request->tools, i), "function"));
        }
    }
    weft_json_array_end(json);
}
