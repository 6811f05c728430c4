/* tests/unit/node/external_reading_test.c - answers as llama-server, vLLM and Ollama send them, read into frames. */
#include "node/external_reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "node/openai_answer.h"

#define RECORD_MAX 8192

static struct heard {
    char text[RECORD_MAX]; /* the frames, each in a word */
    size_t used, frames;
} heard;

static void put(const char *format, ...) WEFT_PRINTF(1, 2);
static void put(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(heard.text + heard.used, sizeof(heard.text) - heard.used, format, arguments);
    va_end(arguments);
    assert_true(size >= 0 && (size_t)size < sizeof(heard.text) - heard.used);
    heard.used += (size_t)size;
}

static void hear(void *self, const struct weft_frame *frame)
{
    static const char *const parts[] = {"content", "reasoning"};
    static const char *const reasons[] = {"stop", "length", "tools"};
    assert_ptr_equal(self, &heard);
    heard.frames++;
    switch (frame->kind) {
    case WEFT_FRAME_DELTA:
        if (frame->delta.part == WEFT_PART_TOOL_CALL) {
            put("%u call %u %.*s %.*s <%.*s>;", frame->choice, frame->delta.call, (int)frame->delta.id.size,
                frame->delta.id.data, (int)frame->delta.name.size, frame->delta.name.data, (int)frame->delta.text.size,
                frame->delta.text.data);
        } else {
            put("%u %s <%.*s>;", frame->choice, parts[frame->delta.part], (int)frame->delta.text.size,
                frame->delta.text.data);
        }
        break;
    case WEFT_FRAME_FINISH:
        put("%u %s <%.*s>;", frame->choice, reasons[frame->finish.reason], (int)frame->finish.stop.size,
            frame->finish.stop.data);
        break;
    case WEFT_FRAME_USAGE:
        put("usage %u %u %u;", frame->usage.prompt_tokens, frame->usage.cached_tokens, frame->usage.completion_tokens);
        break;
    case WEFT_FRAME_ERROR:
        put("error %u %.*s: %.*s;", frame->error.status, (int)frame->error.code.size, frame->error.code.data,
            (int)frame->error.message.size, frame->error.message.data);
        break;
    case WEFT_FRAME_END:
        put("end;");
        break;
    default:
        fail_msg("a frame of kind %d", (int)frame->kind);
    }
}

/* Reads a stream in parts of `step` bytes, and its end. Returns how that was. */
static int read_stream(enum weft_openai_shape shape, uint16_t choices, const char *stream, size_t step)
{
    int64_t live = weft_mem_live();
    struct weft_external_reading *reading;
    const struct weft_external_reading_options options = {
        .shape = shape, .choices = choices, .frame = hear, .self = &heard};
    heard = (struct heard){.used = 0};
    assert_int_equal(weft_external_reading_new(&reading, &options), 0);
    int status = 0;
    for (size_t at = 0, size = strlen(stream); status == 0 && at < size; at += step) {
        struct weft_slice part = weft_slice(stream + at, step < size - at ? step : size - at);
        while ((status = weft_external_reading_take(reading, &part)) > 0) {
        }
    }
    if (status == 0) {
        status = weft_external_reading_end(reading);
    } else {
        assert_int_equal(weft_external_reading_end(reading), status); /* for good */
    }
    weft_external_reading_free(reading);
    assert_int_equal(weft_mem_live(), live);
    return status;
}

struct transcript {
    const char *name;
    enum weft_openai_shape shape;
    uint16_t choices;
    int status;
    const char *stream, *frames;
};

#define C WEFT_OPENAI_CHAT
#define T WEFT_OPENAI_COMPLETION

/* What stands around the part that matters, as each server writes it. */
#define LLAMA(choices)                                                                                                 \
    "data: {\"choices\":[" choices "],\"created\":1763750000,\"id\":\"chatcmpl-x\",\"model\":\"m\","                   \
    "\"system_fingerprint\":\"b1-0\",\"object\":\"chat.completion.chunk\"}\n\n"
