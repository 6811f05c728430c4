/* bench/reader.c - many clients in one process: reads event streams and checks each event, or holds idle connections.
 *
 * bench_reader [--tls] [--streams N] [--open-rate PER_SECOND] [--seconds LIMIT] PORT PATH
 *
 * Every connection asks once for PATH. An answer in chunks is read as events of bench.h: each number must come exactly
 * once and in order. An answer with a length is read, and its connection stays open until stdin ends. Prints "steady"
 * when every connection has had its first event or its answer, and at the end one line of JSON. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_MAX_SIZE   4096
#define POLLED_MAX      256
#define OPENING_MAX     64   /* connections that wait for their answer at once, when no rate is given */
#define PER_ADDRESS_MAX 2000 /* connections from one source address 127.0.0.x */

enum phase { CONNECTING, SHAKING, HEAD, CHUNK_LINE, CHUNK_DATA, CHUNK_END, TRAILER, LENGTH, DONE, FAILED };

struct client {
    int fd;
    SSL *tls;
    enum phase phase;
    bool first_seen;
    uint64_t begun_ns, first_ns;
    char line[LINE_MAX_SIZE]; /* the head or a chunk's line, as far as it has come */
    size_t line_size;
    char event[BENCH_EVENT_SIZE + 1]; /* may span chunks: whoever is in the middle may cut and join them */
    size_t event_size;
    size_t left; /* of the chunk or the body */
    uint32_t sequence;
};

static struct {
    const char *path;
    uint16_t port;
    bool tls;
    size_t streams, open_rate, seconds;
    unsigned events; /* expected on each stream, by the path; 0 for idle connections */
} options = {.streams = 1, .seconds = 60};

static struct client *clients;
static uint32_t *delays_us;
static size_t opened, first_count, finished, failed, dropped, received, out_of_order, delays_room;
static int poller;
static SSL_CTX *context;

static void client_end(struct client *client, enum phase phase)
{
    if (client->phase == DONE || client->phase == FAILED) {
        return;
    }
    client->phase = phase;
    if (phase == FAILED) {
        failed++;
    } else {
        finished++;
    }
    if (phase == FAILED || options.events > 0) {
        SSL_free(client->tls);
        client->tls = NULL;
        close(client->fd);
    }
}

static void client_open(struct client *client)
{
    size_t index = (size_t)(client - clients);
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(index / PER_ADDRESS_MAX))};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (client->fd < 0 || setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0 ||
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(client->fd, (struct sockaddr *)&from, sizeof from) != 0) {
        bench_fail("socket");
    }
    client->begun_ns = bench_now_ns();
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = client};
    if ((connect(client->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) ||
        epoll_ctl(poller, EPOLL_CTL_ADD, client->fd, &event) != 0) {
        bench_fail("connect");
    }
    opened++;
}

static void client_first(struct client *client)
{
    if (!client->first_seen) {
        client->first_seen = true;
        client->first_ns = bench_now_ns() - client->begun_ns;
        first_count++;
        if (first_count == options.streams) {
            printf("steady\n");
            fflush(stdout);
        }
    }
}

static void client_event(struct client *client, uint64_t now)
{
    unsigned long sequence = strtoul(client->event + BENCH_EVENT_SEQUENCE, NULL, 10);
    uint64_t sent = strtoull(client->event + BENCH_EVENT_NS, NULL, 10);
    client_first(client);
    if (sequence != client->sequence || memcmp(client->event, "data: {\"seq\":", BENCH_EVENT_SEQUENCE) != 0) {
        out_of_order++;
    }
    client->sequence = (uint32_t)sequence + 1;
    if (received < delays_room) {
        delays_us[received] = (uint32_t)((now - sent) / 1000);
    }
    received++;
    client->event_size = 0;
}

/* Adds a byte of a line; true when it is whole, with `end` at its end cut off. */
static bool client_line(struct client *client, char byte, const char *end)
{
    if (client->line_size >= LINE_MAX_SIZE - 1) {
        client_end(client, FAILED);
        return false;
    }
    size_t size = strlen(end);
    client->line[client->line_size++] = byte;
    if (client->line_size < size || memcmp(client->line + client->line_size - size, end, size) != 0) {
        return false;
    }
    client->line[client->line_size - size] = '\0';
    client->line_size = 0;
    return true;
}

