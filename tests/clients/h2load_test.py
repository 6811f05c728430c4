#!/usr/bin/env python3
"""tests/clients/h2load_test.py - h2load against the real program: under load, every request is answered."""

import contextlib
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.upstream import Upstream  # noqa: E402
from lib.weft import WAIT_S, Weft  # noqa: E402

REQUESTS, CLIENTS, STREAMS = 5000, 50, 10
RESULT = re.compile(r"requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, "
                    r"(\d+) errored, (\d+) timeout")


class H2loadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.upstream = stack.enter_context(Upstream())
        cls.weft = stack.enter_context(Weft("--upstream", cls.upstream.url, tls=True))

    def load(self, *args, requests=REQUESTS):
        done = subprocess.run(["h2load", "-n", str(requests), "-c", str(CLIENTS), *args], capture_output=True, text=True,
                              timeout=4 * WAIT_S, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        numbers = [int(number) for number in RESULT.search(done.stdout).groups()]
        self.assertEqual(numbers, [requests, requests, requests, requests, 0, 0, 0])
        self.assertIn(f"status codes: {requests} 2xx, 0 3xx, 0 4xx, 0 5xx", done.stdout)

    def test_h1(self):
        self.load("--h1", self.weft.url("/health"))

    def test_h1_pipelined(self):
        self.load("--h1", "-m", str(STREAMS), self.weft.url("/health"))

    def test_h2(self):
        self.load("-m", str(STREAMS), self.weft.url("/health"))

    def test_h1_over_tls(self):
        self.load("--h1", self.weft.url("/health", tls=True))

    def test_h2_over_tls(self):
        self.load("-m", str(STREAMS), self.weft.url("/health", tls=True))

    def test_relayed(self):
        for flags in (("--h1",), ("-m", str(STREAMS))):
            with self.subTest(flags):
                self.load(*flags, self.weft.url("/v1/events?n=2"), requests=1000)
                self.upstream.wait_for(WAIT_S, open=0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