#define VLLM(choices)                                                                                                  \
    "data: {\"id\":\"chatcmpl-9f\",\"object\":\"chat.completion.chunk\",\"created\":1763750000,\"model\":\"m\","       \
    "\"choices\":[" choices "],\"usage\":null}\n\n"
#define OLLAMA(choices)                                                                                                \
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1763750000,\"model\":\"m\","        \
    "\"system_fingerprint\":\"fp_ollama\",\"choices\":[" choices "]}\n\n"
#define DONE       "data: [DONE]\n\n"
#define CALLS(all) LLAMA("{\"index\":0,\"delta\":{\"tool_calls\":[" all "]}}")
#define CALL(part) CALLS("{\"index\":0," part "}")
#define CALLED     LLAMA("{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}")
#define X16        "xxxxxxxxxxxxxxxx"
#define X64        X16 X16 X16 X16
#define COUNTED(usage)                                                                                                 \
    LLAMA("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}")                                    \
    "data: {\"choices\":[],\"usage\":{" usage "}}\n\n" DONE

static const struct transcript transcripts[] = {
    {"llama-server: a chat", C, 1, 0,
     LLAMA("{\"finish_reason\":null,\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}")
         LLAMA("{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"Hel\"}}") ":\n\n" LLAMA(
             "{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"lo \\u00e9\"}}")
             LLAMA("{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}") "data: "
                                                                            "{\"choices\":[],\"created\":1,\"id\":"
                                                                            "\"chatcmpl-x\",\"model\":\"m\",\"object\":"
                                                                            "\"chat.completion.chunk\","
                                                                            "\"usage\":{\"completion_tokens\":3,"
                                                                            "\"prompt_tokens\":31,\"total_tokens\":34,"
                                                                            "\"prompt_tokens_details\":"
                                                                            "{\"cached_tokens\":30}},\"timings\":{"
                                                                            "\"predicted_n\":3}}\n\n" DONE,
     "0 content <Hel>;0 content <lo \xc3\xa9>;0 stop <>;usage 31 30 3;end;"},
    {"llama-server: thoughts, then a tool call in pieces", C, 1, 0,
     LLAMA("{\"finish_reason\":null,\"index\":0,\"delta\":{\"reasoning_content\":\"Hm\"}}")
         LLAMA("{\"finish_reason\":null,\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a1\",\"type\":"
               "\"function\",\"function\":{\"name\":\"now\",\"arguments\":\"\"}}]}}")
             LLAMA("{\"finish_reason\":null,\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":"
                   "{\"arguments\":\"{\\\"a\\\":\"}}]}}")
                 LLAMA("{\"finish_reason\":null,\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":"
                       "{\"arguments\":\"1}\"}}]}}")
                     LLAMA("{\"finish_reason\":null,\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"b2\","
                           "\"type\":\"function\",\"function\":{\"name\":\"then\",\"arguments\":\"{}\"}}]}}")
                         LLAMA("{\"finish_reason\":\"tool_calls\",\"index\":0,\"delta\":{}}") DONE,
     "0 reasoning <Hm>;0 call 0 a1 now <{\"a\":>;0 call 0   <1}>;0 call 1 b2 then <{}>;0 tools <>;"
     "usage 0 0 5;end;"},
    {"llama-server: a completion", T, 1, 0,
     "data: {\"choices\":[{\"text\":\" upon\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}],\"created\":1,"
     "\"model\":\"m\",\"object\":\"text_completion\",\"id\":\"x\"}\n\n"
     "data: {\"choices\":[{\"text\":\"\",\"index\":0,\"logprobs\":null,\"finish_reason\":\"length\"}],\"created\":1,"
     "\"model\":\"m\",\"object\":\"text_completion\",\"usage\":{\"completion_tokens\":1,\"prompt_tokens\":4,"
     "\"total_tokens\":5},\"id\":\"x\"}\n\n" DONE,
     "0 content < upon>;0 length <>;usage 4 0 1;end;"},
    {"llama-server: a failure on the way", C, 1, 0,
     LLAMA("{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"a\"}}") "data: "
                                                                                 "{\"error\":{\"code\":500,\"message\":"
                                                                                 "\"Compute "
                                                                                 "error.\",\"type\":\"server_error\"}}"
                                                                                 "\n\n",
     "0 content <a>;error 502 external_failed: The external server says: Compute error.;"},
    {"vLLM: two choices that end in different ways", C, 2, 0,
     VLLM("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}")
         VLLM("{\"index\":1,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,"
              "\"finish_reason\":null}")
             VLLM("{\"index\":1,\"delta\":{\"content\":\"b\"},\"logprobs\":null,\"finish_reason\":null,"
                  "\"token_ids\":null}")
                 VLLM("{\"index\":0,\"delta\":{\"content\":\"a\"},\"logprobs\":null,\"finish_reason\":\"length\","
                      "\"stop_reason\":null}")
                     VLLM("{\"index\":1,\"delta\":{\"content\":\"\"},\"logprobs\":null,\"finish_reason\":\"stop\","
                          "\"stop_reason\":\"END\"}") "data: "
                                                      "{\"id\":\"chatcmpl-9f\",\"object\":\"chat.completion.chunk\","
                                                      "\"created\":1,\"model\":\"m\",\"choices\":[],"
                                                      "\"usage\":{\"prompt_tokens\":9,\"total_tokens\":12,\"completion_"
                                                      "tokens\":3,\"prompt_tokens_details\":null}}\n\n" DONE,
     "1 content <b>;0 content <a>;0 length <>;1 stop <END>;usage 9 0 3;end;"},
    {"vLLM: thoughts under their later name", C, 1, 0,
     VLLM("{\"index\":0,\"delta\":{\"reasoning\":\"Hm\",\"reasoning_content\":null},\"finish_reason\":null}")
         VLLM("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\",\"stop_reason\":151645}") DONE,
     "0 reasoning <Hm>;0 content <a>;0 stop <>;usage 0 0 2;end;"},
    {"vLLM: its engine died; it says so and calls that the end", C, 1, 0,
     VLLM(
         "{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}") "data: "
                                                                               "{\"error\":{\"message\":\"EngineCore "
                                                                               "encountered an "
                                                                               "issue.\",\"type\":"
                                                                               "\"InternalServerError\",\"param\":null,"
                                                                               "\"code\":500}}\n\n" DONE,
     "0 content <a>;error 502 external_failed: The external server says: EngineCore encountered an issue.;"},
    {"vLLM, an older one: the same", C, 1, 0,
     "data: "
     "{\"object\":\"error\",\"message\":\"no\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}\n\n" DONE,
     "error 400 external_refused: The external server says: no;"},
    {"vLLM: being shut down, it aborts what runs", C, 1, WEFT_ERR_CLOSED,
     VLLM("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"abort\"}") DONE, "0 content <a>;"},
    {"Ollama: a chat", C, 1, 0,
     OLLAMA("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"reasoning\":\"Hm\"},"
            "\"finish_reason\":null}") OLLAMA("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},"
                                              "\"finish_reason\":null}")
         OLLAMA("{\"index\":0,\"delta\":{\"role\":"
                "\"assistant\",\"content\":\"\"},\"finish_"
                "reason\":\"stop\"}") "data: "
                                      "{\"id\":\"chatcmpl-"
                                      "1\",\"object\":"
                                      "\"chat.completion."
                                      "chunk\","
                                      "\"created\":1,"
                                      "\"model\":\"m\","
                                      "\"system_"
                                      "fingerprint\":\"fp_"
                                      "ollama\","
                                      "\"choices\":[],"
                                      "\"usage\":{"
                                      "\"prompt_tokens\":"
                                      "26,\"completion_"
                                      "tokens\":7,"
                                      "\"total_tokens\":"
                                      "33}}\n\n" DONE,
     "0 reasoning <Hm>;0 content <Hi>;0 stop <>;usage 26 0 7;end;"},
    {"Ollama: two calls, both with the number 0", C, 1, 0,
     OLLAMA("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"call_a\","
            "\"index\":0,\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
            "\"finish_reason\":null}")
         OLLAMA("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"call_b\","
                "\"index\":0,\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]},"
                "\"finish_reason\":null}") OLLAMA("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                                                  "\"finish_reason\":\"tool_calls\"}") DONE,
     "0 call 0 call_a f <{}>;0 call 1 call_b g <{}>;0 tools <>;usage 0 0 2;end;"},
    {"Ollama: its runner died; an empty text is the last that comes", C, 1, WEFT_ERR_CLOSED,
     OLLAMA("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":null}")
         OLLAMA("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}"),
     "0 content <Hi>;"},
    {"Ollama, an older one: an error that is only a text", C, 1, 0, "data: {\"error\":\"llama runner exited\"}\n\n",
     "error 502 external_failed: The external server says: llama runner exited;"},

    /* calls whose names come in pieces, or again and again */
    {"a name in two pieces", C, 1, 0,
     CALL("\"id\":\"a\",\"function\":{\"name\":\"get_\"}") CALL("\"function\":{\"name\":\"time\"}")
         CALL("\"function\":{\"arguments\":\"{\"}") CALL("\"function\":{\"arguments\":\"}\"}") CALLED DONE,
     "0 call 0 a get_time <{>;0 call 0   <}>;0 tools <>;usage 0 0 3;end;"},
    {"... of two calls, the first without arguments, the last cut by the end", C, 1, 0,
     CALL("\"id\":\"a\",\"function\":{\"name\":\"get_\"}") CALL("\"function\":{\"name\":\"time\"}")
         CALL("\"id\":\"b\",\"function\":{\"name\":\"s\"}") CALL("\"function\":{\"name\":\"et\"}") CALLED DONE,
     "0 call 0 a get_time <>;0 call 1 b set <>;0 tools <>;usage 0 0 2;end;"},
    {"... and text behind it", C, 1, 0,
     CALL("\"function\":{\"name\":\"f\"}") LLAMA("{\"index\":0,\"delta\":{\"content\":\"Hm\"}}") CALLED DONE,
     "0 call 0  f <>;0 content <Hm>;0 tools <>;usage 0 0 2;end;"},
    {"all of the name so far with each part", C, 1, 0,
     CALL("\"id\":\"a\",\"function\":{\"name\":\"get\"}") CALL("\"function\":{\"name\":\"get_time\"}")
         CALL("\"function\":{\"arguments\":\"{}\"}") CALLED DONE,
     "0 call 0 a get_time <{}>;0 tools <>;usage 0 0 2;end;"},
    {"all of the name with each part", C, 1, 0,
     CALL("\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}")
         CALL("\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"}\"}") CALLED DONE,
     "0 call 0 a f <{>;0 call 0   <}>;0 tools <>;usage 0 0 2;end;"},

    /* calls that are not numbered */
    {"neither number nor id: two in one event, the first without arguments", C, 1, 0,
     CALLS("{\"function\":{\"name\":\"f\"}},{\"function\":{\"name\":\"g\"}}") CALLED DONE,
     "0 call 0  f <>;0 call 1  g <>;0 tools <>;usage 0 0 1;end;"},
    {"... in two events, of one name, their arguments in pieces", C, 1, 0,
     CALLS("{\"id\":\"\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}")
         CALLS("{\"function\":{\"arguments\":\"}\"}}") CALLS("{\"id\":\"\",\"function\":{\"name\":\"f\"}}")
             CALLS("{\"id\":null,\"function\":{\"name\":\"\",\"arguments\":\"{}\"}}") CALLED DONE,
     "0 call 0  f <{>;0 call 0   <}>;0 call 1  f <{}>;0 tools <>;usage 0 0 4;end;"},
    {"... and one that has an id", C, 1, 0,
     CALLS("{\"function\":{\"name\":\"f\"}}") CALLS("{\"id\":\"b\",\"function\":{\"name\":\"g\"}}") CALLED DONE,
     "0 call 0  f <>;0 call 1 b g <>;0 tools <>;usage 0 0 2;end;"},
    {"only an id, with the first part of each", C, 1, 0,
     CALLS("{\"id\":\"a\",\"function\":{\"name\":\"get_\"}}") CALLS("{\"function\":{\"name\":\"time\"}}")
         CALLS("{\"id\":\"b\",\"function\":{\"name\":\"get_time\"}}") CALLED DONE,
     "0 call 0 a get_time <>;0 call 1 b get_time <>;0 tools <>;usage 0 0 2;end;"},

    /* usage that can be none: as if nothing was said */
    {"usage: texts", C, 1, 0, COUNTED("\"prompt_tokens\":\"9\",\"completion_tokens\":\"7\""),
     "0 content <a>;0 stop <>;usage 0 0 1;end;"},
    {"usage: below nothing, and no whole number", C, 1, 0,
     COUNTED("\"prompt_tokens\":-9,\"completion_tokens\":7.5,\"prompt_tokens_details\":{\"cached_tokens\":-1}"),
     "0 content <a>;0 stop <>;usage 0 0 1;end;"},
    {"usage: more than there can be", C, 1, 0, COUNTED("\"prompt_tokens\":9,\"completion_tokens\":4294967296"),
     "0 content <a>;0 stop <>;usage 9 0 1;end;"},
    {"usage: one of the two", C, 1, 0, COUNTED("\"prompt_tokens\":9"), "0 content <a>;0 stop <>;usage 9 0 1;end;"},
    {"usage: junk behind what was good", C, 1, 0,
     COUNTED("\"prompt_tokens\":9,\"completion_tokens\":2}}\n\ndata: {\"usage\":{\"completion_tokens\":null"),
     "0 content <a>;0 stop <>;usage 9 0 2;end;"},

    /* what ends it */
    {"nothing at all", C, 1, WEFT_ERR_CLOSED, "", ""},
    {"cut in the middle of an event", C, 1, WEFT_ERR_CLOSED,
     LLAMA("{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"a\"}}") "data: {\"choices\":[{\"fin",
     "0 content <a>;"},
    {"told to be complete without an end", C, 1, WEFT_ERR_CLOSED,
     LLAMA("{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"a\"}}") DONE, "0 content <a>;"},
    {"one of two choices has no end", C, 2, WEFT_ERR_CLOSED,
     LLAMA("{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}") DONE, "0 stop <>;"},
    {"cut behind its end: it is whole, and only the usage is counted", C, 1, 0,
     LLAMA("{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"a\"}}")
         LLAMA("{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}") "data: {\"choi",
     "0 content <a>;0 stop <>;usage 0 0 1;end;"},
    {"the end twice, and something behind it", C, 1, 0,
     LLAMA("{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}")
         LLAMA("{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{\"content\":\"b\"}}") DONE "data: nonsense\n\n",
     "0 stop <>;usage 0 0 0;end;"},
    {"the rest is withheld", C, 1, 0, LLAMA("{\"finish_reason\":\"content_filter\",\"index\":0,\"delta\":{}}") DONE,
     "error 502 content_filter: The external server withholds the rest of this answer.;"},

    /* what cannot be understood */
    {"no JSON", C, 1, WEFT_ERR_INVALID, "data: hello\n\n", ""},
    {"no object", C, 1, WEFT_ERR_INVALID, "data: [1]\n\n", ""},
    {"no UTF-8", C, 1, WEFT_ERR_INVALID, LLAMA("{\"index\":0,\"delta\":{\"content\":\"\xff\"}}"), ""},
    {"a choice that nobody asked for", C, 1, WEFT_ERR_INVALID, LLAMA("{\"index\":1,\"delta\":{\"content\":\"a\"}}"),
     ""},
    {"a choice that cannot be", C, 1, WEFT_ERR_INVALID, LLAMA("{\"index\":-1,\"delta\":{\"content\":\"a\"}}"), ""},
    {"a text that is none", C, 1, WEFT_ERR_INVALID, LLAMA("{\"index\":0,\"delta\":{\"content\":[]}}"), ""},
    {"a call without a name", C, 1, WEFT_ERR_INVALID,
     LLAMA("{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"arguments\":\"{}\"}}]}}"),
     ""},
    {"a name that goes on behind the arguments", C, 1, WEFT_ERR_INVALID,
     CALL("\"id\":\"a\",\"function\":{\"name\":\"get_\",\"arguments\":\"{}\"}")
         CALL("\"function\":{\"name\":\"time\"}"),
     "0 call 0 a get_ <{}>;"},
    {"a name that does not end", C, 1, WEFT_ERR_TOO_LARGE,
     CALL("\"function\":{\"name\":\"" X64 X64 "x"
          "\"}") CALL("\"function\":{\"name\":\"" X64 X64 "\"}"),
     ""},
    {"arguments that are no text", C, 1, WEFT_ERR_INVALID,
     LLAMA("{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":{}}}]}}"),
     ""},
};