static void client_head(struct client *client)
{
    const char *length = strcasestr(client->line, "\r\ncontent-length:");
    if (strncmp(client->line, "HTTP/1.1 200 ", 13) != 0) {
        client_end(client, FAILED);
    } else if (length != NULL) {
        client->left = strtoul(length + 17, NULL, 10);
        client->phase = LENGTH;
    } else {
        client->phase = CHUNK_LINE;
    }
}

/* Takes body bytes and returns how many. The two kinds of body differ in who looks at them. */
static size_t client_body(struct client *client, const char *data, size_t size, uint64_t now)
{
    size_t take = size < client->left ? size : client->left;
    if (client->phase == CHUNK_DATA) {
        size_t missing = BENCH_EVENT_SIZE - client->event_size;
        take = take < missing ? take : missing;
        memcpy(client->event + client->event_size, data, take);
        client->event_size += take;
        if (client->event_size == BENCH_EVENT_SIZE) {
            client_event(client, now);
        }
    }
    client->left -= take;
    return take;
}

static void client_parse(struct client *client, const char *data, size_t size)
{
    uint64_t now = bench_now_ns();
    for (size_t at = 0; at < size && client->phase != DONE && client->phase != FAILED;) {
        switch (client->phase) {
        case HEAD:
            if (client_line(client, data[at++], "\r\n\r\n")) {
                client_head(client);
            }
            break;
        case CHUNK_LINE:
            if (client_line(client, data[at++], "\r\n")) {
                client->left = strtoul(client->line, NULL, 16);
                client->phase = client->left > 0 ? CHUNK_DATA : TRAILER;
            }
            break;
        case CHUNK_DATA:
        case LENGTH:
            at += client_body(client, data + at, size - at, now);
            break;
        case CHUNK_END:
            at++;
            if (--client->left == 0) {
                client->phase = CHUNK_LINE;
            }
            break;
        case TRAILER:
            if (client_line(client, data[at++], "\r\n")) {
                client_end(client, client->sequence == options.events ? DONE : FAILED);
            }
            break;
        default:
            break;
        }
        if (client->phase == CHUNK_DATA && client->left == 0) {
            client->phase = CHUNK_END;
            client->left = 2;
        } else if (client->phase == LENGTH && client->left == 0) {
            client_first(client);
            client_end(client, DONE);
        }
    }
}

static void client_receive(struct client *client)
{
    char data[16384];
    for (;;) {
        ssize_t got = options.tls ? SSL_read(client->tls, data, sizeof data) : recv(client->fd, data, sizeof data, 0);
        if (got > 0) {
            client_parse(client, data, (size_t)got);
            if (client->phase == FAILED || (client->phase == DONE && options.events > 0)) {
                return;
            }
            continue;
        }
        bool again =
            options.tls ? SSL_get_error(client->tls, (int)got) == SSL_ERROR_WANT_READ : got < 0 && errno == EAGAIN;
        if (!again && client->phase == DONE) {
            dropped++;
            (void)epoll_ctl(poller, EPOLL_CTL_DEL, client->fd, NULL); /* a closed one would be reported for ever */
        } else if (!again) {
            client_end(client, FAILED);
        }
        return;
    }
}

static void client_ask(struct client *client)
{
    char request[1024];
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n",
                        options.path, options.port);
    ssize_t sent =
        options.tls ? SSL_write(client->tls, request, size) : send(client->fd, request, (size_t)size, MSG_NOSIGNAL);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    client->phase = HEAD;
    if (sent != size || epoll_ctl(poller, EPOLL_CTL_MOD, client->fd, &event) != 0) {
        client_end(client, FAILED);
    }
}

static void client_serve(struct client *client)
{
    if (client->phase == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            client_end(client, FAILED);
            return;
        }
        client->phase = options.tls ? SHAKING : HEAD;
        if (!options.tls) {
            client_ask(client);
            return;
        }
        client->tls = SSL_new(context);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        if (client->tls == NULL || SSL_set_fd(client->tls, client->fd) != 1 ||
            epoll_ctl(poller, EPOLL_CTL_MOD, client->fd, &event) != 0) {
            bench_fail("tls");
        }
    }
    if (client->phase == SHAKING) {
        int done = SSL_connect(client->tls);
        if (done != 1) {
            if (SSL_get_error(client->tls, done) != SSL_ERROR_WANT_READ) {
                client_end(client, FAILED);
            }
            return;
        }
        client_ask(client);
    }
    if (client->phase != FAILED) {
        client_receive(client);
    }
}

