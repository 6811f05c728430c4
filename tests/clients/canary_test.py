#!/usr/bin/env python3
"""tests/clients/canary_test.py - what callers say is nowhere but in their answers: not in the journal at its most talkative,
not in a file of the node, not in its metrics, and their keys do not reach the upstream."""

import contextlib
import os
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.upstream import Upstream  # noqa: E402
from lib.weft import WAIT_S, Weft  # noqa: E402

CANARY = "canary7f3a9"
KEY = "a-key-that-is-long-enough-" + CANARY


def curl(*args):
    return subprocess.run(["curl", "-sS", "--max-time", str(WAIT_S), *args], capture_output=True, timeout=2 * WAIT_S,
                          check=False).stdout.decode()


def send_raw(address, data):
    with socket.create_connection(address, WAIT_S) as client:
        client.sendall(data)
        with contextlib.suppress(ConnectionError):
            while client.recv(65536):
                pass


class CanaryTest(unittest.TestCase):
    def test_nothing_is_kept(self):
        with Upstream() as upstream, Weft("--upstream", upstream.url, "--log-level", "debug", env={"WEFT_API_KEY": KEY},
                                          tls=True) as node:
            says = ("-H", "authorization: Bearer " + KEY, "-H", "x-own: " + CANARY, "-H", "cookie: a=" + CANARY)
            posts = ("-H", "content-type: application/json", "-d", '{"prompt":"%s"}' % CANARY)
            for way in (("--http1.1",), ("--http2-prior-knowledge",)):
                self.assertIn(CANARY, curl(*way, *says, *posts, node.url("/v1/echo?q=" + CANARY)))
                seen = curl(*way, *says, node.url("/v1/headers"))
                self.assertIn("via", seen)  # these are the headers that the upstream got
                self.assertNotIn(CANARY, seen)
                curl(*way, *posts, node.url("/v1/echo"))  # without the key
                curl(*way, *says, *posts, node.url("/" + CANARY))
                curl(*way, *says, "-X", CANARY, node.url("/v1/echo"))
                curl(*way, *says, "-H", "host: %s.example" % CANARY, node.url("/health"))
                curl(*way, *says, "-H", "origin: https://%s.example" % CANARY, *posts, node.url("/v1/echo"))
                curl(*way, *says, *posts, node.url("/v1/abort"))
            curl("--cacert", node.ca_file, *says, *posts, node.url("/v1/echo", tls=True))
            address = ("127.0.0.1", node.tcp_port)
            for broken in ("GET /%s HTTP/1.1\r\nHost: %s\r\n%s : x\r\n\r\n", "%s %s HTTP/1.1\n%s\n\n",
                           "POST / HTTP/1.1\r\nHost: a%s\r\nContent-Length: %s\r\n\r\n%s"):
                send_raw(address, (broken % (CANARY, CANARY, CANARY)).encode())
            metrics = curl("-H", "authorization: Bearer " + KEY, node.url("/metrics"))
            self.assertIn("weft_requests_malformed_total", metrics)
            self.assertNotIn(CANARY, metrics)
            files = [os.path.join(folder, name) for folder, _, names in os.walk(node.home) for name in names]
            self.assertTrue(any(name.endswith("owner.token") for name in files))
            for name in files:
                with open(name, "rb") as file:
                    self.assertNotIn(CANARY.encode(), file.read(), name)
            node.stop()
            self.assertIn('"request"', node.log())
            self.assertNotIn(CANARY, node.log())


if __name__ == "__main__":
    unittest.main()