static void test_transcripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(transcripts); i++) {
        const struct transcript *transcript = &transcripts[i];
        for (size_t step = 1; step < 4096; step = step * 3 + 1) {
            int status = read_stream(transcript->shape, transcript->choices, transcript->stream, step);
            if (status != transcript->status || strcmp(heard.text, transcript->frames) != 0) {
                fail_msg("%s, in parts of %zu: %d and \"%s\", not %d and \"%s\"", transcript->name, step, status,
                         heard.text, transcript->status, transcript->frames);
            }
        }
    }
}

static void test_too_many_calls(void **state)
{
    (void)state;
    static char stream[(WEFT_OPENAI_CALLS_MAX + 1) * 100];
    size_t used = 0;
    for (int i = 0; i <= WEFT_OPENAI_CALLS_MAX; i++) {
        int size = snprintf(stream + used, sizeof(stream) - used,
                            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%d,\"function\":"
                            "{\"name\":\"f\"}}]}}]}\n\n",
                            i);
        assert_true(size > 0 && (size_t)size < sizeof(stream) - used);
        used += (size_t)size;
    }
    struct weft_external_reading *reading;
    struct weft_slice rest = weft_slice(stream, used);
    const struct weft_external_reading_options options = {.choices = 1, .frame = hear, .self = &heard};
    assert_int_equal(weft_external_reading_new(&reading, &options), 0);
    int status;
    do {
        heard = (struct heard){.used = 0};
        status = weft_external_reading_take(reading, &rest);
    } while (status > 0);
    assert_int_equal(status, WEFT_ERR_TOO_LARGE);
    assert_int_equal(heard.frames, 0);
    weft_external_reading_free(reading);
}

