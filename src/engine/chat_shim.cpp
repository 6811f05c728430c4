/* engine/chat_shim.cpp - chat templates, tool calls and schemas, by libllama-common: the one C++ file.
 *
 * Every entry runs inside run(), which turns exceptions into WEFT_ERR_* and a fixed sentence: what libllama-common says
 * of itself quotes prompts and answers. Its log is off for the same reason. JSON texts were parsed by wire/json.h
 * before (depth at most 64, size bounded), so nlohmann's recursion is bounded too. */
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

/* libllama-common's, not our neighbour of the same name */
#include <chat.h>
#include <common.h>
#include <json-schema-to-grammar.h>
#include <llama.h>
#include <log.h>

/* Our headers are C: a function may have its struct's name there, and what does not return says so in C's word. */
#define _Noreturn [[noreturn]]
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
extern "C" {
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/chat.h"
#include "engine/chat_texts.h"
#include "engine/grammar.h"
#include "engine/guard.h"
#include "engine/schema.h"
}
#pragma GCC diagnostic pop

struct weft_chat {
    const llama_vocab *vocab;
    common_chat_templates_ptr plain; /* as the model brings it */
    common_chat_templates_ptr tools; /* with tools_preamble, where it does not know tools; else NULL */
    bool has_template, reasoning;
    bool marked; /* there is more in an answer than content: thoughts, calls, or marks around it */
};

/* What the C face shows of a prompt, and what it points to. */
struct rendered : weft_chat_prompt {
    std::string prompt_text, grammar_text;
    bool continues = false;
    std::vector<std::string> pattern_texts, stop_texts;
    std::vector<const char *> pattern_views;
    std::vector<struct weft_slice> stop_views;
    std::vector<int32_t> trigger_ids, preserved_ids, prefix_ids;
    common_chat_parser_params shape;
};

struct weft_chat_parser {
    const rendered *prompt;
    std::string text;     /* of the answer so far */
    common_chat_msg told; /* what the user has of it */
    size_t named = 0;     /* tool calls whose name was told */
};

namespace
{

/* A fault with a sentence of its own. */
struct refusal : std::runtime_error {
    int error;
    refusal(int error_code, const char *sentence) : std::runtime_error(sentence), error(error_code)
    {
    }
};

/* The time that a template, or a schema's conversion, may take. */
struct guarded {
    guarded()
    {
        weft_guard_begin(WEFT_GUARD_TEMPLATE_MS);
    }
    ~guarded()
    {
        weft_guard_end();
    }
    guarded(const guarded &) = delete;
    guarded &operator=(const guarded &) = delete;
};

void say(char *problem, const char *sentence)
{
    if (problem) {
        snprintf(problem, WEFT_CHAT_PROBLEM_MAX, "%s", sentence);
    }
}

/* Runs what may throw. `sentence` is for faults that have none of their own. */
template <typename F> int run(char *problem, const char *sentence, F &&what) noexcept
{
    try {
        return what();
    } catch (const refusal &fault) {
        say(problem, fault.what());
        return fault.error;
    } catch (const std::bad_alloc &) {
        say(problem, "out of memory");
        return WEFT_ERR_MEMORY;
    } catch (...) {
        say(problem, sentence);
        return WEFT_ERR_INVALID;
    }
}

/* The same, for faults whose own words may hold content: they become this refusal. */
template <typename F> auto refused(int error, const char *sentence, F &&what)
{
    try {
        return what();
    } catch (const std::bad_alloc &) {
        throw;
    } catch (const std::exception &) {
        throw refusal(error, sentence);
    }
}

template <size_t COUNT> bool one_of(const std::string &name, const char *const (&names)[COUNT])
{
    return std::find(names, names + COUNT, name) != names + COUNT;
}

std::string text_of(struct weft_slice slice)
{
    return slice.size == 0 ? std::string() : std::string(slice.data, slice.size);
}

struct weft_slice slice_of(const std::string &text)
{
    return weft_slice(text.data(), text.size());
}

/* The text of a prepared schema or array of tools; `prepare` is of engine/schema.h. */
template <typename F> std::string prepared(F prepare, struct weft_slice json)
{
    char problem[WEFT_SCHEMA_PROBLEM_MAX];
    char *text = nullptr;
    int error = prepare(json, &text, problem);
    if (error != 0) {
        throw refusal(error, problem);
    }
    const std::unique_ptr<char, void (*)(void *)> owner(text, weft_free);
    return text;
}

/* -- messages -- */

void check_part(const common_json &part)
{
    if (!part.is_object() || !part.contains("type") || !part.at("type").is_string()) {
        throw refusal(WEFT_ERR_INVALID, "a content part has no type");
    }
    if (part.at("type") != "text") {
        throw refusal(WEFT_ERR_UNSUPPORTED,
                      "a message holds an image, audio or another part that is no text: this engine reads text only");
    }
}

void check_message(const common_json &message)
{
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};
    if (!message.is_object() || !message.contains("role") || !message.at("role").is_string()) {
        throw refusal(WEFT_ERR_INVALID, "a message has no role");
    }
    if (!one_of(message.at("role"), roles)) {
        throw refusal(WEFT_ERR_INVALID, "a message's role is none of system, developer, user, assistant and tool");
    }
    if (message.contains("content") && message.at("content").is_array()) {
        for (const auto &part : message.at("content")) {
            check_part(part);
        }
    }
}

