/* cli/chat.c - `weft chat`: a prompt in, the answer streams out.
 *
 * The conversation lives in this process's memory and nowhere else. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/remote.h"
#include "crypto/secret.h"
#include "wire/json.h"
#include "wire/sse.h"

#define PROMPT_MAX   ((size_t)8 * 1024 * 1024) /* bytes of one prompt */
#define MESSAGES_MAX 1024                      /* of one conversation */
#define ANSWER_MAX   ((size_t)32 * 1024 * 1024)
#define WHOLE_MAX    ((size_t)256 * 1024) /* bytes of an answer that is no stream; more is left out */
#define SHOWN_MAX    128

struct message {
    const char *role;
    char *text; /* from base/mem */
    size_t size;
};

struct chat {
    struct weft_remote remote;
    struct weft_config_problem problem;
    const char *model;
    char model_found[SHOWN_MAX];
    bool terminal; /* somebody reads along: colours and a line about who could read */
    struct message messages[MESSAGES_MAX];
    size_t count;

    /* the answer under way */
    int status; /* of HTTP */
    struct weft_sse sse;
    struct weft_bytes text; /* of the answer; or of an error's body */
    bool streams, reasoning;
    char served_model[SHOWN_MAX], served_path[SHOWN_MAX];
};

static int say_problem(const char *text)
{
    fprintf(stderr, "weft: %s\n", text);
    return WEFT_EXIT_FAILURE;
}

int weft_chat_print_more(void)
{
    printf(
        "\nWith a PROMPT it answers once. Without one it reads prompts from standard input: line by line on a\n"
        "terminal, each a turn of one conversation (Ctrl-C stops an answer, Ctrl-D ends), else all of it as one.\n\n"
        "  --url URL\n      the node to talk to; default: the one that runs with this home, or http://127.0.0.1:9338\n"
        "  --model NAME\n      the model to talk to; default: the first that the node lists\n"
        "  --system TEXT\n      what the model is told before the conversation\n\n"
        "--home, --config and --api-key-file are as for `weft up`; WEFT_API_KEY is read too.\n");
    return 0;
}

/* -- what comes back -- */

/* A terminal obeys control characters: those of somebody else's text are not for it. */
static bool is_control(unsigned char byte)
{
    return byte < 0x20 || byte == 0x7f;
}

static void make_plain(char *text)
{
    for (; *text; text++) {
        *text = is_control((unsigned char)*text) ? '?' : *text;
    }
}

static void copy_field(char out[SHOWN_MAX], const struct weft_answer_head *head, const char *name)
{
    struct weft_slice value = weft_fields_value(&head->fields, name);
    size_t size = value.size < SHOWN_MAX - 1 ? value.size : SHOWN_MAX - 1;
    if (size > 0) {
        memcpy(out, value.data, size);
    }
    out[size] = '\0';
    make_plain(out);
}

static int on_head(void *self, const struct weft_answer_head *head)
{
    struct chat *chat = self;
    chat->status = head->status;
    copy_field(chat->served_model, head, "x-weft-model");
    copy_field(chat->served_path, head, "x-weft-path");
    return 0;
}

static void show(const struct chat *chat, struct weft_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        unsigned char next = (unsigned char)(i + 1 < text.size ? text.data[i + 1] : 0xff);
        bool wide = byte == 0xc2 && next < 0xa0; /* U+0080 to U+009F: some terminals obey these too */
        bool hidden = chat->terminal && (wide || (is_control(byte) && byte != '\n' && byte != '\t'));
        (void)fputc(hidden ? '?' : byte, stdout); /* the flush below tells */
        i += hidden && wide;
    }
}

static void show_part(struct chat *chat, const json_t *delta, const char *name, bool reasoning)
{
    const json_t *value = json_object_get(delta, name);
    size_t size = json_string_length(value);
    if (!json_is_string(value) || size == 0 || (reasoning && !chat->terminal)) {
        return; /* in a pipe only the answer itself is wanted */
    }
    if (reasoning != chat->reasoning) {
        (void)fputs(reasoning ? "\033[2m" : "\033[0m\n\n", stdout);
        chat->reasoning = reasoning;
    }
    show(chat, weft_slice(json_string_value(value), size));
}

static int take_error(struct chat *chat, const json_t *error)
{
    const char *message = json_string_value(json_object_get(error, "message"));
    (void)snprintf(chat->problem.text, sizeof(chat->problem.text), "%s",
                   message ? message : "the node answered with an error that has no words");
    make_plain(chat->problem.text);
    return WEFT_ERR_REFUSED;
}

