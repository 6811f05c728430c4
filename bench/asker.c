/* bench/asker.c - clients of a chat API: asks for streams at once, and says when their tokens came.
 *
 * bench_asker --port PORT --model NAME [--streams N] [--tokens N] [--words N] [--seed N]
 *             [--temperature T]
 *
 * Each stream asks once for `tokens` tokens (the end token is ignored) after a prompt of its own of about `words`
 * words. An event with a text counts as a token's arrival. Prints one line of JSON: tokens as the server's own usage
 * counts them, seconds from the first request to the last byte, each stream's time to its first token and the longest
 * gap of each between two events. */
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAMS_MAX 64
#define LINE_ROOM   65536
#define BODY_ROOM   65536

enum phase { HEAD, CHUNK_LINE, CHUNK_DATA, CHUNK_END, DONE };

struct stream {
    int fd;
    enum phase phase;
    char line[LINE_ROOM]; /* of the head, of a chunk's length */
    size_t line_size;
    char event[LINE_ROOM]; /* one line of the body */
    size_t event_size;
    size_t left; /* of the chunk */
    uint64_t asked_ns, first_ns, last_ns, gap_ns;
    unsigned events;
    unsigned long tokens, read; /* from usage: sampled, and of the prompt what was not cached */
};

static struct {
    const char *model, *temperature; /* as it is to stand in the request */
    unsigned long port, streams, tokens, words, seed;
} options = {.temperature = "0.8", .streams = 1, .tokens = 128, .words = 60, .seed = 1};

static struct stream streams[STREAMS_MAX];

static void fail(const char *what)
{
    (void)fprintf(stderr, "bench_asker: %s\n", what);
    exit(1);
}

/* -- asking -- */

/* Words that differ from stream to stream from the first on, so that no server can reuse one stream's work for
 * another's. */
static size_t print_prompt(char *out, size_t room, unsigned long stream)
{
    static const char *const words[] = {"river", "stone", "window", "garden", "winter", "letter", "bridge", "music"};
    uint64_t state = (options.seed * 1000 + stream) * UINT64_C(0x9E3779B97F4A7C15) + 1;
    size_t used = 0;
    for (unsigned long i = 0; i < options.words; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        used += (size_t)snprintf(out + used, room - used, "%s ", words[state >> 61]);
    }
    return used + (size_t)snprintf(out + used, room - used, "- write a long story with these words.");
}

static void ask(struct stream *stream, unsigned long index)
{
    static char prompt[BODY_ROOM / 2], body[BODY_ROOM], request[BODY_ROOM + 512];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stream->fd < 0 || connect(stream->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        bench_fail("connect");
    }
    (void)setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only makes the figures worse */
    (void)print_prompt(prompt, sizeof(prompt), index);
    int size = snprintf(body, sizeof(body),
                        "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}],\"max_tokens\":%lu,"
                        "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"ignore_eos\":true,"
                        "\"temperature\":%s,\"top_k\":40,\"top_p\":0.95,\"min_p\":0.05,\"seed\":%lu}",
                        options.model, prompt, options.tokens, options.temperature, options.seed + index);
    int whole = snprintf(request, sizeof(request),
                         "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                         "Content-Length: %d\r\n\r\n%s",
                         size, body);
    stream->asked_ns = bench_now_ns();
    if (size >= (int)sizeof(body) || write(stream->fd, request, (size_t)whole) != whole) {
        fail("the request could not be sent in one piece");
    }
}

/* -- reading -- */

static void end_event(struct stream *stream, uint64_t now)
{
    stream->event[stream->event_size] = '\0';
    const char *usage = strstr(stream->event, "\"completion_tokens\":");
    const char *text = strstr(stream->event, "\"content\":\"");
    if (strncmp(stream->event, "data: {\"error\"", 14) == 0) {
        fail("the server sent an error");
    }
    if (text && text[11] != '"') {
        if (stream->events++ == 0) {
            stream->first_ns = now;
        } else if (now - stream->last_ns > stream->gap_ns) {
            stream->gap_ns = now - stream->last_ns;
        }
        stream->last_ns = now;
    }
    if (usage) {
        stream->tokens = strtoul(usage + 20, NULL, 10);
        const char *prompt = strstr(stream->event, "\"prompt_tokens\":");
        const char *cached = strstr(stream->event, "\"cached_tokens\":");
        stream->read = (prompt ? strtoul(prompt + 16, NULL, 10) : 0) - (cached ? strtoul(cached + 16, NULL, 10) : 0);
    }
    stream->event_size = 0;
}