std::vector<common_chat_msg> read_messages(struct weft_slice json)
{
    const common_json messages = common_json::parse(text_of(json));
    if (!messages.is_array() || messages.empty()) {
        throw refusal(WEFT_ERR_INVALID, "there must be at least one message");
    }
    for (const auto &message : messages) {
        check_message(message);
    }
    return refused(WEFT_ERR_INVALID,
                   "a message is not in the OpenAI API's shape: it needs a text as its content, or tool calls with a "
                   "function, its name and its arguments",
                   [&] { return common_chat_msgs_parse_oaicompat(messages); });
}

/* The last message is the beginning of the answer. */
void set_continuation(common_chat_templates_inputs &inputs)
{
    const common_chat_msg &last = inputs.messages.back();
    if (last.role != "assistant" || !last.tool_calls.empty()) {
        throw refusal(WEFT_ERR_INVALID,
                      "continue_final_message needs a last message of the assistant, without tool calls");
    }
    if (last.render_content().empty() && last.reasoning_content.empty()) {
        inputs.messages.pop_back(); /* nothing to go on from: an answer begins */
        return;
    }
    inputs.continue_final_message = COMMON_CHAT_CONTINUATION_AUTO;
    inputs.add_generation_prompt = false;
}

/* -- what a template is told beside them -- */

void set_time(std::map<std::string, std::string> &args, int64_t now_s)
{
    static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                         "July",    "August",   "September", "October", "November", "December"};
    static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    const struct weft_date date = weft_date(now_s);
    const std::string month = months[date.month - 1], day = days[date.weekday];
    auto set = [&](const char *name, const std::string &value) { args[name] = "\"" + value + "\""; };
    auto digits = [](int value) { return (value < 10 ? "0" : "") + std::to_string(value); };
    const std::string year = std::to_string(date.year); /* 1970 to 9999: engine/request.c bounds it */
    set("weft_year", year);
    set("weft_month", digits(date.month));
    set("weft_month_name", month);
    set("weft_month_short", month.substr(0, 3));
    set("weft_day", digits(date.day));
    set("weft_weekday", day);
    set("weft_weekday_short", day.substr(0, 3));
    set("weft_hour", digits(date.hour));
    set("weft_minute", digits(date.minute));
    set("weft_second", digits(date.second));
    /* what libllama-common would take from the clock */
    set("datetime", month.substr(0, 3) + " " + digits(date.day) + " " + year);
    set("date_string", digits(date.day) + " " + month.substr(0, 3) + " " + year);
}

void set_args(common_chat_templates_inputs &inputs, struct weft_slice json)
{
    if (json.size == 0) {
        return;
    }
    static const char *const ours[] = {"messages", "tools", "bos_token", "eos_token", "add_generation_prompt"};
    const common_json args = common_json::parse(text_of(json));
    if (!args.is_object()) {
        throw refusal(WEFT_ERR_INVALID, "template_args must be an object");
    }
    for (const auto &entry : args.items()) {
        if (one_of(entry.key(), ours)) {
            throw refusal(WEFT_ERR_INVALID, "template_args holds a name that the request itself sets");
        }
        if (entry.key() == "enable_thinking") {
            if (!entry.value().is_boolean()) {
                throw refusal(WEFT_ERR_INVALID, "enable_thinking in template_args must be true or false");
            }
            inputs.enable_thinking = entry.value().get<bool>();
        }
        inputs.chat_template_kwargs[entry.key()] = entry.value().dump();
    }
}