static int take_event(struct chat *chat, struct weft_slice data)
{
    if (weft_slice_equal(data, WEFT_SLICE("[DONE]"))) {
        return 0;
    }
    json_t *event;
    int status = weft_json_parse(data, &event, NULL);
    if (status < 0) {
        return status;
    }
    const json_t *error = json_object_get(event, "error");
    const json_t *delta = json_object_get(json_array_get(json_object_get(event, "choices"), 0), "delta");
    const json_t *content = json_object_get(delta, "content");
    if (error) {
        status = take_error(chat, error);
    } else {
        show_part(chat, delta, "reasoning_content", true);
        show_part(chat, delta, "content", false);
        if (json_is_string(content)) {
            status = chat->text.size + json_string_length(content) > ANSWER_MAX
                         ? WEFT_ERR_TOO_LARGE
                         : weft_bytes_append(&chat->text, json_string_value(content), json_string_length(content));
        }
    }
    json_decref(event);
    if (status == 0 && fflush(stdout) != 0) {
        (void)snprintf(chat->problem.text, sizeof(chat->problem.text), "the answer cannot be written: %s",
                       strerror(errno)); /* fits */
        status = WEFT_ERR_IO;
    }
    return status;
}

static int on_received(void *self, struct weft_slice bytes)
{
    struct chat *chat = self;
    if (chat->status != 200 || !chat->streams) {
        size_t room = chat->text.size < WHOLE_MAX ? WHOLE_MAX - chat->text.size : 0;
        return weft_bytes_append(&chat->text, bytes.data, bytes.size < room ? bytes.size : room);
    }
    struct weft_sse_event event;
    int status;
    while ((status = weft_sse_next(&chat->sse, &bytes, &event)) == 1) {
        status = take_event(chat, event.data);
        if (status < 0) {
            break;
        }
    }
    return status;
}

/* All of a queue as one text with a NUL behind it, or NULL. */
static char *take_text(struct weft_bytes *bytes, size_t *size)
{
    *size = bytes->size;
    char *text = weft_alloc(bytes->size + 1);
    if (text) {
        (void)weft_bytes_read(bytes, text, *size);
        text[*size] = '\0';
    }
    return text;
}

/* An answer that is no stream: a refusal, with its reason. */
static int say_refusal(struct chat *chat)
{
    size_t size;
    if (chat->status == 401) {
        return say_problem(
            chat->remote.key.size > 0
                ? "this API key is not the node's: look at WEFT_API_KEY, or at the file of --api-key-file"
                : "the node asks for an API key: put it into WEFT_API_KEY, or name its file with "
                  "--api-key-file FILE");
    }
    char *text = take_text(&chat->text, &size);
    json_t *body = NULL;
    if (text && weft_json_parse(weft_slice(text, size), &body, NULL) == 0) {
        (void)take_error(chat, json_object_get(body, "error"));
    } else {
        (void)snprintf(chat->problem.text, sizeof(chat->problem.text), "the node answered with status %d",
                       chat->status);
    }
    json_decref(body);
    weft_free(text);
    return say_problem(chat->problem.text);
}

/* -- what goes out -- */

static int add_message(struct chat *chat, const char *role, char *text, size_t size)
{
    if (chat->count == MESSAGES_MAX) {
        return WEFT_ERR_FULL;
    }
    struct message *message = &chat->messages[chat->count++];
    message->role = role;
    message->text = text;
    message->size = size;
    return 0;
}

static int make_body(const struct chat *chat, struct weft_bytes *out)
{
    struct weft_json json;
    weft_json_start(&json, out);
    weft_json_object(&json);
    weft_json_add_text(&json, "model", chat->model);
    weft_json_add_bool(&json, "stream", true);
    weft_json_key(&json, "messages");
    weft_json_array(&json);
    for (size_t i = 0; i < chat->count; i++) {
        weft_json_object(&json);
        weft_json_add_text(&json, "role", chat->messages[i].role);
        weft_json_add_string(&json, "content", weft_slice(chat->messages[i].text, chat->messages[i].size));
        weft_json_object_end(&json);
    }
    weft_json_array_end(&json);
    weft_json_object_end(&json);
    return weft_json_finish(&json);
}

