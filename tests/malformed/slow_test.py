"""tests/malformed/slow_test.py - Slow clients over TCP: heads that dribble, readers that do not read, askers that leave."""
import os
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.probe import SMALL_QUARANTINE, get_status, memory_kib  # noqa: E402
from lib.strict import StrictUpstream  # noqa: E402
from lib.weft import Weft  # noqa: E402

HEADER_TIMEOUT_S = 10
FLOOD_BYTES = 64 * 1024 * 1024
WARM_UP_BYTES = 4 * 1024 * 1024
STALL_GROWTH_MAX_KIB = 1024  # for one stalled reader: each buffer on the way is capped near 64 KiB
LEFT_MAX_S = 5


def ask(port, path):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    connection.connect(("127.0.0.1", port))
    connection.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
    return connection


class Slow(unittest.TestCase):
    def setUp(self):
        self.upstream = StrictUpstream()
        self.addCleanup(self.upstream.close)
        self.node = self.enterContext(Weft("--upstream", self.upstream.url, env=SMALL_QUARANTINE))

    def tearDown(self):
        self.assertEqual(get_status(self.node.tcp_port), 200)

    def dribble(self, first, piece):
        """The seconds until the server ends a head that never ends, and what it said."""
        with socket.create_connection(("127.0.0.1", self.node.tcp_port)) as connection:
            begun = time.monotonic()
            connection.settimeout(0.5)
            connection.sendall(first)
            said = b""
            while time.monotonic() - begun < 3 * HEADER_TIMEOUT_S:
                try:
                    got = connection.recv(4096)
                    if not got:
                        break
                    said += got
                except TimeoutError:
                    try:
                        connection.sendall(piece)
                    except ConnectionError:
                        pass  # the next recv says so
                except ConnectionError:
                    break
            return time.monotonic() - begun, said

    def test_a_head_that_dribbles_is_ended(self):
        results = {}
        slow = {"h1": (b"GET /health HTTP/1.1\r\nHost: localhost\r\n", b"a"), "nothing": (b"", b""),
                "preface": (b"PRI * HTTP/2.0\r\n", b"")}
        threads = [threading.Thread(target=lambda name=name, how=how: results.update({name: self.dribble(*how)}))
                   for name, how in slow.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name, (seconds, said) in results.items():
            with self.subTest(name):
                self.assertGreater(seconds, HEADER_TIMEOUT_S / 2)
                self.assertLess(seconds, 3 * HEADER_TIMEOUT_S)
        self.assertTrue(results["h1"][1].startswith(b"HTTP/1.1 408 "), results["h1"][1][:40])

    def read_flood(self, connection, size):
        head, _, rest = connection.recv(65536).partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head[:40])
        body = len(rest)
        while body < size:
            got = len(connection.recv(1 << 20))
            self.assertGreater(got, 0, "the answer ended after %d bytes" % body)
            body += got
        self.assertEqual(body, size)

    def test_a_reader_that_stops_stops_the_upstream(self):
        with ask(self.node.tcp_port, b"/v1/flood?bytes=%d" % WARM_UP_BYTES) as connection:
            self.read_flood(connection, WARM_UP_BYTES)
        with ask(self.node.tcp_port, b"/v1/flood?bytes=%d" % FLOOD_BYTES) as connection:
            before, sent = memory_kib(self.node.process.pid), -1
            while sent != self.upstream.flooded or sent == 0:
                sent = self.upstream.flooded
                time.sleep(0.3)
            self.assertLess(sent, FLOOD_BYTES, "nothing held the upstream back")
            self.assertLess(memory_kib(self.node.process.pid) - before, STALL_GROWTH_MAX_KIB)
            self.read_flood(connection, FLOOD_BYTES)

    def test_an_asker_that_leaves_is_told_to_the_upstream(self):
        for path in (b"/v1/hang", b"/v1/flood?bytes=%d" % FLOOD_BYTES):
            with self.subTest(path):
                self.upstream.gone.clear()
                with ask(self.node.tcp_port, path):
                    time.sleep(0.3)
                self.assertTrue(self.upstream.gone.wait(LEFT_MAX_S))


if __name__ == "__main__":
    unittest.main()