static void open_some(uint64_t begun_ns)
{
    size_t may = options.open_rate > 0 ? 1 + (size_t)((bench_now_ns() - begun_ns) * options.open_rate / BENCH_SECOND_NS)
                                       : first_count + failed + OPENING_MAX;
    while (opened < options.streams && opened < may) {
        client_open(&clients[opened]);
    }
}

static void poll_some(void)
{
    struct epoll_event polled[POLLED_MAX];
    int count = epoll_wait(poller, polled, POLLED_MAX, opened < options.streams ? 1 : 100);
    for (int i = 0; i < count; i++) {
        client_serve(polled[i].data.ptr);
    }
}

static bool stdin_ended(void)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    char byte;
    return poll(&input, 1, 0) > 0 && read(0, &byte, 1) <= 0;
}

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static uint32_t quantile(uint32_t *values, size_t count, double part)
{
    qsort(values, count, sizeof *values, compare);
    return count > 0 ? values[(size_t)((double)(count - 1) * part)] : 0;
}

static void report(uint64_t begun_ns)
{
    size_t count = 0;
    uint32_t *firsts_us = calloc(options.streams, sizeof *firsts_us);
    if (firsts_us == NULL) {
        bench_fail("memory");
    }
    for (size_t i = 0; i < options.streams; i++) {
        if (clients[i].first_seen) {
            firsts_us[count++] = (uint32_t)(clients[i].first_ns / 1000);
        }
    }
    size_t expected = options.streams * options.events;
    printf("{\"streams\":%zu,\"finished\":%zu,\"failed\":%zu,\"dropped\":%zu,\"events\":%zu,\"lost\":%zd,"
           "\"out_of_order\":%zu,\"first_p50_us\":%u,\"first_p99_us\":%u,\"delay_p50_us\":%u,\"delay_p99_us\":%u,"
           "\"seconds\":%.3f}\n",
           options.streams, finished, failed, dropped, received, (ssize_t)expected - (ssize_t)received, out_of_order,
           quantile(firsts_us, count, 0.5), quantile(firsts_us, count, 0.99), quantile(delays_us, received, 0.5),
           quantile(delays_us, received, 0.99), (double)(bench_now_ns() - begun_ns) / 1e9);
    free(firsts_us);
}

static void parse_options(char **arguments)
{
    for (; *arguments != NULL && strncmp(*arguments, "--", 2) == 0; arguments++) {
        if (strcmp(*arguments, "--tls") == 0) {
            options.tls = true;
            continue;
        }
        size_t value = arguments[1] != NULL ? strtoul(arguments[1], NULL, 10) : 0;
        if (strcmp(*arguments, "--streams") == 0) {
            options.streams = value;
        } else if (strcmp(*arguments, "--open-rate") == 0) {
            options.open_rate = value;
        } else if (strcmp(*arguments, "--seconds") == 0) {
            options.seconds = value;
        } else {
            bench_fail(*arguments);
        }
        arguments++;
    }
    if (arguments[0] == NULL || arguments[1] == NULL) {
        bench_fail("usage: bench_reader [options] PORT PATH");
    }
    options.port = (uint16_t)strtoul(arguments[0], NULL, 10);
    options.path = arguments[1];
    const char *events = strstr(options.path, "events=");
    options.events = events != NULL ? (unsigned)strtoul(events + 7, NULL, 10) : 0;
}

int main(int count, char **arguments)
{
    (void)count;
    parse_options(arguments + 1);
    struct rlimit limit = {.rlim_cur = options.streams + 64, .rlim_max = options.streams + 64};
    struct rlimit had;
    if (getrlimit(RLIMIT_NOFILE, &had) == 0 && had.rlim_cur < limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        bench_fail("descriptor limit");
    }
    delays_room = options.streams * options.events;
    clients = calloc(options.streams, sizeof *clients);
    delays_us = calloc(delays_room + 1, sizeof *delays_us);
    poller = epoll_create1(0);
    context = SSL_CTX_new(TLS_client_method());
    if (clients == NULL || delays_us == NULL || poller < 0 || context == NULL) {
        bench_fail("start");
    }
    uint64_t begun_ns = bench_now_ns(), limit_ns = begun_ns + options.seconds * BENCH_SECOND_NS;
    while (finished + failed < options.streams && bench_now_ns() < limit_ns) {
        open_some(begun_ns);
        poll_some();
    }
    while (options.events == 0 && !stdin_ended()) {
        poll_some(); /* holding what is idle */
    }
    report(begun_ns);
    return finished == options.streams && dropped == 0 && out_of_order == 0 ? 0 : 1;
}