static void take_body(struct stream *stream, const char *data, size_t size, uint64_t now)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n') {
            end_event(stream, now);
        } else if (stream->event_size + 1 < LINE_ROOM) {
            stream->event[stream->event_size++] = data[i];
        }
    }
}

/* A line of the head, or a chunk's length. */
static void end_line(struct stream *stream)
{
    stream->line[stream->line_size] = '\0';
    if (stream->phase == HEAD) {
        if (strncmp(stream->line, "HTTP/", 5) == 0 && strncmp(stream->line + 8, " 200", 4) != 0) {
            fail(stream->line);
        }
        stream->phase = stream->line[0] == '\r' ? CHUNK_LINE : HEAD;
    } else if (stream->phase == CHUNK_LINE) {
        stream->left = strtoul(stream->line, NULL, 16);
        stream->phase = stream->left == 0 ? DONE : CHUNK_DATA;
    } else {
        stream->phase = CHUNK_LINE; /* what ends a chunk */
    }
    stream->line_size = 0;
}

static void take(struct stream *stream, const char *data, size_t size, uint64_t now)
{
    while (size > 0 && stream->phase != DONE) {
        size_t used = 1;
        if (stream->phase == CHUNK_DATA) {
            used = size < stream->left ? size : stream->left;
            take_body(stream, data, used, now);
            stream->left -= used;
            stream->phase = stream->left == 0 ? CHUNK_END : CHUNK_DATA;
        } else if (*data == '\n') {
            end_line(stream);
        } else if (stream->line_size + 1 < LINE_ROOM) {
            stream->line[stream->line_size++] = *data;
        }
        data += used;
        size -= used;
    }
}

static void read_all(void)
{
    static char data[LINE_ROOM];
    for (size_t left = options.streams; left > 0;) {
        struct pollfd polled[STREAMS_MAX];
        for (size_t i = 0; i < options.streams; i++) {
            polled[i] = (struct pollfd){.fd = streams[i].phase == DONE ? -1 : streams[i].fd, .events = POLLIN};
        }
        if (poll(polled, options.streams, 120000) <= 0) {
            fail("two minutes without a byte");
        }
        for (size_t i = 0; i < options.streams; i++) {
            if (!polled[i].revents) {
                continue;
            }
            ssize_t size = read(streams[i].fd, data, sizeof(data));
            if (size <= 0) {
                fail("a stream was cut");
            }
            take(&streams[i], data, (size_t)size, bench_now_ns());
            left -= streams[i].phase == DONE ? 1 : 0;
        }
    }
}

/* -- */

static void parse(int argc, char **argv)
{
    static const struct {
        const char *name;
        unsigned long *value;
    } numbers[] = {{"--port", &options.port},
                   {"--streams", &options.streams},
                   {"--tokens", &options.tokens},
                   {"--words", &options.words},
                   {"--seed", &options.seed}};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--model") == 0) {
            options.model = argv[i + 1];
        } else if (strcmp(argv[i], "--temperature") == 0) {
            options.temperature = argv[i + 1];
        }
        for (size_t n = 0; n < sizeof(numbers) / sizeof(numbers[0]); n++) {
            if (strcmp(argv[i], numbers[n].name) == 0) {
                *numbers[n].value = strtoul(argv[i + 1], NULL, 10);
            }
        }
    }
    if (!options.model || options.port == 0 || options.streams == 0 || options.streams > STREAMS_MAX ||
        options.words > 2000) {
        fail("usage: bench_asker --port PORT --model NAME [--streams N] [--tokens N] [--words N] [--seed N] "
             "[--temperature T]");
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    uint64_t begun_ns = bench_now_ns();
    for (unsigned long i = 0; i < options.streams; i++) {
        ask(&streams[i], i);
    }
    read_all();
    double seconds = (double)(bench_now_ns() - begun_ns) / (double)BENCH_SECOND_NS;
    unsigned long tokens = 0, read = 0;
    (void)printf("{\"ttft_ms\":[");
    for (size_t i = 0; i < options.streams; i++) {
        tokens += streams[i].tokens;
        read += streams[i].read;
        (void)printf("%s%.3f", i == 0 ? "" : ",", (double)(streams[i].first_ns - streams[i].asked_ns) / 1e6);
    }
    (void)printf("],\"gap_ms\":[");
    for (size_t i = 0; i < options.streams; i++) {
        (void)printf("%s%.3f", i == 0 ? "" : ",", (double)streams[i].gap_ns / 1e6);
        (void)close(streams[i].fd);
    }
    (void)printf("],\"tokens\":%lu,\"read\":%lu,\"seconds\":%.6f}\n", tokens, read, seconds);
    return 0;
}