static void test_an_event_without_end(void **state)
{
    (void)state;
    static char many[64 * 1024];
    struct weft_external_reading *reading;
    const struct weft_external_reading_options options = {.choices = 1, .frame = hear, .self = &heard};
    memset(many, 'x', sizeof(many));
    memcpy(many, "data: ", 6);
    assert_int_equal(weft_external_reading_new(&reading, &options), 0);
    int status = 0;
    for (int i = 0; i < 32 && status == 0; i++) { /* twice what an event may have */
        struct weft_slice part = weft_slice(many, sizeof(many));
        status = weft_external_reading_take(reading, &part);
    }
    assert_int_equal(status, WEFT_ERR_TOO_LARGE);
    weft_external_reading_free(reading);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    const char *stream = transcripts[1].stream;
    bool failed = true;
    for (uint64_t countdown = 1; failed; countdown++) {
        int64_t live = weft_mem_live();
        struct weft_external_reading *reading;
        struct weft_slice rest = weft_slice_text(stream);
        const struct weft_external_reading_options options = {.choices = 1, .frame = hear, .self = &heard};
        heard = (struct heard){.used = 0};
        weft_mem_fail_at(countdown);
        int status = weft_external_reading_new(&reading, &options);
        if (status == 0) {
            while ((status = weft_external_reading_take(reading, &rest)) > 0) {
            }
        }
        failed = weft_mem_failed();
        weft_mem_fail_at(0);
        weft_external_reading_free(reading);
        assert_int_equal(status, failed ? WEFT_ERR_MEMORY : 0);
        assert_int_equal(weft_mem_live(), live);
    }
    assert_string_equal(heard.text, transcripts[1].frames);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        int says;
        const char *code, *message;
    } cases[] = {
        {400, "{\"error\":{\"code\":400,\"message\":\"bad\",\"type\":\"invalid_request_error\"}}", 400,
         "external_refused", "The external server says: bad"},
        {400,
         "{\"error\":{\"code\":400,\"message\":\"request (9000 tokens) "
         "exceeds\",\"type\":\"exceed_context_size_error\"}}",
         400, "context_overflow", "The external server says: request (9000 tokens) exceeds"},
        {400, "{\"object\":\"error\",\"message\":\"This model's maximum context length is 10 tokens.\",\"code\":400}",
         400, "context_overflow", "The external server says: This model's maximum context length is 10 tokens."},
        {400, "{\"error\":{\"message\":\"m\",\"code\":\"context_length_exceeded\"}}", 400, "context_overflow",
         "The external server says: m"},
        {422, "{\"detail\":\"no such field\"}", 400, "external_refused", "The external server says: no such field"},
        {422, "{\"detail\":[{\"loc\":[\"body\"]}]}", 400, "external_refused",
         "The external server refuses this request, and does not say why."},
        {404, "{\"error\":{\"message\":\"model 'x' not found\",\"type\":\"api_error\"}}", 404, "model_not_found",
         "The external server says: model 'x' not found"},
        {404, "<html>", 404, "model_not_found", "The external server has no such model any more."},
        {413, "", 413, "body_too_large", "The request is larger than the external server takes."},
        {429, "{\"error\":{\"message\":\"slow down\"}}", 503, "external_busy",
         "The external server takes no request at present. Try again shortly."},
        {503, "{\"error\":{\"message\":\"Loading model\",\"type\":\"unavailable_error\",\"code\":503}}", 503,
         "external_busy", "The external server takes no request at present. Try again shortly."},
        {501, "{}", 400, "external_refused", "The external server refuses this request, and does not say why."},
        {500, "{\"error\":\"boom\"}", 502, "external_failed", "The external server says: boom"},
        {308, "", 502, "external_moved",
         "The external server sends requests on to another address, where this node does not follow: prompts and keys "
         "go only where its owner has said. Whoever runs this node has to set `external` to that address."},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_native_problem problem;
        weft_external_refusal(cases[i].status, weft_slice_text(cases[i].body), &problem);
        assert_int_equal(problem.status, cases[i].says);
        assert_string_equal(problem.code, cases[i].code);
        assert_string_equal(problem.message, cases[i].message);
    }
}

