/* bench/upstream.c - a synthetic server to relay to: GET or POST /v1/stream?events=N&rate=R.
 *
 * Each stream gets its first event at once and then R a second, each in a chunk of its own, at moments spread over the
 * period so that streams do not beat together. An event tells its number and when it was sent. Any other path gets
 * "ok". Listens on 127.0.0.1, prints its port, runs until it is told to end. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAMS_MAX 16384
#define HEAD_MAX    8192
#define OUTPUT_MAX  1024
#define POLLED_MAX  256

struct stream {
    int fd;
    char head[HEAD_MAX];
    size_t head_size;
    size_t body_left; /* of the request, to be dropped */
    char output[OUTPUT_MAX];
    size_t output_size; /* what the socket did not take yet: no event is made meanwhile */
    uint32_t sequence, events;
    uint64_t period_ns, due_ns;
    size_t place; /* in the heap, from 1; 0 when not waiting */
};

static int poller;
static struct stream *heap[STREAMS_MAX + 1]; /* heap[1..waiting], the next one due first */
static size_t waiting;

static void heap_put(struct stream *stream, size_t place)
{
    heap[place] = stream;
    stream->place = place;
}

static void heap_settle(struct stream *stream, size_t place)
{
    while (place > 1 && heap[place / 2]->due_ns > stream->due_ns) {
        heap_put(heap[place / 2], place);
        place /= 2;
    }
    for (;;) {
        size_t child = place * 2;
        if (child < waiting && heap[child + 1]->due_ns < heap[child]->due_ns) {
            child++;
        }
        if (child > waiting || heap[child]->due_ns >= stream->due_ns) {
            break;
        }
        heap_put(heap[child], place);
        place = child;
    }
    heap_put(stream, place);
}

static void heap_remove(struct stream *stream)
{
    if (stream->place != 0) {
        size_t place = stream->place;
        struct stream *last = heap[waiting--];
        stream->place = 0;
        if (last != stream) {
            heap_settle(last, place);
        }
    }
}

static void watch(struct stream *stream, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = stream};
    if (epoll_ctl(poller, operation, stream->fd, &event) != 0) {
        bench_fail("epoll_ctl");
    }
}

static void stream_free(struct stream *stream)
{
    heap_remove(stream);
    close(stream->fd);
    free(stream);
}

