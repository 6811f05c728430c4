/* tests/unit/engine/chat_test.c - templates of several families on the real vocabulary: what is rendered, what
 * constrains the answer, and what its text is taken apart into. */
#include "engine/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <gguf.h>
#include <llama.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/random.h"
#include "engine/grammar.h"
#include "engine/guard.h"
#include "wire/json.h"

#define MODEL "models/SmolLM2-135M-Instruct-Q4_1.gguf"

/* Short templates of our own, each in the manner of a family. */
static const char hermes[] =
    "{%- if tools %}{{- '<|im_start|>system\\n' }}"
    "{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}"
    "{{- '<tools>' }}{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}{{- '\\n</tools>' }}"
    "{{- '<|im_end|>\\n' }}"
    "{%- elif messages[0].role == 'system' %}"
    "{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}"
    "{%- if message.role == 'user' %}{{- '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- elif message.role == 'assistant' %}{{- '<|im_start|>assistant' }}"
    "{%- if message.content %}{{- '\\n' + message.content }}{%- endif %}"
    "{%- for call in message.tool_calls or [] %}"
    "{{- '\\n<tool_call>\\n{\"name\": \"' + call.function.name + '\", \"arguments\": ' }}"
    "{{- call.function.arguments | tojson }}{{- '}\\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\\n' }}"
    "{%- elif message.role == 'tool' %}"
    "{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}{%- endif %}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

static const char thinker[] =
    "{%- for message in messages %}"
    "{%- if message.role == 'assistant' %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if message.reasoning_content %}{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}{%- endif "
    "%}"
    "{{- message.content + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}";

static const char llama3[] =
    "{%- set date = strftime_now('%d %b %Y') %}"
    "{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday: ' + date + '\\n' }}"
    "{%- if tools %}{%- for tool in tools %}{{- tool | tojson + '\\n' }}{%- endfor %}{%- endif %}{{- '<|eot_id|>' }}"
    "{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}"
    "{%- if message.tool_calls %}{%- for call in message.tool_calls %}"
    "{{- '{\"name\": \"' + call.function.name + '\", \"parameters\": ' + (call.function.arguments | tojson) + '}' }}"
    "{%- endfor %}{%- else %}{{- message.content }}{%- endif %}{{- '<|eot_id|>' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}";

