#!/usr/bin/env python3
"""tests/clients/curl_test.py - curl against the real program, by every listener and both versions of HTTP."""

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
from lib.weft import WAIT_S, Lines, Weft  # noqa: E402

ORIGIN = "https://app.example"
JSON = ("-H", "content-type: application/json")


def curl(*args, data=None):
    """Runs curl; its exit status must be 0. Returns the finished process with bytes in stdout."""
    done = subprocess.run(["curl", "-sS", "--max-time", str(WAIT_S), *args], input=data, capture_output=True,
                          timeout=2 * WAIT_S, check=False)
    assert done.returncode == 0, f"curl {args} ended with {done.returncode}: {done.stderr.decode()}"
    return done


def fields_of(head):
    """Status line and fields of the last head in what `curl -i` or `-D -` gave."""
    lines = [block for block in head.decode().split("\r\n\r\n") if block.startswith("HTTP/")][-1].split("\r\n")
    return lines[0], {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}


def each_way(test):
    """Runs a test once for each way to reach the node: (flags of curl, where to, version that curl must report)."""
    @functools.wraps(test)
    def run(self):
        for name, flags, base, version in self.ways:
            with self.subTest(name):
                test(self, flags, base, version)
    return run


class CurlTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.upstream = stack.enter_context(Upstream())
        cls.weft = stack.enter_context(
            Weft("--upstream", cls.upstream.url, "--cors-origin", ORIGIN, tls=True, unix=True))
        tls = ("--cacert", cls.weft.ca_file)
        # (what it is, flags of curl, where to, the version that curl must report)
        cls.ways = [
            ("h1", ("--http1.1",), cls.weft.url(""), "1.1"),
            ("h2", ("--http2-prior-knowledge",), cls.weft.url(""), "2"),
            ("h1 over TLS", ("--http1.1", *tls), cls.weft.url("", tls=True), "1.1"),
            ("h2 over TLS", ("--http2", *tls), cls.weft.url("", tls=True), "2"),
            ("h1 over a Unix socket", ("--http1.1", "--unix-socket", cls.weft.unix_path), "http://localhost", "1.1"),
            ("h2 over a Unix socket", ("--http2-prior-knowledge", "--unix-socket", cls.weft.unix_path),
             "http://localhost", "2"),
        ]

    @each_way
    def test_health(self, flags, base, version):
        out = curl(*flags, "-w", "%{http_code} %{http_version}", base + "/health").stdout.decode()
        self.assertEqual(out, '{"status":"ok"}\n200 ' + version)

    @each_way
    def test_head_has_no_body(self, flags, base, version):
        status, fields = fields_of(curl(*flags, "--head", base + "/health").stdout)
        self.assertIn(" 200", status)
        self.assertEqual(fields["content-length"], "16")

    @each_way
    def test_head_is_relayed(self, flags, base, version):
        status, fields = fields_of(curl(*flags, "--head", base + "/v1/headers").stdout)
        self.assertIn(" 200", status)
        self.assertEqual(fields["content-type"], "application/json")

    @each_way
    def test_preflight(self, flags, base, version):
        ask = ("-X", "OPTIONS", "-i", "-H", "access-control-request-method: POST",
               "-H", "access-control-request-headers: content-type")
        status, fields = fields_of(curl(*flags, *ask, "-H", "origin: " + ORIGIN, base + "/v1/echo").stdout)
        self.assertIn(" 204", status)
        self.assertEqual(fields["access-control-allow-origin"], ORIGIN)
        self.assertIn("POST", fields["access-control-allow-methods"])
        self.assertIn("content-type", fields["access-control-allow-headers"])
        status, fields = fields_of(
            curl(*flags, *ask, "-H", "origin: https://other.example", base + "/v1/echo").stdout)
        self.assertIn(" 403", status)
        self.assertNotIn("access-control-allow-origin", fields)

    @each_way
    def test_refusals(self, flags, base, version):
        cases = [("/nowhere", (), "404", "not_found"), ("/health", ("-X", "DELETE"), "405", "method_not_allowed"),
                 ("/weft/v1/status", (), "401", "owner_token_required"),
                 ("/v1/echo", ("-d", "x=1"), "415", "not_json")]
        for path, more, status, code in cases:
            out = curl(*flags, *more, "-w", "\n%{http_code}", base + path).stdout.decode()
            body, got = out.rsplit("\n", 1)
            self.assertEqual(got, status)
            self.assertEqual(json.loads(body)["error"]["code"], code)

    @each_way
    def test_large_upload_comes_back(self, flags, base, version):
        data = os.urandom(8 * 1024 * 1024)
        done = curl(*flags, *JSON, "--data-binary", "@-", base + "/v1/echo", data=data)
        self.assertEqual(len(done.stdout), len(data))
        self.assertTrue(done.stdout == data)

    @each_way
    def test_upload_in_chunks_of_unknown_length(self, flags, base, version):
        data = os.urandom(300000)
        done = curl(*flags, *JSON, "-X", "POST", "-T", "-", base + "/v1/echo", data=data)
        self.assertTrue(done.stdout == data)

    def test_100_continue(self):
        """curl waits for it with `Expect`; with so long a wait, only a 100 lets the upload start in time."""
        data = os.urandom(2 * 1024 * 1024)
        for name, flags, base, version in self.ways:
            if version == "1.1":
                with self.subTest(name):
                    done = curl(*flags, *JSON, "-v", "-H", "expect: 100-continue", "--expect100-timeout", str(WAIT_S * 2),
                                "--data-binary", "@-", base + "/v1/echo", data=data)
                    self.assertTrue(done.stdout == data)
                    self.assertIn(b"< HTTP/1.1 100 Continue", done.stderr)

    def test_refused_before_the_upload(self):
        """A body that is too large is refused on its length: curl never sends it."""
        done = curl("-v", *JSON, "-H", "expect: 100-continue", "--expect100-timeout", str(WAIT_S * 2), "--data-binary",
                    "@-", "-w", "\n%{http_code} %{size_upload}", self.weft.url("/v1/echo"),
                    data=bytes(65 * 1024 * 1024))
        self.assertEqual(done.stdout.decode().rsplit("\n", 1)[1], "413 0")
        self.assertNotIn(b"100 Continue", done.stderr)

    @each_way
    def test_connection_is_used_again(self, flags, base, version):
        if "--http2-prior-knowledge" in flags:
            return  # curl 7.88 fails at its second request by prior knowledge, with nginx too; nghttp does it here
        out = curl(*flags, "-w", "%{num_connects}\n", "-o", "/dev/null", base + "/health", "-o", "/dev/null",
                   base + "/readyz", "-o", "/dev/null", base + "/health").stdout.decode().split()
        self.assertEqual(out, ["1", "0", "0"])

    @each_way
    def test_used_again_after_a_relayed_answer(self, flags, base, version):
        if "--http2-prior-knowledge" in flags:
            return  # as above
        out = curl(*flags, "-w", "%{num_connects}\n", "-o", "/dev/null", base + "/v1/events?n=2", "-o", "/dev/null",
                   base + "/v1/headers").stdout.decode().split()
        self.assertEqual(out, ["1", "0"])

    @each_way
    def test_events_arrive_one_by_one(self, flags, base, version):
        """The upstream sends an event only after curl has shown the one before."""
        with subprocess.Popen(["curl", "-sSN", *flags, base + "/v1/events?n=5&gated=1"], stdout=subprocess.PIPE,
                              text=True) as process:
            lines = Lines(process.stdout)
            for i in range(5):
                self.upstream.step()
                self.assertEqual(lines.next(), 'data: {"event": %d}' % i)
                self.assertEqual(lines.next(), "")
            self.assertEqual(lines.rest(), [])
            self.assertEqual(process.wait(WAIT_S), 0)

    @each_way
    def test_cancel_reaches_the_upstream(self, flags, base, version):
        """When curl is ended in the middle of a stream, the upstream's connection is closed."""
        self.upstream.wait_for(WAIT_S, open=0)
        cancelled = self.upstream.counts()["cancelled"]
        with subprocess.Popen(["curl", "-sSN", *flags, base + "/v1/events?n=2&gated=1"], stdout=subprocess.PIPE,
                              text=True) as process:
            lines = Lines(process.stdout)
            self.upstream.step()
            self.assertEqual(lines.next(), 'data: {"event": 0}')
            process.kill()
        self.upstream.wait_for(WAIT_S, open=0, cancelled=cancelled + 1)

    @each_way
    def test_upstream_that_dies(self, flags, base, version):
        """What came is passed on; then the client is told that it is not all."""
        with subprocess.Popen(["curl", "-sSN", *flags, base + "/v1/abort?gated=1"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            lines = Lines(process.stdout)
            self.assertEqual(lines.next(), "the first half of")
            self.upstream.step()
            self.assertEqual(lines.rest(), [])
            # 92: stream not closed cleanly; 18: partial file, 56: receive error
            self.assertIn(process.wait(WAIT_S), (92,) if version == "2" else (18, 56))

    @each_way
    def test_what_travels_on(self, flags, base, version):
        """Credentials, cookies and names of ours do not reach the upstream."""
        out = curl(*flags, "-H", "authorization: Bearer sk-1", "-H", "cookie: a=b", "-H", "x-weft-peer: me",
                   "-H", "x-forwarded-for: 10.0.0.1", "-H", "accept: application/json", base + "/v1/headers").stdout
        names = {name for name, _ in json.loads(out)["fields"]}
        self.assertIn("accept", names)
        self.assertFalse(names & {"authorization", "cookie", "x-weft-peer", "x-forwarded-for", "user-agent"})

    def test_request_ids_differ(self):
        ids = set()
        for _, flags, base, _ in self.ways:
            _, fields = fields_of(curl(*flags, "-i", base + "/health").stdout)
            self.assertTrue(re.fullmatch(r"req-[0-9a-f]{16}", fields["x-weft-request-id"]))
            ids.add(fields["x-weft-request-id"])
        self.assertEqual(len(ids), len(self.ways))


class TrustTest(unittest.TestCase):
    def test_certificate_is_checked(self):
        """Without --cacert, curl refuses: so with it, it was really our certificate that was checked."""
        with Weft(tls=True) as weft:
            done = subprocess.run(["curl", "-sS", weft.url("/health", tls=True)], capture_output=True, timeout=WAIT_S,
                                  check=False)
            self.assertEqual(done.returncode, 60)

    def test_older_tls_is_refused(self):
        with Weft(tls=True) as weft:
            done = subprocess.run(["curl", "-sS", "--cacert", weft.ca_file, "--tls-max", "1.2",
                                   weft.url("/health", tls=True)], capture_output=True, timeout=WAIT_S, check=False)
            self.assertEqual(done.returncode, 35)
            self.assertIn(b"protocol version", done.stderr)


class RelayOverTlsTest(unittest.TestCase):
    def test_weft_relays_to_weft_over_tls(self):
        """The second is the first one's upstream, over TLS that is checked by the roots it is given."""
        with Upstream() as upstream, Weft("--upstream", upstream.url, tls=True) as inner:
            address = f"https://localhost:{inner.tls_port}"
            with Weft("--upstream", address, env={"SSL_CERT_FILE": inner.ca_file}) as outer:
                data = os.urandom(1024 * 1024)
                done = curl(*JSON, "--data-binary", "@-", outer.url("/v1/echo"), data=data)
                self.assertTrue(done.stdout == data)
            with tempfile.TemporaryDirectory() as nothing, \
                    Weft("--upstream", address, env={"SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": nothing}) as outer:
                out = curl("-w", "\n%{http_code}", outer.url("/v1/headers")).stdout.decode()
                body, status = out.rsplit("\n", 1)
                self.assertEqual(status, "502")
                self.assertEqual(json.loads(body)["error"]["code"], "upstream_not_trusted")


class DrainTest(unittest.TestCase):
    def test_a_stream_that_runs_is_finished(self):
        """SIGTERM in the middle of a stream: it goes on to its end, nobody new is let in, and then weft ends."""
        for version in ("--http1.1", "--http2-prior-knowledge"):
            with self.subTest(version), Upstream() as upstream, Weft("--upstream", upstream.url) as weft, \
                    subprocess.Popen(["curl", "-sSN", version, weft.url("/v1/events?n=3&gated=1")],
                                     stdout=subprocess.PIPE, text=True) as process:
                lines = Lines(process.stdout)
                upstream.step()
                self.assertEqual(lines.next(), 'data: {"event": 0}')
                weft.terminate()
                while '"event":"draining"' not in weft.log():
                    self.assertIsNone(weft.process.poll())  # until the log says so, or the program is gone
                refused = subprocess.run(["curl", "-sS", weft.url("/health")], capture_output=True, timeout=WAIT_S,
                                         check=False)
                self.assertIn(refused.returncode, (7, 52, 56))  # not connected, or closed without an answer
                upstream.step()
                upstream.step()
                self.assertEqual(lines.rest(), ["", 'data: {"event": 1}', "", 'data: {"event": 2}', ""])
                self.assertEqual(process.wait(WAIT_S), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