common_chat_templates_inputs read_request(const weft_chat_request &request)
{
    common_chat_templates_inputs inputs;
    inputs.messages = read_messages(request.messages);
    inputs.use_jinja = true;
    inputs.reasoning_format = COMMON_REASONING_FORMAT_DEEPSEEK; /* thoughts apart from the answer */
    inputs.enable_thinking = request.reasoning;
    inputs.now = std::chrono::system_clock::time_point(std::chrono::seconds(request.now_s));
    if (request.tools.size > 0) {
        inputs.tools =
            common_chat_tools_parse_oaicompat(common_json::parse(prepared(weft_schema_prepare_tools, request.tools)));
        inputs.tool_choice = request.tool_choice == WEFT_TOOLS_NONE       ? COMMON_CHAT_TOOL_CHOICE_NONE
                             : request.tool_choice == WEFT_TOOLS_REQUIRED ? COMMON_CHAT_TOOL_CHOICE_REQUIRED
                                                                          : COMMON_CHAT_TOOL_CHOICE_AUTO;
        inputs.parallel_tool_calls = request.parallel_tool_calls;
    }
    set_time(inputs.chat_template_kwargs, request.now_s);
    set_args(inputs, request.template_args);
    if (request.continue_final_message) {
        set_continuation(inputs);
    }
    return inputs;
}

/* -- from what libllama-common answers to a prompt -- */

void set_triggers(rendered &prompt, const llama_vocab *vocab, const common_chat_params &params)
{
    for (const auto &trigger : params.grammar_triggers) {
        const std::string &value = trigger.value;
        switch (trigger.type) {
        case COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN:
            prompt.trigger_ids.push_back(trigger.token);
            break;
        case COMMON_GRAMMAR_TRIGGER_TYPE_WORD: {
            const auto ids = common_tokenize(vocab, value, false, true);
            if (ids.size() == 1) {
                prompt.trigger_ids.push_back(ids[0]);
            } else {
                prompt.pattern_texts.push_back(regex_escape(value));
            }
            break;
        }
        case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN:
            prompt.pattern_texts.push_back(value);
            break;
        case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN_FULL:
            prompt.pattern_texts.push_back("^" + value + "$");
            break;
        }
    }
    if (prompt.pattern_texts.size() + prompt.trigger_ids.size() > WEFT_GRAMMAR_TRIGGERS_MAX) {
        throw refusal(WEFT_ERR_TOO_LARGE, "the chat template has more marks of a tool call than this engine takes");
    }
    if (prompt.pattern_texts.empty() && prompt.trigger_ids.empty()) {
        throw refusal(WEFT_ERR_UNSUPPORTED,
                      "the chat template has no mark of a tool call: set tool_choice to required");
    }
}

void set_grammar(rendered &prompt, const llama_vocab *vocab, const common_chat_params &params)
{
    prompt.grammar_text = params.grammar;
    if (prompt.grammar_text.empty()) {
        return;
    }
    prompt.lazy = params.grammar_lazy;
    if (prompt.lazy) {
        set_triggers(prompt, vocab, params);
        return;
    }
    /* The grammar is one of the whole turn, and the template has written its beginning. */
    for (llama_token token : common_tokenize(vocab, params.generation_prompt, false, true)) {
        const std::string piece = common_token_to_piece(vocab, token, true);
        const bool added = prompt.prefix_ids.empty() && piece == " " && params.generation_prompt[0] != ' ';
        if (!added) { /* some vocabularies put a space before a first special token */
            prompt.prefix_ids.push_back(token);
        }
    }
}

void set_shape(rendered &prompt, const llama_vocab *vocab, const common_chat_params &params)
{
    prompt.shape = common_chat_parser_params(params);
    prompt.shape.reasoning_format = COMMON_REASONING_FORMAT_DEEPSEEK;
    if (!params.parser.empty()) {
        prompt.shape.parser.load(params.parser);
    }
    prompt.stop_texts = params.additional_stops;
    for (const auto &text : params.preserved_tokens) {
        const auto ids = common_tokenize(vocab, text, false, true);
        if (ids.size() == 1) {
            prompt.preserved_ids.push_back(ids[0]);
        }
    }
}