static const char tools[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"description\":\"The weather.\",\"parameters\":"
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\"}},"
    "\"required\":[\"city\"]}}}]";

#define USER "[{\"role\":\"user\",\"content\":\"Hello\"}]"

/* -- models -- */

static struct llama_model *smol;
static struct weft_chat *smol_chat;
static char problem[WEFT_CHAT_PROBLEM_MAX];

static void silent(enum ggml_log_level level, const char *text, void *self)
{
    (void)level;
    (void)text;
    (void)self;
}

static struct llama_model *load_vocabulary(const char *path)
{
    struct llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    struct llama_model *model = llama_model_load_from_file(path, params);
    assert_non_null(model);
    return model;
}

/* SmolLM2's vocabulary with another template; NULL: with none. */
static struct llama_model *model_with(const char *template)
{
    char path[] = "/tmp/weft-chat-test-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    struct gguf_context *from = gguf_init_from_file(MODEL, (struct gguf_init_params){.no_alloc = true});
    struct gguf_context *to = gguf_init_empty();
    assert_true(from && to);
    gguf_set_kv(to, from);
    gguf_remove_key(to, "tokenizer.chat_template");
    if (template) {
        gguf_set_val_str(to, "tokenizer.chat_template", template);
    }
    assert_true(gguf_write_to_file(to, path, true));
    gguf_free(from);
    gguf_free(to);
    struct llama_model *model = load_vocabulary(path);
    unlink(path);
    return model;
}

struct family {
    struct llama_model *model;
    struct weft_chat *chat;
    bool has_template;
};

static struct family family(const char *template)
{
    struct family family = {.model = model_with(template)};
    if (weft_chat_new(&family.chat, family.model, &family.has_template, problem) != 0) {
        fail_msg("%s", problem);
    }
    return family;
}

static void family_end(struct family *family)
{
    weft_chat_free(family->chat);
    llama_model_free(family->model);
}

static int start(void **state)
{
    (void)state;
    llama_log_set(silent, NULL);
    weft_chat_setup();
    weft_json_setup(1);
    if (access(MODEL, R_OK) != 0) {
        print_message("%s is not there: make setup brings it\n", MODEL);
        return -1;
    }
    smol = load_vocabulary(MODEL);
    bool has_template;
    return weft_chat_new(&smol_chat, smol, &has_template, problem) != 0 || !has_template ? -1 : 0;
}

static int stop(void **state)
{
    (void)state;
    weft_chat_free(smol_chat);
    llama_model_free(smol);
    return 0;
}

/* -- rendering -- */

static struct weft_chat_request ask(const char *messages)
{
    return (struct weft_chat_request){
        .messages = weft_slice_text(messages), .reasoning = true, .now_s = 951782400, /* 29 Feb 2000 */
    };
}

static struct weft_chat_prompt *render(struct weft_chat *chat, const struct weft_chat_request *request)
{
    struct weft_chat_prompt *prompt;
    if (weft_chat_render(chat, request, &prompt, problem) != 0) {
        fail_msg("%s", problem);
    }
    return prompt;
}

static void assert_text(struct weft_slice slice, const char *text)
{
    if (!weft_slice_equal(slice, weft_slice_text(text))) {
        fail_msg("'%.*s' is not '%s'", (int)slice.size, slice.data, text);
    }
}

static bool holds(struct weft_slice slice, const char *text)
{
    return slice.size > 0 && memmem(slice.data, slice.size, text, strlen(text)) != NULL;
}

static void assert_rendered(struct weft_chat *chat, const struct weft_chat_request *request, const char *text)
{
    struct weft_chat_prompt *prompt = render(chat, request);
    assert_text(prompt->text, text);
    weft_chat_prompt_free(prompt);
}

#define SMOL_SYSTEM                                                                                                    \
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"

static void test_smollm2_format(void **state)
{
    (void)state;
    struct weft_chat_request request = ask(USER);
    assert_rendered(smol_chat, &request, SMOL_SYSTEM "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n");
    request = ask("[{\"role\":\"developer\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":"
                  "[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]},"
                  "{\"role\":\"assistant\",\"content\":\"c\"},{\"role\":\"user\",\"content\":\"\\u00e9\"}]");
    assert_rendered(
        smol_chat, &request,
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\na\nb<|im_end|>\n"
        "<|im_start|>assistant\nc<|im_end|>\n<|im_start|>user\n\xC3\xA9<|im_end|>\n<|im_start|>assistant\n");
    struct weft_chat_prompt *prompt = render(smol_chat, &request);
    assert_false(prompt->parsed); /* shown as it comes */
    assert_int_equal(prompt->grammar.size, 0);
    weft_chat_prompt_free(prompt);
    assert_false(weft_chat_knows_reasoning(smol_chat));
    assert_false(weft_chat_knows_tools(smol_chat));
}

static void test_continue_final_message(void **state)
{
    (void)state;
    struct weft_chat_request request =
        ask("[{\"role\":\"user\",\"content\":\"Hello\"},{\"role\":\"assistant\",\"content\":\"Once upon\"}]");
    request.continue_final_message = true;
    assert_rendered(smol_chat, &request,
                    SMOL_SYSTEM "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nOnce upon");
    request.messages =
        WEFT_SLICE("[{\"role\":\"user\",\"content\":\"Hello\"},{\"role\":\"assistant\",\"content\":\"\"}]");
    assert_rendered(smol_chat, &request, SMOL_SYSTEM "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n");
    struct weft_chat_prompt *prompt;
    request.messages = WEFT_SLICE(USER);
    assert_int_equal(weft_chat_render(smol_chat, &request, &prompt, problem), WEFT_ERR_INVALID);
    assert_null(prompt);
}

static void test_no_template(void **state)
{
    (void)state;
    struct family base = family(NULL);
    assert_false(base.has_template);
    struct weft_chat_request request =
        ask("[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"U\"},"
            "{\"role\":\"assistant\",\"content\":\"A\"},{\"role\":\"user\",\"content\":\"V\"}]");
    struct weft_chat_prompt *prompt = render(base.chat, &request);
    assert_text(prompt->text, "S\n\nUser: U\nAssistant: A\nUser: V\nAssistant:");
    assert_int_equal(prompt->stop_count, 1);
    assert_text(prompt->stops[0], "\nUser:");
    assert_false(prompt->parsed);
    weft_chat_prompt_free(prompt);
    family_end(&base);
}

static void test_messages_refused(void **state)
{
    (void)state;
    static const struct {
        const char *messages;
        int error;
        const char *names;
    } cases[] = {
        {"[]", WEFT_ERR_INVALID, "at least one"},
        {"{}", WEFT_ERR_INVALID, "at least one"},
        {"[1]", WEFT_ERR_INVALID, "role"},
        {"[{\"content\":\"canary\"}]", WEFT_ERR_INVALID, "role"},
        {"[{\"role\":\"canary\",\"content\":\"x\"}]", WEFT_ERR_INVALID, "role"},
        {"[{\"role\":\"user\"}]", WEFT_ERR_INVALID, "shape"},
        {"[{\"role\":\"user\",\"content\":{\"canary\":1}}]", WEFT_ERR_INVALID, "shape"},
        {"[{\"role\":\"user\",\"content\":[{\"text\":\"canary\"}]}]", WEFT_ERR_INVALID, "type"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"canary\"}}]}]",
         WEFT_ERR_UNSUPPORTED, "image"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\"}]}]", WEFT_ERR_UNSUPPORTED, "audio"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"canary\"}]}]", WEFT_ERR_UNSUPPORTED, "no text"},
        {"[{\"role\":\"assistant\",\"tool_calls\":[{\"type\":\"canary\"}]}]", WEFT_ERR_INVALID, "shape"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_chat_request request = ask(cases[i].messages);
        struct weft_chat_prompt *prompt;
        int error = weft_chat_render(smol_chat, &request, &prompt, problem);
        if (error != cases[i].error || !strstr(problem, cases[i].names) || prompt) {
            fail_msg("%s gave %d: %s", cases[i].messages, error, problem);
        }
        assert_null(strstr(problem, "canary"));
    }
}

static void test_template_args(void **state)
{
    (void)state;
    struct family family_of =
        family("{{ messages[0].content }}{{ extra | default('none') }}"
               "{% if messages[0].content == 'raise' %}{{ raise_exception('canary') }}{% endif %}");
    struct weft_chat_request request = ask(USER);
    assert_rendered(family_of.chat, &request, "Hellonone");
    request.template_args = WEFT_SLICE("{\"extra\":\"!\"}");
    assert_rendered(family_of.chat, &request, "Hello!");
    struct weft_chat_prompt *prompt;
    request.template_args = WEFT_SLICE("{\"messages\":[]}");
    assert_int_equal(weft_chat_render(family_of.chat, &request, &prompt, problem), WEFT_ERR_INVALID);
    assert_non_null(strstr(problem, "template_args"));
    request = ask("[{\"role\":\"user\",\"content\":\"raise\"}]");
    assert_int_equal(weft_chat_render(family_of.chat, &request, &prompt, problem), WEFT_ERR_INVALID);
    assert_null(strstr(problem, "canary"));
    family_end(&family_of);
}

/* The date is the request's, not the machine's. */
static void test_clock(void **state)
{
    (void)state;
    struct family family_of = family(llama3);
    struct weft_chat_request request = ask(USER);
    struct weft_chat_prompt *prompt = render(family_of.chat, &request);
    assert_true(holds(prompt->text, "Today: 29 Feb 2000\n"));
    weft_chat_prompt_free(prompt);
    family_end(&family_of);
}

static void test_broken_templates(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "{% for m in messages %}{{ m.content }}", /* no end */
        "{{ raise_exception('no') }}",
        "{{ messages[0].nothing.at.all() }}",
        "nothing of the messages",
    };
    for (size_t i = 0; i < WEFT_COUNT(broken); i++) {
        struct llama_model *model = model_with(broken[i]);
        struct weft_chat *chat;
        bool has_template;
        assert_int_equal(weft_chat_new(&chat, model, &has_template, problem), WEFT_ERR_INVALID);
        assert_null(chat);
        assert_non_null(strstr(problem, "chat template does not work: "));
        llama_model_free(model);
    }
}

/* A template that never ends takes its process along, after WEFT_GUARD_TEMPLATE_MS of its own time. */
static void test_endless_template(void **state)
{
    (void)state;
    struct llama_model *model =
        model_with("{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{{ '' }}"
                   "{% endfor %}{% endfor %}{% endfor %}{{ messages[0].content }}");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct weft_chat *chat;
        bool has_template;
        if (weft_guard_setup() != 0) {
            _exit(1);
        }
        int error = weft_chat_new(&chat, model, &has_template, problem);
        _exit(error == 0 ? 2 : 3);
    }
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), WEFT_ENGINE_EXIT_TEMPLATE);
    llama_model_free(model);
}

