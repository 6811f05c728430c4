#!/usr/bin/env python3
"""tests/cli/end_test.py - how `weft up` ends: the first signal lets answers finish, the second does not."""

import http.client
import os
import signal
import socket
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import weft  # noqa: E402
from lib.upstream import Upstream  # noqa: E402


def read_event(answer):
    """One server-sent event, its empty line too."""
    line = answer.readline()
    answer.readline()
    return line


class End(unittest.TestCase):
    def begin(self, node, count):
        connection = http.client.HTTPConnection("127.0.0.1", node.tcp_port, timeout=weft.WAIT_S)
        self.addCleanup(connection.close)
        connection.request("GET", f"/v1/events?n={count}&gated=1")
        return connection.getresponse()

    def wait_draining(self, node):
        """Draining begins with the listeners' end: then nobody can connect any more."""
        while True:
            try:
                socket.create_connection(("127.0.0.1", node.tcp_port), timeout=weft.WAIT_S).close()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                pass  # it was in the queue when the listener went

    def test_an_idle_node_ends_at_once(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with weft.Weft() as node:
                node.process.send_signal(number)
                self.assertEqual(node.process.wait(weft.WAIT_S), 0)

    def test_an_idle_connection_does_not_hold_it_up(self):
        with weft.Weft() as node:
            with socket.create_connection(("127.0.0.1", node.tcp_port), timeout=weft.WAIT_S) as client:
                client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertIn(b"200 OK", client.recv(4096))
                node.process.send_signal(signal.SIGTERM)
                self.assertEqual(node.process.wait(weft.WAIT_S), 0)

    def test_the_first_signal_lets_a_stream_finish(self):
        with Upstream() as upstream, weft.Weft("--upstream", upstream.url, "--log-format", "pretty") as node:
            answer = self.begin(node, 3)
            upstream.step()
            self.assertIn(b'"event": 0', read_event(answer))
            node.process.send_signal(signal.SIGTERM)
            self.wait_draining(node)
            self.assertIsNone(node.process.poll())
            upstream.step()
            upstream.step()
            self.assertIn(b'"event": 1', read_event(answer))
            self.assertIn(b'"event": 2', read_event(answer))
            self.assertEqual(answer.read(), b"")
            self.assertEqual(node.process.wait(weft.WAIT_S), 0)
            self.assertIn("again to end now", node.log())

    def test_the_second_signal_ends_it_now(self):
        with Upstream() as upstream:
            node = weft.Weft("--upstream", upstream.url)
            try:
                node.start().wait_ready()
                answer = self.begin(node, 2)
                upstream.step()
                read_event(answer)
                node.process.send_signal(signal.SIGTERM)
                self.wait_draining(node)
                node.process.send_signal(signal.SIGTERM)
                self.assertEqual(node.process.wait(weft.WAIT_S), 1, node.log())
                with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
                    answer.read()
                upstream.wait_for(weft.WAIT_S, open=0, cancelled=1)
            finally:
                node.give_up()

    def test_a_stream_that_never_ends_is_cut_after_the_time_that_was_set(self):
        with Upstream() as upstream:
            node = weft.Weft("--upstream", upstream.url, "--drain-timeout", "100ms")
            try:
                node.start().wait_ready()
                answer = self.begin(node, 2)
                upstream.step()
                read_event(answer)
                node.process.send_signal(signal.SIGTERM)
                self.assertEqual(node.process.wait(weft.WAIT_S), 1, node.log())  # an answer was cut
            finally:
                node.give_up()


if __name__ == "__main__":
    unittest.main()