/* `body` empty: a GET. */
static int ask(struct chat *chat, const char *path, struct weft_slice body)
{
    const struct weft_ask options = {
        .url = chat->remote.url,
        .key = weft_slice(chat->remote.key.text, chat->remote.key.size),
        .method = body.size > 0 ? "POST" : "GET",
        .path = path,
        .body = body,
        .head = on_head,
        .received = on_received,
        .self = chat,
    };
    weft_bytes_deinit(&chat->text); /* what was left of an answer that failed */
    chat->status = 0;
    chat->streams = body.size > 0;
    chat->reasoning = false;
    return weft_ask_run(&options, &chat->problem);
}

/* Ends the lines of an answer, and says who could read it. */
static void say_end(const struct chat *chat, int status)
{
    if (chat->reasoning) {
        (void)fputs("\033[0m", stdout);
    }
    (void)fputc('\n', stdout);
    (void)fflush(stdout); /* an answer that could not be written has ended the stream already */
    if (!chat->terminal) {
        return;
    }
    if (status == WEFT_ERR_CANCELLED) {
        fprintf(stderr, "(stopped)\n");
    } else if (strcmp(chat->served_path, "local") == 0) {
        fprintf(stderr, "\033[2m%s on this node; nobody else could read it\033[0m\n", chat->served_model);
    }
}

/* Asks with all that was said, and adds the answer; what came of one that was stopped is an answer too. */
static int answer(struct chat *chat)
{
    struct weft_bytes body = {0};
    size_t size;
    int status = make_body(chat, &body);
    char *text = status == 0 ? take_text(&body, &size) : NULL;
    weft_bytes_deinit(&body);
    if (!text) {
        return say_problem(status == WEFT_ERR_INVALID ? "the prompt is not UTF-8 text" : "out of memory");
    }
    weft_sse_init(&chat->sse);
    status = ask(chat, "/v1/chat/completions", weft_slice(text, size));
    weft_sse_deinit(&chat->sse);
    weft_free(text);
    if (status == 0 && chat->status != 200) {
        return say_refusal(chat);
    }
    if (chat->status == 200) {
        say_end(chat, status);
    }
    if (status < 0 && status != WEFT_ERR_CANCELLED) {
        return say_problem(chat->problem.text);
    }
    if (status < 0 && (chat->status != 200 || chat->text.size == 0)) {
        return WEFT_EXIT_FAILURE; /* stopped before the first word */
    }
    text = take_text(&chat->text, &size);
    if (!text || add_message(chat, "assistant", text, size) < 0) {
        weft_free(text);
        return say_problem("the conversation is too long to go on");
    }
    return status < 0 ? WEFT_EXIT_FAILURE : WEFT_EXIT_OK;
}

static int take_models(struct chat *chat)
{
    size_t size;
    char *text = take_text(&chat->text, &size);
    json_t *body = NULL;
    const char *id = NULL;
    if (text && weft_json_parse(weft_slice(text, size), &body, NULL) == 0) {
        id = json_string_value(json_object_get(json_array_get(json_object_get(body, "data"), 0), "id"));
    }
    if (id) { /* one that is cut is refused as unknown */
        (void)snprintf(chat->model_found, sizeof(chat->model_found), "%s", id);
        chat->model = chat->model_found;
    }
    json_decref(body);
    weft_free(text);
    return id ? WEFT_EXIT_OK : say_problem("the node serves no model: start it with --model FILE");
}

/* The first model that the node lists, if none was named. */
static int find_model(struct chat *chat)
{
    if (chat->model) {
        return WEFT_EXIT_OK;
    }
    int status = ask(chat, "/v1/models", weft_slice(NULL, 0));
    if (status < 0) {
        return status == WEFT_ERR_CANCELLED ? WEFT_EXIT_FAILURE : say_problem(chat->problem.text);
    }
    return chat->status == 200 ? take_models(chat) : say_refusal(chat);
}

/* -- what is asked -- */