/* -- parsing -- */

/* All that was told of an answer, as one text: [content], {reasoning}, (id name arguments). */
struct listener {
    char text[3][1024]; /* by part */
    size_t size[3];
    char id[64], name[64];
    size_t calls;
};

static int hear(void *self, const struct weft_frame *delta)
{
    struct listener *listener = self;
    assert_int_equal(delta->kind, WEFT_FRAME_DELTA);
    enum weft_part part = delta->delta.part;
    struct weft_slice text = delta->delta.text;
    if (delta->delta.name.size > 0) {
        assert_int_equal(part, WEFT_PART_TOOL_CALL);
        assert_int_equal(delta->delta.call, listener->calls++);
        snprintf(listener->id, sizeof(listener->id), "%.*s", (int)delta->delta.id.size, delta->delta.id.data);
        snprintf(listener->name, sizeof(listener->name), "%.*s", (int)delta->delta.name.size, delta->delta.name.data);
    } else {
        assert_true(text.size > 0); /* nothing is told for nothing */
    }
    assert_true(listener->size[part] + text.size < sizeof(listener->text[part]));
    if (text.size > 0) {
        memcpy(listener->text[part] + listener->size[part], text.data, text.size);
    }
    listener->size[part] += text.size;
    return 0;
}

static void name_call(void *self, uint16_t call, char *id, size_t size)
{
    (void)self;
    snprintf(id, size, "call_%u", (unsigned)call);
}

