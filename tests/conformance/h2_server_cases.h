/* tests/conformance/h2_server_cases.h - what an h2 server must make of what a client may send, right and wrong.
 *
 * Every case starts a connection, sends its steps and names one thing that must come back. Where that is an answer or
 * the reset of a stream, the connection must live: the test asks it for something else afterwards, and gets it. */
#ifndef WEFT_TESTS_CONFORMANCE_H2_SERVER_CASES_H
#define WEFT_TESTS_CONFORMANCE_H2_SERVER_CASES_H

#include "support/h2_frames.h"

struct h2_step {
    unsigned type, flags;
    uint32_t id;
    const char *bytes; /* payload; or lines of fields */
    size_t size;
    size_t repeat; /* the payload's bytes, so often over; 0 and 1: once */
    size_t times;  /* the whole frame; 0 and 1: once */
    bool raw;      /* no frame around it */
    bool fields;   /* `bytes` are lines, to be packed */
};

enum h2_outcome { ANSWERS, RESETS, GOES_AWAY, IGNORES };

struct h2_case {
    const char *name;
    struct h2_step steps[6];
    bool no_preface;
    enum h2_outcome outcome;
    int code;         /* status, or h2 error code, of the last stream that HEADERS were sent on */
    const char *word; /* of an error answer, for machines: the same as over h1; NULL: not looked at */
};

#define RAW(text)                                                                                                      \
    {                                                                                                                  \
        .raw = true, .bytes = "" text, .size = sizeof(text) - 1                                                        \
    }
#define FRAME(t, f, i, payload)                                                                                        \
    {                                                                                                                  \
        .type = (t), .flags = (f), .id = (i), .bytes = "" payload, .size = sizeof(payload) - 1                         \
    }
#define FLOOD(n, t, f, i, payload)                                                                                     \
    {                                                                                                                  \
        .type = (t), .flags = (f), .id = (i), .bytes = "" payload, .size = sizeof(payload) - 1, .times = (n)           \
    }
#define LONG(t, f, i, byte, n)                                                                                         \
    {                                                                                                                  \
        .type = (t), .flags = (f), .id = (i), .bytes = byte, .size = 1, .repeat = (n)                                  \
    }
#define HEAD(f, i, lines)                                                                                              \
    {                                                                                                                  \
        .type = NGHTTP2_HEADERS, .flags = (f), .id = (i), .bytes = "" lines, .size = sizeof(lines) - 1, .fields = true \
    }
#define DATA(f, i, payload) FRAME(NGHTTP2_DATA, f, i, payload)
#define WHOLE               (END_STREAM | END_HEADERS)
#define GET                 ":method=GET\n:scheme=http\n:path=/\n:authority=localhost\n"
#define POST                ":method=POST\n:scheme=http\n:path=/\n:authority=localhost\n"
/* The same as GET, packed by hand: static indices 2, 6, 4 and a literal :authority. */
#define GET_BLOCK "\x82\x86\x84\x01\x09localhost"

