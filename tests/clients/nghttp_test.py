#!/usr/bin/env python3
"""tests/clients/nghttp_test.py - nghttp against the real program: many streams of one connection, and trailers."""

import collections
import contextlib
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.upstream import Upstream  # noqa: E402
from lib.weft import WAIT_S, Weft  # noqa: E402

STREAMS = 20
FRAME = re.compile(r"^\[ *[\d.]+\] (recv|send) (\w+) frame <length=(\d+), flags=0x(\w+), stream_id=(\d+)>")


def nghttp(*args):
    done = subprocess.run(["nghttp", *args], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, f"nghttp {args} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def frames_of(text):
    """(direction, kind, length, stream) of each frame that `nghttp -nv` told of."""
    found = (FRAME.match(line) for line in text.splitlines())
    return [(m.group(1), m.group(2), int(m.group(3)), int(m.group(5))) for m in found if m]


def each_base(test):
    """Runs a test once without TLS and once with. nghttp does not check certificates: that is curl's part."""
    @functools.wraps(test)
    def run(self):
        for name, base in (("plain", self.weft.url("")), ("TLS", self.weft.url("", tls=True))):
            with self.subTest(name):
                test(self, base)
    return run


class NghttpTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.upstream = stack.enter_context(Upstream())
        cls.weft = stack.enter_context(Weft("--upstream", cls.upstream.url, tls=True))

    @each_base
    def test_answer(self, base):
        self.assertEqual(nghttp(base + "/health"), '{"status":"ok"}\n')

    @each_base
    def test_many_streams_of_one_connection(self, base):
        out = nghttp("-nv", *(f"{base}/health?{i}" for i in range(STREAMS)))
        asked = [stream for way, kind, _, stream in frames_of(out) if (way, kind) == ("send", "HEADERS")]
        answered = collections.Counter(
            stream for way, kind, _, stream in frames_of(out) if (way, kind) == ("recv", "HEADERS"))
        self.assertEqual(len(set(asked)), STREAMS)
        self.assertEqual(answered, {stream: 1 for stream in asked})
        self.assertEqual(out.count(":status: 200"), STREAMS)
        self.assertEqual(len(re.findall(r"\] Connected", out)), 1)

    @each_base
    def test_streams_do_not_wait_for_each_other(self, base):
        """The first never answers; the second does, and then nghttp's end cancels the first at the upstream."""
        self.upstream.wait_for(WAIT_S, open=0)
        cancelled = self.upstream.counts()["cancelled"]
        with subprocess.Popen(["nghttp", "-nv", base + "/v1/slow", base + "/v1/headers"], stdout=subprocess.PIPE,
                              text=True) as process:
            for line in process.stdout:
                if ":status: 200" in line:
                    break
            else:
                self.fail("the second stream was not answered")
            self.upstream.wait_for(WAIT_S, open=1)
            process.kill()
            process.stdout.close()
        self.upstream.wait_for(WAIT_S, open=0, cancelled=cancelled + 1)

    @each_base
    def test_upload(self, base):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"0123456789abcdef" * 65536)
            file.flush()
            out = nghttp("-d", file.name, "-H", "content-type: application/json", base + "/v1/echo")
            self.assertEqual(len(out), 16 * 65536)
            self.assertEqual(out, "0123456789abcdef" * 65536)

    @each_base
    def test_request_trailers_end_the_request(self, base):
        """Trailers are taken for what they are: the body before them is whole, and none becomes a header."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(b'{"a":1}')
            file.flush()
            out = nghttp("-d", file.name, "-H", "content-type: application/json", "--trailer", "x-check: 1",
                         base + "/v1/echo")
            self.assertEqual(out, '{"a":1}')

    @each_base
    def test_what_travels_on(self, base):
        names = {name for name, _ in json.loads(nghttp("-H", "te: trailers", base + "/v1/headers"))["fields"]}
        self.assertNotIn("te", names)
        self.assertIn("host", names)


if __name__ == "__main__":
    unittest.main(verbosity=2)