/* The answer in pieces of `step` bytes, or at random where `step` is 0. */
static int listen(const struct weft_chat_prompt *prompt, const char *answer, size_t step, struct listener *listener)
{
    static uint64_t seed = 4;
    struct weft_random random;
    weft_random_init(&random, seed++);
    *listener = (struct listener){.calls = 0};
    const struct weft_chat_parser_user user = {.told = hear, .call_id = name_call, .self = listener};
    struct weft_chat_parser *parser;
    assert_int_equal(weft_chat_parser_new(&parser, prompt), 0);
    size_t size = strlen(answer), at = 0;
    int error = 0;
    while (at < size && error == 0) {
        size_t piece = step > 0 ? step : 1 + weft_random_below(&random, 9);
        piece = piece > size - at ? size - at : piece;
        while (at + piece < size && ((unsigned char)answer[at + piece] & 0xC0) == 0x80) {
            piece++; /* whole characters */
        }
        error = weft_chat_parser_add(parser, weft_slice(answer + at, piece), false, &user);
        at += piece;
    }
    if (error == 0) {
        error = weft_chat_parser_add(parser, WEFT_SLICE(""), true, &user);
    }
    assert_int_equal(weft_chat_parser_calls(parser), listener->calls);
    weft_chat_parser_free(parser);
    return error;
}

static void assert_parsed(const struct weft_chat_prompt *prompt, const char *answer, const char *content,
                          const char *reasoning, const char *arguments)
{
    for (size_t step = 0; step < 40; step++) {
        struct listener listener;
        assert_int_equal(listen(prompt, answer, step, &listener), 0);
        assert_string_equal(listener.text[WEFT_PART_CONTENT], content);
        assert_string_equal(listener.text[WEFT_PART_REASONING], reasoning);
        assert_string_equal(listener.text[WEFT_PART_TOOL_CALL], arguments);
    }
}

static void assert_json(const char *text)
{
    json_t *tree;
    assert_int_equal(weft_json_parse(weft_slice_text(text), &tree, NULL), 0);
    json_decref(tree);
}

/* Does the prompt's grammar let the answer through, and end there? */
static bool lets_through(const struct weft_chat_prompt *prompt, const char *answer)
{
    const struct llama_vocab *vocab = llama_model_get_vocab(smol);
    char *text = strndup(prompt->grammar.data, prompt->grammar.size);
    const struct weft_grammar_options options = {.vocab = vocab,
                                                 .text = text,
                                                 .lazy = prompt->lazy,
                                                 .trigger_patterns = prompt->patterns,
                                                 .trigger_pattern_count = prompt->pattern_count,
                                                 .trigger_tokens = prompt->tokens,
                                                 .trigger_token_count = prompt->token_count};
    struct weft_grammar *grammar;
    assert_int_equal(weft_grammar_new(&grammar, &options), 0);
    for (size_t i = 0; i < prompt->prefix_count; i++) {
        assert_int_equal(weft_grammar_accept(grammar, prompt->prefix[i]), 0);
    }
    assert_true(weft_grammar_awake(grammar) != options.lazy);
    int32_t tokens[256];
    int32_t size = llama_tokenize(vocab, answer, (int32_t)strlen(answer), tokens, 256, false, true);
    bool good = size > 0;
    for (int32_t i = 0; i < size && good; i++) {
        good = weft_grammar_accept(grammar, tokens[i]) == 0;
    }
    int32_t end = llama_vocab_eot(vocab) >= 0 ? llama_vocab_eot(vocab) : llama_vocab_eos(vocab);
    bool ends = false;
    assert_true(!good || weft_grammar_awake(grammar));
    assert_int_equal(weft_grammar_test(grammar, &end, 1, &ends), 0);
    weft_grammar_free(grammar);
    free(text);
    return good && ends;
}