template <typename T, typename SHOWN> void show(const std::vector<T> &kept, SHOWN &shown, size_t &count)
{
    shown = kept.data();
    count = kept.size();
}

/* Views of all that is kept, once it does not move any more. */
void set_views(rendered &prompt)
{
    for (const auto &text : prompt.pattern_texts) {
        prompt.pattern_views.push_back(text.c_str());
    }
    for (const auto &text : prompt.stop_texts) {
        prompt.stop_views.push_back(slice_of(text));
    }
    if (prompt.grammar_text.size() > WEFT_GRAMMAR_TEXT_MAX) {
        throw refusal(WEFT_ERR_TOO_LARGE, "the schema makes a grammar of more than 1 MiB: make it smaller");
    }
    prompt.text = slice_of(prompt.prompt_text);
    prompt.grammar = slice_of(prompt.grammar_text);
    show(prompt.pattern_views, prompt.patterns, prompt.pattern_count);
    show(prompt.trigger_ids, prompt.tokens, prompt.token_count);
    show(prompt.prefix_ids, prompt.prefix, prompt.prefix_count);
    show(prompt.stop_views, prompt.stops, prompt.stop_count);
    show(prompt.preserved_ids, prompt.preserved, prompt.preserved_count);
}

std::string grammar_of(const std::string &schema)
{
    const common_json json = common_json::parse(schema);
    return refused(WEFT_ERR_UNSUPPORTED,
                   "the schema cannot be made into a grammar: a $ref leads nowhere, or it uses a keyword in a way that "
                   "this engine does not know",
                   [&] {
                       guarded time;
                       return json_schema_to_grammar(json);
                   });
}

common_chat_params apply_template(const common_chat_templates_ptr &templates,
                                  const common_chat_templates_inputs &inputs)
{
    return refused(WEFT_ERR_INVALID,
                   "the model's chat template refuses these messages or tools: many want user and assistant to take "
                   "turns, a user first, arguments of tool calls to be JSON",
                   [&] {
                       guarded time;
                       return common_chat_templates_apply(templates.get(), inputs);
                   });
}

bool speaks_of_tools(const common_chat_templates_inputs &inputs)
{
    auto speaks = [](const auto &message) { return message.role == "tool" || !message.tool_calls.empty(); };
    return !inputs.tools.empty() || std::any_of(inputs.messages.begin(), inputs.messages.end(), speaks);
}

/* A call that must come is begun for a model that was not made for tools: it would talk until its tokens are used up.
 */
void begin_call(common_chat_templates_inputs &inputs)
{
    common_chat_msg begun;
    begun.role = "assistant";
    begun.content = tools_mark;
    inputs.messages.push_back(begun);
    inputs.continue_final_message = COMMON_CHAT_CONTINUATION_CONTENT;
    inputs.add_generation_prompt = false;
}

void replace_once(std::string &text, const std::string &wrong, const std::string &right)
{
    const size_t at = text.find(wrong);
    if (at != std::string::npos) {
        text.replace(at, wrong.size(), right);
    }
}