/* Servers repeat the key, or a part of it, when they refuse it. */
static void test_a_key_is_not_repeated(void **state)
{
    (void)state;
    static const int statuses[] = {401, 403, 407};
    for (size_t i = 0; i < WEFT_COUNT(statuses); i++) {
        struct weft_native_problem problem;
        weft_external_refusal(
            statuses[i], WEFT_SLICE("{\"error\":{\"message\":\"Incorrect API key provided: sk-secret\"}}"), &problem);
        assert_int_equal(problem.status, 502);
        assert_string_equal(problem.code, "external_denied");
        assert_null(strstr(problem.message, "secret"));
    }
}

static void test_a_long_message_is_cut_at_a_character(void **state)
{
    (void)state;
    static char body[4096] = "{\"error\":\"";
    size_t used = strlen(body);
    while (used < 4000) {
        memcpy(body + used, "\xe2\x82\xac", 3);
        used += 3;
    }
    memcpy(body + used, "\"}", 3);
    struct weft_native_problem problem;
    weft_external_refusal(400, weft_slice_text(body), &problem);
    size_t size = strlen(problem.message);
    assert_in_range(size, WEFT_NATIVE_PROBLEM_MAX - 4, WEFT_NATIVE_PROBLEM_MAX - 1);
    assert_memory_equal(problem.message + size - 3, "\xe2\x82\xac", 3);
}

static int set_up(void **state)
{
    (void)state;
    weft_json_setup(1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transcripts),
        cmocka_unit_test(test_too_many_calls),
        cmocka_unit_test(test_an_event_without_end),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_key_is_not_repeated),
        cmocka_unit_test(test_a_long_message_is_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