static struct weft_chat_prompt *render_tools(struct weft_chat *chat, enum weft_tool_choice choice)
{
    struct weft_chat_request request = ask(USER);
    request.tools = weft_slice_text(tools);
    request.tool_choice = choice;
    return render(chat, &request);
}

static void check_call(const struct weft_chat_prompt *prompt, const char *answer, const char *content)
{
    assert_parsed(prompt, answer, content, "", "{\"city\": \"K\xC3\xB6ln\", \"days\": 3}");
    struct listener listener;
    assert_int_equal(listen(prompt, answer, 3, &listener), 0);
    assert_string_equal(listener.name, "weather");
    assert_string_equal(listener.id, "call_0");
    assert_int_equal(listener.calls, 1);
    assert_json(listener.text[WEFT_PART_TOOL_CALL]);
}

#define ARGUMENTS "{\"city\": \"K\xC3\xB6ln\", \"days\": 3}"
#define CALL      "<tool_call>\n{\"name\": \"weather\", \"arguments\": " ARGUMENTS "}\n</tool_call>"

static void test_tools_hermes(void **state)
{
    (void)state;
    struct family family_of = family(hermes);
    assert_true(weft_chat_knows_tools(family_of.chat));
    struct weft_chat_prompt *prompt = render_tools(family_of.chat, WEFT_TOOLS_AUTO);
    assert_true(prompt->lazy);
    assert_true(prompt->pattern_count + prompt->token_count > 0);
    assert_int_equal(prompt->prefix_count, 0);
    assert_true(lets_through(prompt, "Let me see. " CALL));
    assert_false(lets_through(prompt, "Let me see. <tool_call>\n{\"name\": \"storm\""));
    check_call(prompt, CALL, "");
    check_call(prompt, "Let me see.\n" CALL, "Let me see.\n");
    assert_parsed(prompt, "No call, 1 < 2 and <b>.", "No call, 1 < 2 and <b>.", "", "");
    weft_chat_prompt_free(prompt);

    prompt = render_tools(family_of.chat, WEFT_TOOLS_REQUIRED);
    assert_false(prompt->lazy);
    assert_true(holds(prompt->grammar, "weather"));
    assert_true(prompt->prefix_count > 0);
    assert_true(lets_through(prompt, CALL));
    assert_false(lets_through(prompt, "No call."));
    check_call(prompt, CALL, "");
    weft_chat_prompt_free(prompt);

    prompt = render_tools(family_of.chat, WEFT_TOOLS_NONE);
    assert_int_equal(prompt->grammar.size, 0);
    weft_chat_prompt_free(prompt);
    family_end(&family_of);
}

static void test_tools_llama3(void **state)
{
    (void)state;
    struct family family_of = family(llama3);
    assert_true(weft_chat_knows_tools(family_of.chat));
    struct weft_chat_prompt *prompt = render_tools(family_of.chat, WEFT_TOOLS_REQUIRED);
    assert_false(prompt->lazy);
    assert_true(lets_through(prompt, "{\"name\": \"weather\", \"parameters\": " ARGUMENTS "}"));
    check_call(prompt, "{\"name\": \"weather\", \"parameters\": " ARGUMENTS "}", "");
    weft_chat_prompt_free(prompt);
    family_end(&family_of);
}

