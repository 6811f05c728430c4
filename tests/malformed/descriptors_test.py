"""tests/malformed/descriptors_test.py - Out of descriptors: connections past the limit wait, cost nothing while they wait, and are served when others go."""
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.probe import cpu_s, get_status  # noqa: E402
from lib.weft import Weft  # noqa: E402

DESCRIPTORS = 64
CLIENTS = 120
QUIET_S = 2
BUSY_MAX = 0.05  # of a core, while some wait
SERVED_MAX_S = 5
REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def answered(connections, seconds):
    """Those that get an answer within that time."""
    limit, done = time.monotonic() + seconds, set()
    while time.monotonic() < limit and len(done) < len(connections):
        for connection in connections - done:
            try:
                if connection.recv(4096, socket.MSG_DONTWAIT):
                    done.add(connection)
            except BlockingIOError:
                pass
        time.sleep(0.02)
    return done


class Descriptors(unittest.TestCase):
    def setUp(self):
        self.node = self.enterContext(Weft(descriptors=DESCRIPTORS))
        self.connections = {socket.create_connection(("127.0.0.1", self.node.tcp_port)) for _ in range(CLIENTS)}

    def tearDown(self):
        for connection in self.connections:
            connection.close()
        self.assertEqual(get_status(self.node.tcp_port), 200)

    def test_past_the_limit_they_wait(self):
        for connection in self.connections:
            connection.sendall(REQUEST)
        served = answered(self.connections, QUIET_S)
        self.assertGreater(len(served), DESCRIPTORS // 4)
        self.assertLess(len(served), DESCRIPTORS)
        before = cpu_s(self.node.process.pid)
        time.sleep(QUIET_S)
        self.assertLess((cpu_s(self.node.process.pid) - before) / QUIET_S, BUSY_MAX, "it spins while some wait")
        waiting = self.connections - served
        while waiting:
            for connection in served:
                connection.close()
            served = answered(waiting, SERVED_MAX_S)
            self.assertTrue(served, "%d of %d wait for ever" % (len(waiting), CLIENTS))
            waiting -= served


if __name__ == "__main__":
    unittest.main()