/* False when the peer is gone. */
static bool flush(struct stream *stream)
{
    ssize_t sent = send(stream->fd, stream->output, stream->output_size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        return false;
    }
    bool was_whole = sent == (ssize_t)stream->output_size;
    if (!was_whole) {
        size_t gone = sent > 0 ? (size_t)sent : 0;
        memmove(stream->output, stream->output + gone, stream->output_size - gone);
        stream->output_size -= gone;
        heap_remove(stream);
        watch(stream, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
        return true;
    }
    stream->output_size = 0;
    if (stream->sequence < stream->events) {
        if (stream->place == 0) {
            heap_settle(stream, ++waiting);
        }
    } else {
        heap_remove(stream);
    }
    return true;
}

static void append(struct stream *stream, const char *text, size_t size)
{
    memcpy(stream->output + stream->output_size, text, size); /* a head or one event: far under OUTPUT_MAX */
    stream->output_size += size;
}

static void append_event(struct stream *stream)
{
    char event[BENCH_EVENT_SIZE + 1];
    int head = snprintf(event, sizeof event, BENCH_EVENT_FORMAT, stream->sequence, (unsigned long long)bench_now_ns());
    memset(event + head, 'x', BENCH_EVENT_SIZE - (size_t)head);
    memcpy(event + BENCH_EVENT_SIZE - 4, "\"}\n\n", 4);
    append(stream, "c8\r\n", 4); /* BENCH_EVENT_SIZE */
    append(stream, event, BENCH_EVENT_SIZE);
    append(stream, "\r\n", 2);
    stream->sequence++;
    if (stream->sequence == stream->events) {
        append(stream, "0\r\n\r\n", 5);
    }
}

/* Sends what is due. The streams' own times are kept, whenever this comes to run. */
static void send_due(void)
{
    while (waiting > 0 && heap[1]->due_ns <= bench_now_ns()) {
        struct stream *stream = heap[1];
        append_event(stream);
        stream->due_ns += stream->period_ns;
        heap_settle(stream, 1);
        if (!flush(stream)) {
            stream_free(stream);
        }
    }
}

static unsigned long query(const char *head, const char *name, unsigned long otherwise)
{
    const char *at = strstr(head, name);
    return at != NULL ? strtoul(at + strlen(name), NULL, 10) : otherwise;
}

static uint64_t first_due(uint64_t period_ns, bool in_steps)
{
    static double phase;
    uint64_t now = bench_now_ns();
    if (in_steps) {
        return (now / period_ns + 1) * period_ns;
    }
    phase += 0.6180339887; /* by the golden ratio's inverse: evenly spread, however many there are */
    phase -= (double)(uint64_t)phase;
    return now + (uint64_t)((double)period_ns * (0.5 + phase));
}

static bool answer(struct stream *stream)
{
    if (strstr(stream->head, " /v1/stream?") == NULL) {
        static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";
        stream->sequence = stream->events = 0;
        append(stream, ok, sizeof ok - 1);
        return flush(stream);
    }
    static const char begin[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    unsigned long rate = query(stream->head, "rate=", 1);
    stream->events = (uint32_t)query(stream->head, "events=", 1);
    stream->sequence = 0;
    stream->period_ns = BENCH_SECOND_NS / (rate > 0 ? rate : 1);
    stream->due_ns = first_due(stream->period_ns, query(stream->head, "steps=", 0) != 0);
    append(stream, begin, sizeof begin - 1);
    append_event(stream);
    return flush(stream);
}

/* Takes complete requests out of the head buffer. False when the stream must go. */
static bool parse(struct stream *stream)
{
    for (;;) {
        size_t drop = stream->body_left < stream->head_size ? stream->body_left : stream->head_size;
        stream->body_left -= drop;
        stream->head_size -= drop;
        memmove(stream->head, stream->head + drop, stream->head_size);
        stream->head[stream->head_size] = '\0';
        char *end = strstr(stream->head, "\r\n\r\n");
        if (end == NULL) {
            return stream->head_size < HEAD_MAX - 1;
        }
        end[2] = '\0';
        size_t head = (size_t)(end - stream->head) + 4;
        char *length = strcasestr(stream->head, "\r\ncontent-length:");
        stream->body_left = head + (length != NULL ? strtoul(length + 17, NULL, 10) : 0);
        if (!answer(stream)) {
            return false;
        }
    }
}

static bool receive(struct stream *stream)
{
    ssize_t got = recv(stream->fd, stream->head + stream->head_size, HEAD_MAX - 1 - stream->head_size, 0);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    stream->head_size += (size_t)got;
    return parse(stream);
}

static void serve(struct stream *stream, uint32_t events)
{
    bool stays = true;
    if ((events & EPOLLOUT) != 0) {
        watch(stream, EPOLL_CTL_MOD, EPOLLIN);
        stays = flush(stream);
    }
    if (stays && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        stays = receive(stream);
    }
    if (!stays) {
        stream_free(stream);
    }
}

static void accept_all(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct stream *stream = calloc(1, sizeof *stream);
        int on = 1;
        if (stream == NULL || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
            bench_fail("accept");
        }
        stream->fd = fd;
        watch(stream, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        bench_fail("listen");
    }
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(void)
{
    poller = epoll_create1(0);
    int listener = listen_anywhere();
    struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = NULL};
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &accepting) != 0) {
        bench_fail("epoll");
    }
    for (;;) {
        struct epoll_event polled[POLLED_MAX];
        struct timespec wait = {.tv_sec = 3600};
        if (waiting > 0) {
            uint64_t now = bench_now_ns();
            uint64_t left = heap[1]->due_ns > now ? heap[1]->due_ns - now : 0;
            wait = (struct timespec){.tv_sec = (time_t)(left / BENCH_SECOND_NS),
                                     .tv_nsec = (long)(left % BENCH_SECOND_NS)};
        }
        int count = epoll_pwait2(poller, polled, POLLED_MAX, &wait, NULL);
        for (int i = 0; i < count; i++) {
            if (polled[i].data.ptr == NULL) {
                accept_all(listener);
            } else {
                serve(polled[i].data.ptr, polled[i].events);
            }
        }
        send_due();
    }
}