/* A template that does not know tools: they are told with the first message, and a forced call is begun for it. */
static void test_tools_smollm2(void **state)
{
    (void)state;
    struct weft_chat_prompt *prompt = render_tools(smol_chat, WEFT_TOOLS_AUTO);
    assert_true(holds(prompt->text, "\"name\": \"weather\""));
    assert_true(holds(prompt->text, "\n\nHello<|im_end|>\n<|im_start|>assistant\n"));
    assert_true(prompt->lazy);
    assert_true(lets_through(prompt, "Well: " CALL));
    assert_false(lets_through(prompt, CALL "\n" CALL));
    check_call(prompt, "Well: " CALL, "Well: ");
    weft_chat_prompt_free(prompt);

    /* as OpenAI's clients ask, unless they are told otherwise: several calls, if any */
    struct weft_chat_request several = ask(USER);
    several.tools = weft_slice_text(tools);
    several.parallel_tool_calls = true;
    prompt = render(smol_chat, &several);
    assert_true(prompt->lazy);
    assert_true(lets_through(prompt, "Well: " CALL));
    assert_true(lets_through(prompt, CALL "\n" CALL));
    assert_false(lets_through(prompt, CALL "\nAnd: " CALL));
    weft_chat_prompt_free(prompt);

    prompt = render_tools(smol_chat, WEFT_TOOLS_REQUIRED);
    assert_true(holds(prompt->text, "<|im_start|>assistant\n<tool_call>\n"));
    assert_false(prompt->lazy);
    assert_true(holds(prompt->grammar, "tool-calls ::= tool-call space\n"));
    assert_true(prompt->prefix_count > 0);
    assert_true(lets_through(prompt, "{\"name\": \"weather\", \"arguments\": " ARGUMENTS "}\n</tool_call>"));
    assert_false(lets_through(prompt, "{\"name\": \"weather\", \"arguments\": {\"days\": 3"));
    check_call(prompt, "{\"name\": \"weather\", \"arguments\": " ARGUMENTS "}\n</tool_call>", "");
    weft_chat_prompt_free(prompt);

    /* what was called before, and what it gave, is text of the prompt */
    struct weft_chat_request request =
        ask("[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":"
            "\"1\",\"type\":\"function\",\"function\":{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\": "
            "\\\"Oslo\\\"}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"rain\"}]");
    assert_rendered(smol_chat, &request,
                    SMOL_SYSTEM "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<tool_call>\n{\"name\": "
                                "\"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call><|im_end|>\n"
                                "<|im_start|>user\n<tool_response>\nrain\n</tool_response><|im_end|>\n"
                                "<|im_start|>assistant\n");
}

static void test_tools_refused(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "[{\"type\":\"canary\"}]",
        "[{\"type\":\"function\",\"function\":{\"name\":\"can ary\"}}]",
        "[{\"type\":\"function\",\"function\":{\"name\":\"a\",\"parameters\":{\"type\":\"canary\"}}}]",
        "[{\"type\":\"function\",\"function\":{\"name\":\"a\",\"parameters\":{\"$ref\":\"#/canary\"}}}]",
    };
    for (size_t i = 0; i < WEFT_COUNT(refused); i++) {
        struct weft_chat_request request = ask(USER);
        request.tools = weft_slice_text(refused[i]);
        struct weft_chat_prompt *prompt;
        assert_true(weft_chat_render(smol_chat, &request, &prompt, problem) < 0);
        assert_null(prompt);
        assert_true(problem[0] != '\0' && !strstr(problem, "canary"));
    }
}

static void test_reasoning(void **state)
{
    (void)state;
    struct family family_of = family(thinker);
    assert_true(weft_chat_knows_reasoning(family_of.chat));
    struct weft_chat_request request = ask(USER);
    struct weft_chat_prompt *prompt = render(family_of.chat, &request);
    assert_true(prompt->parsed);
    assert_parsed(prompt, "<think>\nHmm, 1 < 2.\n</think>\n\nYes.", "Yes.", "Hmm, 1 < 2.\n", "");
    assert_parsed(prompt, "Yes.", "Yes.", "", "");
    struct listener cut;
    assert_int_equal(listen(prompt, "<think>\nHmm, 1 < 2", 2, &cut), 0);
    assert_string_equal(cut.text[WEFT_PART_REASONING], "Hmm, 1 < 2");
    assert_int_equal(cut.size[WEFT_PART_CONTENT], 0);
    weft_chat_prompt_free(prompt);

    request.reasoning = false;
    prompt = render(family_of.chat, &request);
    assert_true(holds(prompt->text, "<think>\n\n</think>\n\n"));
    assert_parsed(prompt, "Yes.", "Yes.", "", "");
    weft_chat_prompt_free(prompt);
    family_end(&family_of);
}