/* A copy for the list of messages. */
static int add_copy(struct chat *chat, const char *role, const char *text, size_t size)
{
    char *copy = weft_alloc(size + 1);
    if (!copy) {
        return WEFT_ERR_MEMORY;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    int status = add_message(chat, role, copy, size);
    if (status < 0) {
        weft_free(copy);
    }
    return status;
}

static void drop_last(struct chat *chat)
{
    struct message *last = &chat->messages[--chat->count];
    weft_secret_wipe(last->text, last->size);
    weft_free(last->text);
}

/* Reads up to `end` or the end of the input. 1 if there was anything, 0 if not. */
static int read_prompt(int end, struct weft_bytes *out)
{
    char piece[4096];
    size_t size = 0;
    int byte = end;
    int status = 0;
    while (status == 0 && (byte = getchar()) != EOF && byte != end) {
        piece[size++] = (char)byte;
        if (size == sizeof(piece)) {
            status = out->size > PROMPT_MAX ? WEFT_ERR_TOO_LARGE : weft_bytes_append(out, piece, size);
            size = 0;
        }
    }
    if (status == 0) {
        status = weft_bytes_append(out, piece, size);
    }
    return status < 0 ? status : out->size > 0 || byte != EOF;
}

/* One prompt from standard input and its answer. 1: go on; 0: the input is at its end. */
static int take_turn(struct chat *chat, int end, int *exit)
{
    struct weft_bytes prompt = {0};
    size_t size = 0;
    int status = read_prompt(end, &prompt);
    char *text = status == 1 && prompt.size > 0 ? take_text(&prompt, &size) : NULL;
    weft_bytes_deinit(&prompt);
    if (status < 0) {
        *exit = say_problem(status == WEFT_ERR_TOO_LARGE ? "the prompt is longer than 8 MiB" : "out of memory");
        return 0;
    }
    if (!text) {
        return status; /* an empty line asks nothing */
    }
    if (add_message(chat, "user", text, size) < 0) {
        weft_free(text);
        *exit = say_problem("the conversation is too long to go on: start a new one");
        return 0;
    }
    size_t asked = chat->count;
    *exit = answer(chat);
    if (chat->count == asked) {
        drop_last(chat); /* no answer came of it: it can be asked again */
    }
    return 1;
}

static int converse(struct chat *chat)
{
    int exit = WEFT_EXIT_OK;
    if (isatty(STDIN_FILENO) != 1) {
        (void)take_turn(chat, EOF, &exit);
        return exit;
    }
    fprintf(stderr, "%s at %s. Ctrl-C stops an answer, Ctrl-D ends.\n", chat->model, chat->remote.address);
    do {
        (void)fputs("> ", stderr);
    } while (take_turn(chat, '\n', &exit) == 1);
    (void)fputc('\n', stderr);
    return WEFT_EXIT_OK;
}

/* -- what it is told -- */

struct words {
    const char *system;
    struct weft_bytes prompt; /* the words that are no flags */
};

static int take_words(struct chat *chat, struct words *words, int argc, char **argv)
{
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        const char *value;
        if (only_words || strncmp(argv[i], "--", 2) != 0) {
            if ((words->prompt.size > 0 && weft_bytes_append(&words->prompt, " ", 1) < 0) ||
                weft_bytes_append(&words->prompt, argv[i], strlen(argv[i])) < 0) {
                return say_problem("out of memory");
            }
        } else if (strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if ((value = weft_remote_value("--model", argc, argv, &i))) {
            chat->model = value;
        } else if ((value = weft_remote_value("--system", argc, argv, &i))) {
            words->system = value;
        } else if (!weft_remote_take(&chat->remote, argc, argv, &i)) {
            return weft_help_unexpected("chat", argv[i]);
        }
    }
    return WEFT_EXIT_OK;
}

static int run(struct chat *chat, struct words *words)
{
    size_t size;
    int exit = find_model(chat);
    if (exit == WEFT_EXIT_OK && words->system && add_copy(chat, "system", words->system, strlen(words->system)) < 0) {
        exit = say_problem("out of memory");
    }
    if (exit != WEFT_EXIT_OK || words->prompt.size == 0) {
        return exit != WEFT_EXIT_OK ? exit : converse(chat);
    }
    char *text = take_text(&words->prompt, &size);
    if (!text || add_message(chat, "user", text, size) < 0) {
        weft_free(text);
        return say_problem("out of memory");
    }
    return answer(chat);
}

int weft_chat_run(int argc, char **argv)
{
    struct chat *chat = weft_zalloc(sizeof(*chat));
    if (!chat) {
        return say_problem("out of memory");
    }
    struct words words = {.system = NULL};
    chat->terminal = isatty(STDOUT_FILENO) == 1;
    int exit = take_words(chat, &words, argc, argv);
    if (exit == WEFT_EXIT_OK) {
        exit = weft_remote_find(&chat->remote);
    }
    if (exit == WEFT_EXIT_OK) {
        exit = run(chat, &words);
    }
    while (chat->count > 0) {
        drop_last(chat);
    }
    weft_bytes_deinit(&words.prompt);
    weft_bytes_deinit(&chat->text);
    weft_remote_deinit(&chat->remote);
    weft_free(chat);
    weft_bytes_trim();
    return exit;
}
