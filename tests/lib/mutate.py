"""tests/lib/mutate.py - Valid requests made wrong: seeded, so that a seed and a number replay any of them."""
from lib import frames

H1 = [
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"HEAD /health HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nConnection: close\r\n\r\n",
    b"GET /health?a=b%20c HTTP/1.0\r\n\r\n",
    b"OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
    b"Access-Control-Request-Method: POST\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 20\r\n\r\n{\"model\":\"m\",\"n\":1}\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n5\r\n{\"a\":\r\n7;ext=\"q\"\r\n[1,2,3]\r\n1\r\n}\r\n0\r\nx-sum: 1\r\n\r\n",
    b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    b"Content-Length: 2\r\n\r\n{}",
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\nCookie: a=b; c=d\r\nX-Long: " + b"y" * 900 + b"\r\n\r\n",
]

H2 = [frames.PREFACE + frames.settings() + rest for rest in (
    frames.request(1),
    frames.settings([(3, 100), (4, 65535)]) + frames.window_update(0, 100000) + frames.request(1) + frames.request(3),
    frames.request(1, "POST", "/v1/chat/completions", [("content-type", "application/json")], b"{\"model\":\"m\"}"),
    frames.frame(frames.PING, 0, 0, b"12345678") + frames.request(1) + frames.reset(1) + frames.request(3),
    frames.frame(frames.HEADERS, frames.END_STREAM, 1, frames.block([(":method", "GET"), (":scheme", "http")]))
    + frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1,
                   frames.block([(":path", "/health"), (":authority", "localhost"), ("x-long", "z" * 700)])),
    frames.frame(frames.HEADERS, frames.END_HEADERS, 1,
                 frames.block([(":method", "POST"), (":scheme", "http"), (":path", "/v1/x"),
                               (":authority", "localhost"), ("content-length", "4")]))
    + frames.frame(frames.DATA, frames.PADDED, 1, b"\x02ab\0\0") + frames.frame(frames.DATA, frames.END_STREAM, 1, b"cd"),
)]

TOKENS = [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"\xff", b"\x7f", b"\r\n\r\n", b"\n\n", b"\r\n ", b"\r\n\t",
          b"Content-Length: 5\r\n", b"Content-Length: 99999999999999999999\r\n", b"Content-Length: -1\r\n",
          b"Content-Length: +2\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked, identity\r\n",
          b"Transfer-Encoding : chunked\r\n", b"Host: other\r\n", b"Host : x\r\n", b"Upgrade: h2c\r\n",
          b"Expect: 200-maybe\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"/../../etc/passwd", b"%2e%2e%2f", b"%00",
          b"HTTP/1.1", b"HTTP/2.0", b"HTTP/9.9", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]


def flip(random, data):
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1:]


def overwrite(random, data):
    at = random.randrange(len(data))
    return data[:at] + random.randbytes(random.randint(1, 4)) + data[at + random.randint(0, 4):]


def delete(random, data):
    at = random.randrange(len(data))
    return data[:at] + data[at + random.randint(1, 16):]


def repeat(random, data):
    at = random.randrange(len(data))
    end = at + random.randint(1, 40)
    return data[:end] + data[at:end] * random.choice((1, 1, 2, 5, 150)) + data[end:]


def insert(random, data):
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(TOKENS) + data[at:]


def swell(random, data):
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice((b"a", b"\0", b"/", b"a: b\r\n", b"\xff")) * random.choice((300, 9000, 70000)) + data[at:]


def cut(random, data):
    return data[:random.randrange(1, len(data) + 1)]


def splice(random, data):
    other = random.choice(H1 + H2)
    return data[:random.randrange(len(data) + 1)] + other[random.randrange(len(other)):]


WAYS = [flip, overwrite, delete, repeat, insert, cut, splice] * 3 + [swell]


def mutate(random, seeds):
    data = random.choice(seeds)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        data = random.choice(WAYS)(random, data) or b"\0"
    return data