/* What the client sent as the answer's beginning is not told again. */
static void test_continued_answer(void **state)
{
    (void)state;
    struct family family_of = family(hermes);
    struct weft_chat_request request =
        ask("[{\"role\":\"user\",\"content\":\"Hello\"},{\"role\":\"assistant\",\"content\":\"Once upon\"}]");
    request.continue_final_message = true;
    request.tools = weft_slice_text(tools);
    struct weft_chat_prompt *prompt = render(family_of.chat, &request);
    assert_parsed(prompt, " a time.", " a time.", "", "");
    weft_chat_prompt_free(prompt);
    family_end(&family_of);
}

/* -- schemas -- */

/* Do we, and does libllama, take the text as a grammar? */
static bool compiles(struct weft_slice grammar)
{
    char *text = strndup(grammar.data, grammar.size);
    const struct llama_vocab *vocab = llama_model_get_vocab(smol);
    struct weft_grammar *ours;
    bool good = weft_grammar_new(&ours, &(struct weft_grammar_options){.vocab = vocab, .text = text}) == 0;
    weft_grammar_free(ours);
    struct llama_sampler *theirs = llama_sampler_init_grammar(vocab, text, "root");
    if (theirs) {
        llama_sampler_free(theirs);
    }
    free(text);
    return good && theirs;
}

static void test_schema(void **state)
{
    (void)state;
    struct weft_chat_prompt *prompt;
    const char *schema = "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"pattern\":\"^[A-Z].*\"},"
                         "\"age\":{\"type\":\"integer\",\"minimum\":0},\"tags\":{\"type\":\"array\",\"items\":"
                         "{\"enum\":[\"a\",\"b\"]},\"maxItems\":1000000000}},\"required\":[\"name\"]}";
    assert_int_equal(weft_chat_schema(weft_slice_text(schema), &prompt, problem), 0);
    assert_true(compiles(prompt->grammar));
    assert_int_equal(prompt->text.size, 0);
    weft_chat_prompt_free(prompt);

    assert_int_equal(weft_chat_schema(WEFT_SLICE("{}"), &prompt, problem), 0);
    assert_true(compiles(prompt->grammar));
    weft_chat_prompt_free(prompt);

    /* with messages it constrains the answer as well, and the answer is shown as it is */
    struct weft_chat_request request = ask(USER);
    request.schema = weft_slice_text(schema);
    prompt = render(smol_chat, &request);
    assert_true(compiles(prompt->grammar));
    assert_int_equal(prompt->prefix_count, 0);
    assert_false(prompt->parsed);
    weft_chat_prompt_free(prompt);

    /* where the model thinks first, the grammar is one of the whole turn */
    struct family family_of = family(thinker);
    prompt = render(family_of.chat, &request);
    assert_true(compiles(prompt->grammar));
    assert_true(prompt->prefix_count > 0);
    assert_true(lets_through(prompt, "<think>\nHm.\n</think>\n\n{\"name\":\"Bo\"}"));
    assert_false(lets_through(prompt, "<think>\nHm.\n</think>\n\nBo"));
    assert_parsed(prompt, "<think>\nHm.\n</think>\n\n{\"name\":\"Bo\"}", "{\"name\":\"Bo\"}", "Hm.\n", "");
    weft_chat_prompt_free(prompt);
    family_end(&family_of);
}

/* A file on another machine is never asked for: such a reference is refused before anyone reads it. */
static void test_schema_remote_reference(void **state)
{
    (void)state;
    struct weft_chat_prompt *prompt;
    assert_int_equal(weft_chat_schema(WEFT_SLICE("{\"$ref\":\"https://example.test/canary.json\"}"), &prompt, problem),
                     WEFT_ERR_UNSUPPORTED);
    assert_non_null(strstr(problem, "'$ref'"));
    assert_null(strstr(problem, "canary"));
}

struct drawing {
    struct weft_random random;
    struct weft_bytes text;
};

static void draw(struct drawing *drawing, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert_int_equal(weft_bytes_append(&drawing->text, text, (size_t)size), 0);
}

static unsigned below(struct drawing *drawing, unsigned bound)
{
    return (unsigned)weft_random_below(&drawing->random, bound);
}

static void draw_schema(struct drawing *drawing, unsigned depth);

