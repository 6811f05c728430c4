"""tests/malformed/floods_test.py - h2 floods over TCP: frames that bring nothing are answered by GOAWAY or an end, and nobody else notices."""
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import frames  # noqa: E402
from lib.probe import SMALL_QUARANTINE, get_status, memory_kib  # noqa: E402
from lib.strict import StrictUpstream  # noqa: E402
from lib.weft import Weft  # noqa: E402

FLOOD_FRAMES = 20000
BATCH = 200
END_MAX_S = 10
FLOODERS = 8
FLOODER_MAX_KIB = 1024
OTHERS_MAX_S = 3  # a request of somebody else's during the flood
ENHANCE_YOUR_CALM = 0xB
PROTOCOL_ERROR = 0x1


def resets(number):
    return frames.request(2 * number + 1) + frames.reset(2 * number + 1)


def opened(stream):
    """A request whose body is still to come."""
    return frames.frame(frames.HEADERS, frames.END_HEADERS, stream, frames.block(
        [(":method", "POST"), (":scheme", "http"), (":path", "/v1/x"), (":authority", "localhost"),
         ("content-type", "application/json")]))


def broken(number):
    """A stream that the server must reset itself: a window update of nothing (RFC 9113, 6.9)."""
    return opened(2 * number + 1) + frames.window_update(2 * number + 1, 0)


def empty_data(number):
    return (opened(1) if number == 0 else b"") + frames.frame(frames.DATA, 0, 1)


def continuations(number):
    if number == 0:
        return frames.frame(frames.HEADERS, 0, 1, frames.block([(":method", "GET")]))
    return frames.frame(frames.CONTINUATION, 0, 1, frames.block([("x-%d" % number, "y")]))


def empty_continuations(number):
    return frames.frame(frames.CONTINUATION if number else frames.HEADERS, 0, 1)


FLOODS = {
    "resets": resets,
    "broken streams": broken,
    "settings": lambda number: frames.settings([(4, 65535 + number)]),
    "pings": lambda number: frames.frame(frames.PING, 0, 0, b"01234567"),
    "ping answers": lambda number: frames.frame(frames.PING, frames.ACK, 0, b"01234567"),
    "priorities": lambda number: frames.frame(frames.PRIORITY, 0, 2 * number + 1, b"\0\0\0\0\x10"),
    "unknown frames": lambda number: frames.frame(0x77, 0, 0),
    "empty data": empty_data,
    "continuations": continuations,
    "empty continuations": empty_continuations,
}


def flood(port, make, reads=True):
    """Sends until the server has had enough. The GOAWAY's code (None without one) and whether the connection ended."""
    received, ended = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=END_MAX_S) as connection:
        try:
            connection.sendall(frames.PREFACE + frames.settings())
            for first in range(0, FLOOD_FRAMES, BATCH):
                connection.sendall(b"".join(make(number) for number in range(first, first + BATCH)))
            limit = time.monotonic() + END_MAX_S
            while reads and time.monotonic() < limit and not ended:
                piece = connection.recv(65536)
                ended = not piece
                received += piece
        except (ConnectionError, TimeoutError) as error:
            ended = isinstance(error, ConnectionError)
            try:
                connection.settimeout(0.5)
                while piece := connection.recv(65536):
                    received += piece
            except OSError:
                pass  # a reset takes what was still to be read
    goaways = [payload for kind, _, _, payload in frames.split(received)[0] if kind == frames.GOAWAY]
    return (int.from_bytes(goaways[-1][4:8], "big") if goaways else None), ended


def push_without_reading(port, make):
    """A connection that sent what it could within a second and read nothing."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    data = frames.PREFACE + frames.settings() + b"".join(make(number) for number in range(FLOOD_FRAMES))
    limit = time.monotonic() + 1
    while data and time.monotonic() < limit:
        try:
            data = data[connection.send(data):]
        except BlockingIOError:
            time.sleep(0.01)
        except ConnectionError:
            break  # it has had enough
    return connection


class Floods(unittest.TestCase):
    def test_floods_end(self):
        upstream = StrictUpstream()  # it waits for the bodies: streams stay open
        self.addCleanup(upstream.close)
        with Weft("--upstream", upstream.url) as node:
            for name, make in FLOODS.items():
                with self.subTest(name):
                    code, ended = flood(node.tcp_port, make)
                    self.assertTrue(ended, "the connection went on")
                    self.assertIn(code, (ENHANCE_YOUR_CALM, PROTOCOL_ERROR, None))  # None: the reset came first
                    begun = time.monotonic()
                    self.assertEqual(get_status(node.tcp_port), 200)
                    self.assertLess(time.monotonic() - begun, OTHERS_MAX_S)

    def test_a_flooder_that_never_reads_costs_no_memory(self):
        with Weft(env=SMALL_QUARANTINE) as node:
            before = memory_kib(node.process.pid)
            held = [push_without_reading(node.tcp_port, FLOODS["pings"]) for _ in range(FLOODERS)]
            growth = memory_kib(node.process.pid) - before
            for connection in held:
                connection.close()
            self.assertEqual(get_status(node.tcp_port), 200)
            self.assertLess(growth, FLOODERS * FLOODER_MAX_KIB)


if __name__ == "__main__":
    unittest.main()