/* Where libllama-common's grammars let through what they should not. */
void mend(std::string &grammar, bool parallel)
{
    /* line ends and a wrong escape in the strings of any JSON */
    replace_once(grammar, R"x(( [^"\\] | "\\" ( ["\\/ bfnrt] |)x", R"x(( [^"\\\x00-\x1F] | "\\" ( ["\\/bfnrt] |)x");
    /* a call that may be left out, again and again, is left recursion: no grammar. What may be left out is asleep until
     * a call has begun, so there is one. */
    replace_once(grammar, "tool-calls ::= (tool-call? space)+", "tool-calls ::= (tool-call space)+");
    if (!parallel) { /* several calls, where one was asked for */
        replace_once(grammar, "tool-calls ::= (tool-call space)+", "tool-calls ::= tool-call space");
    }
}

/* Renders. A schema is the template's business only where more than the answer itself may come. */
void render(const weft_chat &chat, const weft_chat_request &request, rendered &prompt)
{
    common_chat_templates_inputs inputs = read_request(request);
    const bool calls = !inputs.tools.empty() && inputs.tool_choice != COMMON_CHAT_TOOL_CHOICE_NONE;
    const bool ours = chat.tools && speaks_of_tools(inputs);
    if (ours && request.tool_choice == WEFT_TOOLS_REQUIRED && !request.continue_final_message) {
        begin_call(inputs);
    }
    prompt.continues = inputs.continue_final_message != COMMON_CHAT_CONTINUATION_NONE;
    const std::string schema = request.schema.size == 0 ? "" : prepared(weft_schema_prepare, request.schema);
    prompt.parsed = calls || chat.marked;
    inputs.json_schema = prompt.parsed ? schema : "";
    const common_chat_params params = apply_template(ours ? chat.tools : chat.plain, inputs);
    prompt.prompt_text = params.prompt;
    set_grammar(prompt, chat.vocab, params);
    mend(prompt.grammar_text, request.parallel_tool_calls);
    if (prompt.grammar_text.empty() && request.tool_choice == WEFT_TOOLS_REQUIRED && calls) {
        throw refusal(WEFT_ERR_UNSUPPORTED, "a tool call cannot be forced with the model's chat template");
    }
    if (prompt.grammar_text.empty()) {
        prompt.grammar_text = schema.empty() ? text_of(request.grammar) : grammar_of(schema);
    }
    set_shape(prompt, chat.vocab, params);
    if (!chat.has_template) {
        prompt.stop_texts.push_back(plain_stop);
    }
}

/* -- at load -- */

std::string template_of(const llama_model *model, bool *has_template)
{
    const char *source = llama_model_chat_template(model, nullptr);
    source = source ? source : llama_model_chat_template(model, "tool_use");
    *has_template = source;
    const std::string text = source ? source : plain_template;
    return text.find("strftime_now") == std::string::npos ? text : clock_macro + text;
}

/* A short conversation, rendered: a template that does not work is known at load. */
common_chat_params probe(const common_chat_templates_ptr &templates, bool tool)
{
    common_chat_templates_inputs inputs;
    common_chat_msg message;
    message.role = "user";
    message.content = "Hello";
    inputs.messages.push_back(message);
    inputs.reasoning_format = COMMON_REASONING_FORMAT_DEEPSEEK;
    inputs.now = std::chrono::system_clock::time_point(); /* the answer is not kept */
    if (tool) {
        inputs.tools.push_back({"look", "Looks.", "{\"type\":\"object\",\"properties\":{}}"});
        inputs.tool_choice = COMMON_CHAT_TOOL_CHOICE_REQUIRED;
    }
    common_chat_params params = common_chat_templates_apply(templates.get(), inputs);
    if (params.prompt.find(message.content) == std::string::npos) {
        throw std::runtime_error("it leaves the user's message out");
    }
    return params;
}

/* Can calls be told from content? A template that cannot render one has no tools either. */
bool knows_tools(const common_chat_templates_ptr &templates)
{
    try {
        return !probe(templates, true).grammar.empty();
    } catch (const std::bad_alloc &) {
        throw;
    } catch (const std::exception &) {
        return false;
    }
}

void load(weft_chat &chat, const llama_model *model)
{
    const std::string source = template_of(model, &chat.has_template);
    chat.vocab = llama_model_get_vocab(model);
    chat.plain = common_chat_templates_init(model, source);
    const common_chat_params params = probe(chat.plain, false);
    chat.reasoning = params.supports_thinking;
    chat.marked = params.supports_thinking || !params.preserved_tokens.empty();
    if (!knows_tools(chat.plain)) {
        chat.tools = common_chat_templates_init(model, tools_preamble + source);
    }
}

/* -- parsing -- */

/* What of `now` is new, if it goes on from what was told; else nothing: it may come round, and what is told stands. */
bool grown(const std::string &told, const std::string &now)
{
    return now.size() > told.size() && now.compare(0, told.size(), told) == 0;
}

/* Does the whole answer agree with what was told? Space that was told and then trimmed is no contradiction. */
bool agrees(const std::string &told, const std::string &now)
{
    const size_t common = std::min(told.size(), now.size());
    return told.compare(0, common, now, 0, common) == 0 &&
           told.find_first_not_of(" \t\r\n", common) == std::string::npos;
}

struct telling {
    weft_chat_parser &parser;
    const weft_chat_parser_user &user;

    int tell_text(weft_part part, std::string &told, const std::string &now)
    {
        if (!grown(told, now)) {
            return 0;
        }
        weft_frame delta = {};
        delta.kind = WEFT_FRAME_DELTA;
        delta.delta.part = part;
        delta.delta.text = weft_slice(now.data() + told.size(), now.size() - told.size());
        int error = user.told(user.self, &delta);
        if (error == 0) {
            told = now;
        }
        return error;
    }

    /* A name may still grow while it is the last thing of the text: it is told when its arguments begin. */
    int tell_call(size_t index, const common_chat_tool_call &now, bool named)
    {
        const bool first = index >= parser.named;
        if (index > UINT16_MAX || (first && !named)) {
            return 0;
        }
        weft_frame delta = {};
        delta.kind = WEFT_FRAME_DELTA;
        delta.delta.part = WEFT_PART_TOOL_CALL;
        delta.delta.call = static_cast<uint16_t>(index);
        char id[WEFT_CHAT_CALL_ID_MAX] = "";
        if (first) {
            parser.told.tool_calls.emplace_back();
            parser.told.tool_calls.back().name = now.name;
            user.call_id(user.self, delta.delta.call, id, sizeof(id));
            delta.delta.id = weft_slice(id, strlen(id));
            delta.delta.name = slice_of(now.name);
            parser.named = index + 1;
        }
        std::string &told = parser.told.tool_calls[index].arguments;
        const bool more = grown(told, now.arguments);
        if (more) {
            delta.delta.text = weft_slice(now.arguments.data() + told.size(), now.arguments.size() - told.size());
        }
        int error = first || more ? user.told(user.self, &delta) : 0;
        if (error == 0 && more) {
            told = now.arguments;
        }
        return error;
    }

    int tell_message(const common_chat_msg &now, bool final)
    {
        int error = tell_text(WEFT_PART_REASONING, parser.told.reasoning_content, now.reasoning_content);
        if (error == 0) {
            error = tell_text(WEFT_PART_CONTENT, parser.told.content, now.content);
        }
        for (size_t i = 0; i < now.tool_calls.size() && error == 0; i++) {
            const common_chat_tool_call &call = now.tool_calls[i];
            const bool more = final || !call.arguments.empty() || i + 1 < now.tool_calls.size();
            if (call.name.empty() && !final) {
                break; /* calls are told in order */
            }
            error = tell_call(i, call, more && !call.name.empty());
            if (i >= parser.named) {
                break;
            }
        }
        return error;
    }
};

/* Was all of the answer told, and nothing else? */
bool told_all(const weft_chat_parser &parser, const common_chat_msg &whole)
{
    const common_chat_msg &told = parser.told;
    if (!agrees(told.content, whole.content) || !agrees(told.reasoning_content, whole.reasoning_content) ||
        told.tool_calls.size() != whole.tool_calls.size()) {
        return false;
    }
    for (size_t i = 0; i < told.tool_calls.size(); i++) {
        if (told.tool_calls[i].name != whole.tool_calls[i].name ||
            !agrees(told.tool_calls[i].arguments, whole.tool_calls[i].arguments)) {
            return false;
        }
    }
    return true;
}

/* An answer that has not the template's shape is content, as it stands, if nothing else was told of it. */
int tell_as_it_is(weft_chat_parser &parser, const weft_chat_parser_user &user)
{
    if (parser.named > 0 || !parser.told.reasoning_content.empty() || !agrees(parser.told.content, parser.text)) {
        return WEFT_ERR_INVALID;
    }
    return telling{parser, user}.tell_text(WEFT_PART_CONTENT, parser.told.content, parser.text);
}

int add(weft_chat_parser &parser, struct weft_slice text, bool final, const weft_chat_parser_user &user)
{
    if (text.size > 0) {
        parser.text.append(text.data, text.size);
    } else if (!final) {
        return 0;
    }
    common_chat_msg now;
    try {
        now = common_chat_parse(parser.text, !final, parser.prompt->shape);
    } catch (const std::bad_alloc &) {
        throw;
    } catch (const std::exception &) {
        return final ? tell_as_it_is(parser, user) : 0; /* what comes next may make sense of it */
    }
    int error = telling{parser, user}.tell_message(now, final);
    return error == 0 && final && !told_all(parser, now) ? WEFT_ERR_INVALID : error;
}

/* A prompt, filled by `fill`. */
template <typename F> int make_prompt(struct weft_chat_prompt **out, char *problem, const char *sentence, F &&fill)
{
    *out = nullptr;
    problem[0] = '\0';
    return run(problem, sentence, [&] {
        std::unique_ptr<rendered> prompt(new rendered());
        fill(*prompt);
        set_views(*prompt);
        *out = prompt.release();
        return 0;
    });
}

/* Of std::terminate: an exception in one of libllama's threads, say. */
[[noreturn]] void end_uncaught()
{
    try {
        if (std::current_exception()) {
            std::rethrow_exception(std::current_exception());
        }
    } catch (const std::bad_alloc &) {
        weft_guard_end_memory();
    } catch (...) { /* what it says may be content */
    }
    weft_guard_end_abort();
}

} // namespace

/* -- the C face -- */

void weft_chat_setup(void)
{
    std::set_terminate(end_uncaught);
    common_log_set_verbosity_thold(-1);
}

int weft_chat_new(struct weft_chat **out, const struct llama_model *model, bool *has_template,
                  char problem[WEFT_CHAT_PROBLEM_MAX])
{
    *out = nullptr;
    *has_template = false;
    problem[0] = '\0';
    return run(problem, "the model's chat template does not work", [&] {
        std::unique_ptr<weft_chat> chat(new weft_chat());
        guarded time;
        try {
            load(*chat, model);
        } catch (const std::bad_alloc &) {
            throw;
        } catch (const std::exception &fault) { /* of the model's own template and a fixed conversation */
            snprintf(problem, WEFT_CHAT_PROBLEM_MAX, "the model's chat template does not work: %.180s", fault.what());
            return static_cast<int>(WEFT_ERR_INVALID);
        }
        *has_template = chat->has_template;
        *out = chat.release();
        return 0;
    });
}

void weft_chat_free(struct weft_chat *chat)
{
    delete chat;
}

bool weft_chat_knows_tools(const struct weft_chat *chat)
{
    return !chat->tools;
}

bool weft_chat_knows_reasoning(const struct weft_chat *chat)
{
    return chat->reasoning;
}

int weft_chat_render(struct weft_chat *chat, const struct weft_chat_request *request, struct weft_chat_prompt **out,
                     char problem[WEFT_CHAT_PROBLEM_MAX])
{
    return make_prompt(out, problem, "the messages, tools or arguments of the template are not understood",
                       [&](rendered &prompt) { render(*chat, *request, prompt); });
}

int weft_chat_schema(struct weft_slice schema, struct weft_chat_prompt **out, char problem[WEFT_CHAT_PROBLEM_MAX])
{
    return make_prompt(out, problem, "the schema is not understood", [&](rendered &prompt) {
        prompt.grammar_text = grammar_of(prepared(weft_schema_prepare, schema));
    });
}

void weft_chat_prompt_free(struct weft_chat_prompt *prompt)
{
    delete static_cast<rendered *>(prompt);
}

int weft_chat_parser_new(struct weft_chat_parser **out, const struct weft_chat_prompt *prompt)
{
    *out = nullptr;
    return run(nullptr, "", [&] {
        std::unique_ptr<weft_chat_parser> parser(new weft_chat_parser());
        parser->prompt = static_cast<const rendered *>(prompt);
        if (parser->prompt->continues) { /* what the client sent is in what is parsed, and is not told again */
            parser->told = common_chat_parse("", true, parser->prompt->shape);
        }
        *out = parser.release();
        return 0;
    });
}

void weft_chat_parser_free(struct weft_chat_parser *parser)
{
    delete parser;
}

int weft_chat_parser_add(struct weft_chat_parser *parser, struct weft_slice text, bool final,
                         const struct weft_chat_parser_user *user)
{
    return run(nullptr, "", [&] { return add(*parser, text, final, *user); });
}

size_t weft_chat_parser_calls(const struct weft_chat_parser *parser)
{
    return parser->named;
}