static const struct h2_case h2_server_cases[] = {
    /* requests as they should be */
    {"get", {HEAD(WHOLE, 1, GET)}, .code = 200},
    {"get, packed by index", {FRAME(NGHTTP2_HEADERS, WHOLE, 1, GET_BLOCK)}, .code = 200},
    {"get, in continuations",
     {FRAME(NGHTTP2_HEADERS, END_STREAM, 1, "\x82\x86"), FRAME(NGHTTP2_CONTINUATION, 0, 1, "\x84"),
      FRAME(NGHTTP2_CONTINUATION, END_HEADERS, 1, "\x01\x09localhost")},
     .code = 200},
    {"get, padded", {FRAME(NGHTTP2_HEADERS, WHOLE | PADDED, 1, "\x03" GET_BLOCK "\0\0\0")}, .code = 200},
    {"get, with a priority", {FRAME(NGHTTP2_HEADERS, WHOLE | WITH_PRIORITY, 1, "\0\0\0\0\x0f" GET_BLOCK)}, .code = 200},
    {"post, with a body", {HEAD(END_HEADERS, 1, POST), DATA(0, 1, "hello "), DATA(END_STREAM, 1, "you")}, .code = 200},
    {"post, with its length",
     {HEAD(END_HEADERS, 1, POST "content-length=3\n"), DATA(END_STREAM, 1, "you")},
     .code = 200},
    {"post, padded data", {HEAD(END_HEADERS, 1, POST), DATA(END_STREAM | PADDED, 1, "\x04you\0\0\0\0")}, .code = 200},
    {"post, with trailers", {HEAD(END_HEADERS, 1, POST), DATA(0, 1, "you"), HEAD(WHOLE, 1, "x-sum=42\n")}, .code = 200},
    {"post, empty data then the end",
     {HEAD(END_HEADERS, 1, POST), DATA(0, 1, ""), DATA(END_STREAM, 1, "")},
     .code = 200},
    {"options of everything",
     {HEAD(WHOLE, 1, ":method=OPTIONS\n:scheme=http\n:path=*\n:authority=localhost\n")},
     .code = 200},
    {"te: trailers", {HEAD(WHOLE, 1, GET "te=trailers\n")}, .code = 200},
    {"cookie crumbs", {HEAD(WHOLE, 1, GET "cookie=a=1\ncookie=b=2\n")}, .code = 200},
    {"a frame of a type nobody knows", {FRAME(0x42, 0xff, 1, "whatever"), HEAD(WHOLE, 1, GET)}, .code = 200},
    {"an unknown setting", {FRAME(NGHTTP2_SETTINGS, 0, 0, "\x99\x99\0\0\0\x01"), HEAD(WHOLE, 1, GET)}, .code = 200},
    {"the reserved bit of a stream id", {FRAME(NGHTTP2_HEADERS, WHOLE, 0x80000001, GET_BLOCK)}, .code = 200},

    /* hosts */
    {"host for :authority", {HEAD(WHOLE, 1, ":method=GET\n:scheme=http\n:path=/\nhost=localhost\n")}, .code = 200},
    {"host as :authority", {HEAD(WHOLE, 1, GET "host=LOCALHOST\n")}, .code = 200},
    {"host unlike :authority", {HEAD(WHOLE, 1, GET "host=elsewhere\n")}, .code = 400, .word = "\"bad_host\""},
    {"no host at all", {HEAD(WHOLE, 1, ":method=GET\n:scheme=http\n:path=/\n")}, .outcome = RESETS, .code = 1},
    {"two hosts", {HEAD(WHOLE, 1, GET "host=localhost\nhost=localhost\n")}, .outcome = RESETS, .code = 1},
    {"user information",
     {HEAD(WHOLE, 1, ":method=GET\n:scheme=http\n:path=/\n:authority=a@localhost\n")},
     .code = 400,
     .word = "\"bad_host\""},
    {"a port too high",
     {HEAD(WHOLE, 1, ":method=GET\n:scheme=http\n:path=/\n:authority=localhost:70000\n")},
     .code = 400},

    /* targets */
    {"a path that climbs",
     {HEAD(WHOLE, 1, ":method=GET\n:scheme=http\n:path=/a/../b\n:authority=localhost\n")},
     .code = 400},
    {"a path that climbs, encoded",
     {HEAD(WHOLE, 1, ":method=GET\n:scheme=http\n:path=/%2e%2e%2fb\n:authority=localhost\n")},
     .code = 400},
    {"a zero byte, encoded",
     {HEAD(WHOLE, 1, ":method=GET\n:scheme=http\n:path=/%00\n:authority=localhost\n")},
     .code = 400},
    {"a fragment", {HEAD(WHOLE, 1, ":method=GET\n:scheme=http\n:path=/a#b\n:authority=localhost\n")}, .code = 400},
    {"an absolute target",
     {HEAD(WHOLE, 1, ":method=GET\n:scheme=http\n:path=http://localhost/\n:authority=localhost\n")},
     .outcome = RESETS,
     .code = 1},
    {"an empty target",
     {HEAD(WHOLE, 1, ":method=GET\n:scheme=http\n:path=\n:authority=localhost\n")},
     .outcome = RESETS,
     .code = 1},
    {"get of everything",
     {HEAD(WHOLE, 1, ":method=GET\n:scheme=http\n:path=*\n:authority=localhost\n")},
     .outcome = RESETS,
     .code = 1},
    {"a tunnel",
     {HEAD(END_HEADERS, 1, ":method=CONNECT\n:authority=localhost:443\n")},
     .code = 501,
     .word = "\"unknown_method\""},
    {"an extended tunnel",
     {HEAD(END_HEADERS, 1, ":method=CONNECT\n:protocol=websocket\n:scheme=http\n:path=/\n:authority=localhost\n")},
     .outcome = RESETS,
     .code = 1},
    {"a scheme that is not HTTP's",
     {HEAD(WHOLE, 1, ":method=GET\n:scheme=ftp\n:path=/\n:authority=localhost\n")},
     .code = 400},

    /* fields */
    {"no :method", {HEAD(WHOLE, 1, ":scheme=http\n:path=/\n:authority=localhost\n")}, .outcome = RESETS, .code = 1},
    {"no :scheme", {HEAD(WHOLE, 1, ":method=GET\n:path=/\n:authority=localhost\n")}, .outcome = RESETS, .code = 1},
    {"no :path", {HEAD(WHOLE, 1, ":method=GET\n:scheme=http\n:authority=localhost\n")}, .outcome = RESETS, .code = 1},
    {"two :method", {HEAD(WHOLE, 1, GET ":method=GET\n")}, .outcome = RESETS, .code = 1},
    {"two :path", {HEAD(WHOLE, 1, GET ":path=/\n")}, .outcome = RESETS, .code = 1},
    {"an unknown pseudo field", {HEAD(WHOLE, 1, GET ":what=ever\n")}, .outcome = RESETS, .code = 1},
    {"an answer's pseudo field", {HEAD(WHOLE, 1, GET ":status=200\n")}, .outcome = RESETS, .code = 1},
    {"a pseudo field behind others",
     {HEAD(WHOLE, 1, ":method=GET\n:scheme=http\n:authority=localhost\nx-a=b\n:path=/\n")},
     .outcome = RESETS,
     .code = 1},
    {"an empty field block", {FRAME(NGHTTP2_HEADERS, WHOLE, 1, "")}, .outcome = RESETS, .code = 1},
    {"upper case in a name", {HEAD(WHOLE, 1, GET "X-A=b\n")}, .outcome = RESETS, .code = 1},
    {"a space in a name", {HEAD(WHOLE, 1, GET "x a=b\n")}, .code = 400, .word = "\"bad_header\""},
    {"a colon in a name", {HEAD(WHOLE, 1, GET "x:a=b\n")}, .code = 400},
    {"a name of no length", {HEAD(WHOLE, 1, GET "=b\n")}, .code = 400},
    {"a zero byte in a value", {HEAD(WHOLE, 1, GET "x-a=b\0c\n")}, .code = 400},
    {"a carriage return in a value", {HEAD(WHOLE, 1, GET "x-a=b\rc\n")}, .code = 400, .word = "\"bad_header\""},
    {"a line feed in a value",
     {FRAME(NGHTTP2_HEADERS, WHOLE, 1,
            GET_BLOCK "\0\x03x-a\x03"
                      "b\nc")},
     .code = 400},
    {"a value that begins with a space", {HEAD(WHOLE, 1, GET "x-a= b\n")}, .code = 400},
    {"connection", {HEAD(WHOLE, 1, GET "connection=close\n")}, .outcome = RESETS, .code = 1},
    {"keep-alive", {HEAD(WHOLE, 1, GET "keep-alive=5\n")}, .outcome = RESETS, .code = 1},
    {"proxy-connection", {HEAD(WHOLE, 1, GET "proxy-connection=close\n")}, .outcome = RESETS, .code = 1},
    {"transfer-encoding", {HEAD(WHOLE, 1, GET "transfer-encoding=chunked\n")}, .outcome = RESETS, .code = 1},
    {"upgrade", {HEAD(WHOLE, 1, GET "upgrade=websocket\n")}, .outcome = RESETS, .code = 1},
    {"te: gzip", {HEAD(WHOLE, 1, GET "te=gzip\n")}, .outcome = RESETS, .code = 1},
    {"an expectation nobody knows",
     {HEAD(END_HEADERS, 1, POST "expect=miracles\n")},
     .code = 417,
     .word = "\"unknown_expectation\""},
    {"trailers with credentials",
     {HEAD(END_HEADERS, 1, POST), DATA(0, 1, "you"), HEAD(WHOLE, 1, "x-sum=42\nauthorization=Bearer x\n")},
     .code = 400,
     .word = "\"bad_trailer\""},
    {"trailers with a cookie",
     {HEAD(END_HEADERS, 1, POST), DATA(0, 1, "you"), HEAD(WHOLE, 1, "x-sum=42\ncookie=a=1\n")},
     .code = 400,
     .word = "\"bad_trailer\""},
    {"trailers with a type",
     {HEAD(END_HEADERS, 1, POST), DATA(0, 1, "you"), HEAD(WHOLE, 1, "x-sum=42\ncontent-type=text/html\n")},
     .code = 400,
     .word = "\"bad_trailer\""},
    {"trailers with a host",
     {HEAD(END_HEADERS, 1, POST), DATA(0, 1, "you"), HEAD(WHOLE, 1, "x-sum=42\nhost=elsewhere\n")},
     .code = 400,
     .word = "\"bad_trailer\""},
    {"trailers with an announcement",
     {HEAD(END_HEADERS, 1, POST), DATA(0, 1, "you"), HEAD(WHOLE, 1, "x-sum=42\ntrailer=x-sum\n")},
     .code = 400,
     .word = "\"bad_trailer\""},
    {"trailers with a pseudo field",
     {HEAD(END_HEADERS, 1, POST), HEAD(WHOLE, 1, ":path=/\n")},
     .outcome = RESETS,
     .code = 1},
    {"trailers that end nothing",
     {HEAD(END_HEADERS, 1, POST), HEAD(END_HEADERS, 1, "x-sum=42\n")},
     .outcome = RESETS,
     .code = 1},

    /* lengths */
    {"a body shorter than its length",
     {HEAD(END_HEADERS, 1, POST "content-length=9\n"), DATA(END_STREAM, 1, "you")},
     .outcome = RESETS,
     .code = 1},
    {"a body longer than its length",
     {HEAD(END_HEADERS, 1, POST "content-length=2\n"), DATA(END_STREAM, 1, "you")},
     .outcome = RESETS,
     .code = 1},
    {"a length and no body", {HEAD(WHOLE, 1, POST "content-length=2\n")}, .outcome = RESETS, .code = 1},
    {"two lengths", {HEAD(END_HEADERS, 1, POST "content-length=3\ncontent-length=3\n")}, .outcome = RESETS, .code = 1},
    {"a length that is no number", {HEAD(END_HEADERS, 1, POST "content-length=+3\n")}, .outcome = RESETS, .code = 1},
    {"a length past all bounds",
     {HEAD(END_HEADERS, 1, POST "content-length=99999999999999999999\n")},
     .outcome = RESETS,
     .code = 1},
    {"a length over the limit", {HEAD(END_HEADERS, 1, POST "content-length=67108865\n")}, .code = 413},

    /* the start of a connection */
    {"HTTP/1.1",
     {RAW("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")},
     .no_preface = true,
     .outcome = GOES_AWAY,
     .code = 1},
    {"a preface gone wrong",
     {RAW("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX")},
     .no_preface = true,
     .outcome = GOES_AWAY,
     .code = 1},
    {"no SETTINGS first",
     {RAW(H2_MAGIC), FRAME(NGHTTP2_PING, 0, 0, "12345678")},
     .no_preface = true,
     .outcome = GOES_AWAY,
     .code = 1},
    {"an acknowledgement first",
     {RAW(H2_MAGIC), FRAME(NGHTTP2_SETTINGS, ACK, 0, "")},
     .no_preface = true,
     .outcome = GOES_AWAY,
     .code = 1},

    /* streams */
    {"headers on stream 0", {FRAME(NGHTTP2_HEADERS, WHOLE, 0, GET_BLOCK)}, .outcome = GOES_AWAY, .code = 1},
    {"data on stream 0", {DATA(0, 0, "you")}, .outcome = GOES_AWAY, .code = 1},
    {"data on an idle stream", {DATA(END_STREAM, 1, "you")}, .outcome = GOES_AWAY, .code = 1},
    {"headers on a stream of the server's", {HEAD(WHOLE, 2, GET)}, .outcome = GOES_AWAY, .code = 1},
    {"headers on a lower stream than before", {HEAD(WHOLE, 5, GET), HEAD(WHOLE, 3, GET)}, .outcome = IGNORES},
    {"data after the end",
     {HEAD(WHOLE, 1, GET), DATA(0, 1, "you")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_STREAM_CLOSED},
    {"headers after the end",
     {HEAD(WHOLE, 1, GET), HEAD(WHOLE, 1, "x-sum=42\n")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_STREAM_CLOSED},
    {"a push from a client",
     {HEAD(END_HEADERS, 1, POST), FRAME(NGHTTP2_PUSH_PROMISE, END_HEADERS, 1, "\0\0\0\x02" GET_BLOCK)},
     .outcome = GOES_AWAY,
     .code = 1},
    {"a reset of stream 0", {FRAME(NGHTTP2_RST_STREAM, 0, 0, "\0\0\0\x08")}, .outcome = GOES_AWAY, .code = 1},
    {"a reset of an idle stream", {FRAME(NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\x08")}, .outcome = GOES_AWAY, .code = 1},
    {"a reset of 3 bytes",
     {HEAD(END_HEADERS, 1, POST), FRAME(NGHTTP2_RST_STREAM, 0, 1, "\0\0\x08")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_FRAME_SIZE_ERROR},

    /* frames */
    {"a frame over 16 KiB",
     {HEAD(END_HEADERS, 1, POST), LONG(NGHTTP2_DATA, 0, 1, "x", 16385)},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_FRAME_SIZE_ERROR},
    {"data that is more padding than frame",
     {HEAD(END_HEADERS, 1, POST), DATA(PADDED, 1, "\x04you")},
     .outcome = GOES_AWAY,
     .code = 1},
    {"padding without its length", {HEAD(END_HEADERS, 1, POST), DATA(PADDED, 1, "")}, .outcome = GOES_AWAY, .code = 1},
    {"headers that are more padding than frame",
     {FRAME(NGHTTP2_HEADERS, WHOLE | PADDED, 1, "\x40" GET_BLOCK)},
     .outcome = GOES_AWAY,
     .code = 1},
    {"a continuation of nothing",
     {FRAME(NGHTTP2_CONTINUATION, END_HEADERS, 1, GET_BLOCK)},
     .outcome = GOES_AWAY,
     .code = 1},
    {"a ping inside a field block",
     {FRAME(NGHTTP2_HEADERS, END_STREAM, 1, GET_BLOCK), FRAME(NGHTTP2_PING, 0, 0, "12345678")},
     .outcome = GOES_AWAY,
     .code = 1},
    {"a continuation of another stream",
     {FRAME(NGHTTP2_HEADERS, END_STREAM, 1, "\x82"), FRAME(NGHTTP2_CONTINUATION, END_HEADERS, 3, "\x86")},
     .outcome = GOES_AWAY,
     .code = 1},
    {"a ping of 7 bytes",
     {FRAME(NGHTTP2_PING, 0, 0, "1234567")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_FRAME_SIZE_ERROR},
    {"a ping on a stream", {FRAME(NGHTTP2_PING, 0, 1, "12345678")}, .outcome = GOES_AWAY, .code = 1},
    {"a goaway on a stream", {FRAME(NGHTTP2_GOAWAY, 0, 1, "\0\0\0\0\0\0\0\0")}, .outcome = GOES_AWAY, .code = 1},
    {"a goaway of 7 bytes",
     {FRAME(NGHTTP2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_FRAME_SIZE_ERROR},
    {"a priority of 4 bytes",
     {FRAME(NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_FRAME_SIZE_ERROR},
    {"a priority of stream 0", {FRAME(NGHTTP2_PRIORITY, 0, 0, "\0\0\0\x03\x10")}, .outcome = GOES_AWAY, .code = 1},

    /* settings */
    {"settings on a stream", {FRAME(NGHTTP2_SETTINGS, 0, 1, "")}, .outcome = GOES_AWAY, .code = 1},
    {"settings of 5 bytes",
     {FRAME(NGHTTP2_SETTINGS, 0, 0, "\0\x04\0\0\x01")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_FRAME_SIZE_ERROR},
    {"an acknowledgement with settings",
     {FRAME(NGHTTP2_SETTINGS, ACK, 0, "\0\x04\0\0\0\x01")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_FRAME_SIZE_ERROR},
    {"push, half enabled", {FRAME(NGHTTP2_SETTINGS, 0, 0, "\0\x02\0\0\0\x02")}, .outcome = GOES_AWAY, .code = 1},
    {"a first window too large",
     {FRAME(NGHTTP2_SETTINGS, 0, 0, "\0\x04\x80\0\0\0")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_FLOW_CONTROL_ERROR},
    {"frames too small", {FRAME(NGHTTP2_SETTINGS, 0, 0, "\0\x05\0\0\0\x01")}, .outcome = GOES_AWAY, .code = 1},
    {"frames too large", {FRAME(NGHTTP2_SETTINGS, 0, 0, "\0\x05\xff\0\0\0")}, .outcome = GOES_AWAY, .code = 1},

    /* windows */
    {"a window raised by nothing", {FRAME(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\0")}, .outcome = GOES_AWAY, .code = 1},
    {"a stream's window raised by nothing",
     {HEAD(END_HEADERS, 1, POST), FRAME(NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\0")},
     .outcome = GOES_AWAY,
     .code = 1},
    {"a window update of 3 bytes",
     {FRAME(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\x01")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_FRAME_SIZE_ERROR},
    {"a window raised too high",
     {FRAME(NGHTTP2_WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_FLOW_CONTROL_ERROR},
    {"a stream's window raised too high",
     {HEAD(END_HEADERS, 1, POST), FRAME(NGHTTP2_WINDOW_UPDATE, 0, 1, "\x7f\xff\xff\xff")},
     .outcome = RESETS,
     .code = NGHTTP2_FLOW_CONTROL_ERROR},
    {"the window of an idle stream raised",
     {FRAME(NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\x01")},
     .outcome = GOES_AWAY,
     .code = 1},

    /* packing */
    {"index 0", {FRAME(NGHTTP2_HEADERS, WHOLE, 1, "\x80")}, .outcome = GOES_AWAY, .code = NGHTTP2_COMPRESSION_ERROR},
    {"an index past the table",
     {FRAME(NGHTTP2_HEADERS, WHOLE, 1, "\xff\x7f")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_COMPRESSION_ERROR},
    {"a field cut short",
     {FRAME(NGHTTP2_HEADERS, WHOLE, 1, "\x82\x86\x84\x01\x7flocal")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_COMPRESSION_ERROR},
    {"a table larger than allowed",
     {FRAME(NGHTTP2_HEADERS, WHOLE, 1, "\x3f\xe2\x1f" GET_BLOCK)},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_COMPRESSION_ERROR},
    {"a table resized behind a field",
     {FRAME(NGHTTP2_HEADERS, WHOLE, 1, GET_BLOCK "\x20")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_COMPRESSION_ERROR},
    {"the end of a Huffman code inside it",
     {FRAME(NGHTTP2_HEADERS, WHOLE, 1, "\x82\x86\x84\x01\x84\xff\xff\xff\xff")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_COMPRESSION_ERROR},

    /* floods */
    {"a flood of pings",
     {FLOOD(100, NGHTTP2_PING, 0, 0, "12345678")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_ENHANCE_YOUR_CALM},
    {"a flood of settings",
     {FLOOD(100, NGHTTP2_SETTINGS, 0, 0, "")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_ENHANCE_YOUR_CALM},
    {"a flood of ping answers",
     {FLOOD(1100, NGHTTP2_PING, ACK, 0, "12345678")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_ENHANCE_YOUR_CALM},
    {"a flood of priorities",
     {FLOOD(1100, NGHTTP2_PRIORITY, 0, 1, "\0\0\0\x03\x10")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_ENHANCE_YOUR_CALM},
    {"a flood of window updates",
     {FLOOD(1100, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\x01")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_ENHANCE_YOUR_CALM},
    {"a flood of unknown frames",
     {FLOOD(1100, 0x42, 0, 0, "whatever")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_ENHANCE_YOUR_CALM},
    {"a flood of empty data",
     {HEAD(END_HEADERS, 1, POST), FLOOD(1100, NGHTTP2_DATA, 0, 1, "")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_ENHANCE_YOUR_CALM},
    {"a flood of padding",
     {HEAD(END_HEADERS, 1, POST), FLOOD(1100, NGHTTP2_DATA, PADDED, 1, "\x02\0\0")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_ENHANCE_YOUR_CALM},
    {"a flood of continuations",
     {FRAME(NGHTTP2_HEADERS, END_STREAM, 1, "\x82"), FLOOD(100, NGHTTP2_CONTINUATION, 0, 1, "")},
     .outcome = GOES_AWAY,
     .code = NGHTTP2_ENHANCE_YOUR_CALM},
};

#endif