static void draw_object(struct drawing *drawing, unsigned depth)
{
    unsigned count = below(drawing, 5);
    draw(drawing, "{\"type\":\"object\",\"properties\":{");
    for (unsigned i = 0; i < count; i++) {
        draw(drawing, "%s\"p %u\\\"\":", i ? "," : "", i);
        draw_schema(drawing, depth + 1);
    }
    draw(drawing, "},\"required\":[");
    for (unsigned i = 0; i < count; i += 2) {
        draw(drawing, "%s\"p %u\\\"\"", i ? "," : "", i);
    }
    draw(drawing, "]%s}", below(drawing, 2) ? ",\"additionalProperties\":false" : "");
}

static void draw_schema(struct drawing *drawing, unsigned depth)
{
    static const char *const patterns[] = {"^[a-c]{2,4}$", "x", "^(ab|c?d)*$", "^.+@[\\\\w.]+$", "^\\\\d{3}-\\\\S$"};
    static const char *const formats[] = {"date", "time", "date-time", "uuid"};
    unsigned low = below(drawing, 20);
    switch (below(drawing, depth > 3 ? 8 : 12)) {
    case 0:
        draw(drawing, "{\"type\":\"string\",\"minLength\":%u,\"maxLength\":%u}", low, low + below(drawing, 600));
        return;
    case 1:
        draw(drawing, "{\"type\":\"string\",\"pattern\":\"%s\"}", patterns[below(drawing, 5)]);
        return;
    case 2:
        draw(drawing, "{\"type\":\"string\",\"format\":\"%s\"}", formats[below(drawing, 4)]);
        return;
    case 3:
        draw(drawing, "{\"type\":\"integer\",\"minimum\":-%u,\"exclusiveMaximum\":%u}", low, 1 + below(drawing, 5000));
        return;
    case 4:
        draw(drawing, "{\"enum\":[\"a\",%u,null,\"\\\"\\n\\u00e9\",[1.5,{}]]}", low);
        return;
    case 5:
        draw(drawing, "{\"type\":[\"number\",\"null\"]}");
        return;
    case 6:
        draw(drawing, "{\"const\":%u}", low);
        return;
    case 7:
        draw(drawing, "{\"type\":\"boolean\",\"description\":\"d\"}");
        return;
    case 8:
        draw(drawing, "{\"type\":\"array\",\"minItems\":%u,\"maxItems\":%u,\"items\":", low, low + below(drawing, 600));
        draw_schema(drawing, depth + 1);
        break;
    case 9:
        draw(drawing, "{\"anyOf\":[");
        draw_schema(drawing, depth + 1);
        draw(drawing, ",");
        draw_schema(drawing, depth + 1);
        draw(drawing, "]");
        break;
    default:
        draw_object(drawing, depth);
        return;
    }
    draw(drawing, "}");
}

/* 300 schemas from a seed: all are taken, and what comes out is a grammar to libllama. */
static void test_schemas_compile(void **state)
{
    (void)state;
    struct drawing drawing;
    weft_random_init(&drawing.random, 20000229);
    static char text[1 << 20];
    for (int i = 0; i < 300; i++) {
        weft_bytes_init(&drawing.text);
        draw_object(&drawing, 0);
        size_t size = weft_bytes_read(&drawing.text, text, sizeof(text));
        weft_bytes_deinit(&drawing.text);
        struct weft_chat_prompt *prompt;
        if (weft_chat_schema(weft_slice(text, size), &prompt, problem) != 0) {
            fail_msg("schema %d: %s: %.*s", i, problem, (int)size, text);
        }
        if (!compiles(prompt->grammar)) {
            fail_msg("schema %d is no grammar: %.*s", i, (int)size, text);
        }
        weft_chat_prompt_free(prompt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smollm2_format),   cmocka_unit_test(test_continue_final_message),
        cmocka_unit_test(test_no_template),      cmocka_unit_test(test_messages_refused),
        cmocka_unit_test(test_template_args),    cmocka_unit_test(test_clock),
        cmocka_unit_test(test_broken_templates), cmocka_unit_test(test_endless_template),
        cmocka_unit_test(test_tools_hermes),     cmocka_unit_test(test_tools_llama3),
        cmocka_unit_test(test_tools_smollm2),    cmocka_unit_test(test_tools_refused),
        cmocka_unit_test(test_reasoning),        cmocka_unit_test(test_continued_answer),
        cmocka_unit_test(test_schema),           cmocka_unit_test(test_schema_remote_reference),
        cmocka_unit_test(test_schemas_compile),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
