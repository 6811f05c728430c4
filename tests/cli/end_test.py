#!/usr/bin/env python3
"""tests/cli/end_test.py - how `weft up` ends: the first signal lets answers finish, the second does not."""

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import weft  # noqa: E402
from lib.upstream import Upstream  # noqa: E402


ROUND_GAP_US = 150  # between two signals, a little more in each round


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
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with weft.Weft() as node:
                node.process.send_signal(number)
                self.assertEqual(node.process.wait(weft.WAIT_S), 0)

    def test_under_nohup_it_stays_when_its_terminal_goes(self):
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as a child inherits it
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        with weft.Weft() as node:
            node.process.send_signal(signal.SIGHUP)
            self.assertEqual(node.ask("GET", "/health").status, 200)
            node.stop()

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

    def test_what_never_ends_is_cut_in_order_after_the_time_that_was_set(self):
        with Upstream() as upstream:
            node = weft.Weft("--upstream", upstream.url, "--drain-timeout", "100ms")
            try:
                node.start().wait_ready()
                answer = self.begin(node, 2)
                upstream.step()
                read_event(answer)
                unbegun = http.client.HTTPConnection("127.0.0.1", node.tcp_port, timeout=weft.WAIT_S)
                self.addCleanup(unbegun.close)
                unbegun.request("GET", "/v1/slow")
                upstream.wait_for(weft.WAIT_S, open=2)
                node.process.send_signal(signal.SIGTERM)
                said = answer.read().decode()  # to its end: it is none that breaks off
                self.assertTrue(said.startswith("event: error\ndata: "), said)
                self.assertEqual(json.loads(said.split("\n")[1].removeprefix("data: "))["error"]["code"], "shutting_down")
                refused = unbegun.getresponse()
                self.assertEqual(refused.status, 503)
                self.assertGreater(int(refused.getheader("retry-after")), 0)
                self.assertEqual(json.load(refused)["error"]["code"], "shutting_down")
                upstream.wait_for(weft.WAIT_S, open=0, cancelled=2)
                self.assertEqual(node.process.wait(weft.WAIT_S), 1, node.log())  # answers were cut
                self.assertIn('"event":"drain timed out","cut":2', node.log())
            finally:
                node.give_up()

    def test_a_client_that_does_not_read_does_not_hold_it_up(self):
        with Upstream() as upstream:
            node = weft.Weft("--upstream", upstream.url, "--drain-timeout", "100ms")
            try:
                node.start().wait_ready()
                with socket.create_connection(("127.0.0.1", node.tcp_port), timeout=weft.WAIT_S) as client:
                    client.sendall(b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                   b"Content-Length: 60000000\r\n\r\n")
                    client.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        while client.send(bytes(65536)):  # until nothing moves any more, as the echo is not read
                            pass
                    upstream.wait_for(weft.WAIT_S, open=1)
                    node.process.send_signal(signal.SIGTERM)
                    self.assertEqual(node.process.wait(weft.WAIT_S), 1, node.log())
            finally:
                node.give_up()

    def test_new_requests_on_open_connections_are_refused_with_a_time_to_come_again(self):
        with Upstream() as upstream, weft.Weft("--upstream", upstream.url) as node:
            half = socket.create_connection(("127.0.0.1", node.tcp_port), timeout=weft.WAIT_S)
            self.addCleanup(half.close)
            half.sendall(b"GET /v1/models HTTP/1.1\r\nHost: local")
            both = socket.create_connection(("127.0.0.1", node.tcp_port), timeout=weft.WAIT_S)
            self.addCleanup(both.close)
            both.sendall(b"GET /v1/events?n=2&gated=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
                         b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
            upstream.step()
            heard = b""
            while b'"event": 0' not in heard:
                heard += both.recv(4096)
            node.terminate()
            self.wait_draining(node)
            half.sendall(b"host\r\n\r\n")
            upstream.step()
            for client, before in ((half, b""), (both, heard)):
                said = before
                while piece := client.recv(4096):
                    said += piece
                whole, _, refused = said.rpartition(b"HTTP/1.1 ")
                self.assertEqual(b'"event": 1' in whole and whole.endswith(b"0\r\n\r\n"), client is both)
                self.assertTrue(refused.startswith(b"503 "), said)
                for part in (b"retry-after: ", b"connection: close", b'"code":"draining"'):
                    self.assertIn(part, refused)
            self.assertEqual(node.process.wait(weft.WAIT_S), 0, node.log())

    def test_two_signals_at_once(self):
        """Whenever the second comes, be it while all is being put away: nothing ran, so nothing was cut."""
        for gap_us in range(0, 20 * ROUND_GAP_US, ROUND_GAP_US):
            for second in (signal.SIGTERM, signal.SIGINT):
                node = weft.Weft()
                try:
                    node.start().wait_ready()
                    node.process.send_signal(signal.SIGTERM)
                    until = time.perf_counter() + gap_us / 1e6
                    while time.perf_counter() < until:
                        pass
                    node.process.send_signal(second)  # nothing happens if it has ended already
                    self.assertEqual(node.process.wait(weft.WAIT_S), 0, f"{gap_us} us: {node.log()}")
                finally:
                    node.give_up()


if __name__ == "__main__":
    unittest.main()
