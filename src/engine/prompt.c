/* engine/prompt.c - what a model reads before it answers, and what its answer must fit. */
#include "engine/prompt.h"

#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"

/* Answers what a request brought about, in words that came with the error. Returns the error. */
static int refuse(struct weft_errand *errand, int error, const char *code, const char *problem)
{
    switch (error) {
    case WEFT_ERR_INVALID:
    case WEFT_ERR_TOO_LARGE:
    case WEFT_ERR_UNSUPPORTED:
        weft_errand_refuse(errand,
                           &(const struct weft_errand_problem){.status = 400, .code = code, .message = problem});
        break;
    default:
        weft_errand_fail(errand, error);
    }
    return error;
}

void weft_prompt_deinit(struct weft_prompt *prompt)
{
    weft_free(prompt->tokens);
    weft_chat_prompt_free(prompt->chat);
    *prompt = (struct weft_prompt){0};
}

/* A prompt of `least` tokens or more. */
static int refuse_size(struct weft_errand *errand, uint64_t least)
{
    uint64_t context = (uint64_t)errand->desk->model->context_tokens;
    char has[WEFT_ERRAND_NUMBER_MAX], holds[WEFT_ERRAND_NUMBER_MAX], message[WEFT_ERRAND_MESSAGE_MAX];
    weft_errand_number(has, least);
    weft_errand_number(holds, context);
    (void)snprintf(message, sizeof(message),
                   "The prompt has at least %s tokens, but this model's context holds %s, and the answer needs room in "
                   "it too. Shorten the prompt.",
                   has, holds);
    weft_errand_refuse(errand, &(const struct weft_errand_problem){.status = 400,
                                                                   .code = "context_overflow",
                                                                   .message = message,
                                                                   .numbers = {{"prompt_tokens", (int64_t)least},
                                                                               {"context_tokens", (int64_t)context}}});
    return WEFT_ERR_TOO_LARGE;
}

static int tokenize(struct weft_prompt *prompt, struct weft_errand *errand, struct weft_slice text, bool begin,
                    enum weft_specials specials, size_t most)
{
    int error = weft_tokenizer_read(&errand->desk->model->tokenizer, text, begin, specials, most, &prompt->tokens,
                                    &prompt->count);
    if (error < 0) {
        size_t least = prompt->count;
        weft_prompt_deinit(prompt); /* and with it the text */
        return error == WEFT_ERR_FULL ? refuse_size(errand, least)
                                      : refuse(errand, error, "invalid_request",
                                               "The text is too long, or has too many special tokens, to be turned "
                                               "into tokens.");
    }
    prompt->ids = prompt->tokens;
    return 0;
}

/* A text that is to be read by the model. One that cannot fit is refused by its size alone: to turn megabytes into
 * tokens takes long, and then no answer goes on, nor does the node hear that the engine lives. */
static int tokenize_prompt(struct weft_prompt *prompt, struct weft_errand *errand, struct weft_slice text,
                           enum weft_specials specials)
{
    const struct weft_model *model = errand->desk->model;
    size_t context = (size_t)model->context_tokens, longest = model->token_bytes_max;
    if (longest > 0 && text.size / longest > context) {
        size_t least = text.size / longest;
        weft_prompt_deinit(prompt);
        return refuse_size(errand, least);
    }
    return tokenize(prompt, errand, text, true, specials, context);
}

int weft_prompt_text(struct weft_prompt *prompt, struct weft_errand *errand, struct weft_slice text, bool begin,
                     bool specials)
{
    *prompt = (struct weft_prompt){0};
    return tokenize(prompt, errand, text, begin, specials ? WEFT_SPECIALS_MEANT : WEFT_SPECIALS_TEXT, SIZE_MAX);
}

int weft_prompt_raw(struct weft_prompt *prompt, struct weft_errand *errand, const struct weft_request_text *given)
{
    *prompt = (struct weft_prompt){.ids = given->ids, .count = given->count};
    if (given->ids) {
        return 0;
    }
    return tokenize_prompt(prompt, errand, given->text, WEFT_SPECIALS_MEANT);
}

int weft_prompt_chat(struct weft_prompt *prompt, struct weft_errand *errand)
{
    char problem[WEFT_CHAT_PROBLEM_MAX] = "";
    *prompt = (struct weft_prompt){0};
    const struct weft_model *model = errand->desk->model;
    struct weft_chat_request chat = errand->request.chat;
    int error = weft_tokenizer_mark(&model->tokenizer, chat.messages, &errand->arena, &chat.messages);
    error = error < 0 ? error : weft_chat_render(model->chat, &chat, &prompt->chat, problem);
    if (error < 0) {
        return refuse(errand, error, "invalid_messages", problem);
    }
    return tokenize_prompt(prompt, errand, prompt->chat->text, WEFT_SPECIALS_UNMARKED);
}

/* -- grammars -- */

static int take_chat(struct weft_prompt *prompt, struct weft_errand *errand, struct weft_job_grammar *out)
{
    const struct weft_chat_prompt *chat = prompt->chat;
    if (chat->grammar.size == 0) {
        return 0;
    }
    *out = (struct weft_job_grammar){.text = weft_arena_copy(&errand->arena, chat->grammar).data,
                                     .lazy = chat->lazy,
                                     .patterns = chat->patterns,
                                     .pattern_count = chat->pattern_count,
                                     .tokens = chat->tokens,
                                     .token_count = chat->token_count,
                                     .prefix = chat->prefix,
                                     .prefix_count = chat->prefix_count};
    return out->text ? 0 : WEFT_ERR_MEMORY;
}

int weft_prompt_grammar(struct weft_prompt *prompt, struct weft_errand *errand, struct weft_job_grammar *out)
{
    const struct weft_chat_request *request = &errand->request.chat;
    char problem[WEFT_CHAT_PROBLEM_MAX] = "";
    int error = 0;
    *out = (struct weft_job_grammar){0};
    if (!prompt->chat && request->schema.size > 0) {
        error = weft_chat_schema(request->schema, &prompt->chat, problem);
        if (error < 0) {
            weft_prompt_deinit(prompt);
            return refuse(errand, error, "invalid_schema", problem);
        }
    }
    if (prompt->chat) {
        error = take_chat(prompt, errand, out);
    } else if (request->grammar.size > 0) {
        out->text = request->grammar.data; /* with a NUL behind it */
    }
    if (error < 0) {
        weft_prompt_deinit(prompt);
        weft_errand_fail(errand, error);
    }
    return error;
}
