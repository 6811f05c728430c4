#!/usr/bin/env python3
"""tests/cli/external_test.py - `weft up --external`: what is said of a server, and where its key may be."""

import http.server
import os
import queue
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import weft  # noqa: E402

NOWHERE = "http://127.0.0.1:1/v1"  # nobody listens there
KEY = "sk-secret-0123456789"


class Server(http.server.HTTPServer):
    """A server without models, that tells what it was shown with each request."""

    def __init__(self):
        self.shown = queue.Queue()
        shown = self.shown

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name; http.server calls it so
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b'{"object":"list","data":[]}')
                shown.put((self.path, self.headers["Authorization"]))

            def log_message(self, *args):  # pylint: disable=arguments-differ
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class External(unittest.TestCase):
    def refused(self, *args, env=None):
        """stderr of a `weft up` that does not start."""
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run([weft.binary_path(), "up", "--home", home, "--no-model", *args], capture_output=True,
                                  text=True, timeout=weft.WAIT_S, env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertNotIn(KEY, done.stdout + done.stderr)
        return done.stderr

    def test_what_is_no_server(self):
        self.assertIn("expected http://HOST:PORT/v1", self.refused("--external", "localhost:8080"))
        self.assertIn("key_env=NAME or key_file=FILE", self.refused("--external", f"{NOWHERE} key={KEY}"))
        self.assertIn("key_env=NAME or key_file=FILE", self.refused("--external", f"{NOWHERE} key_env=A key_env=B"))
        self.assertIn("`external` and `upstream` are both set",
                      self.refused("--external", NOWHERE, "--upstream", NOWHERE))

    def test_keys_that_are_not_there(self):
        self.assertIn("to be shown the key in NO_SUCH_KEY", self.refused("--external", f"{NOWHERE} key_env=NO_SUCH_KEY"))
        self.assertIn("/no/such/file", self.refused("--external", f"{NOWHERE} key_file=/no/such/file"))

    def test_a_key_that_everybody_can_read(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(KEY + "\n")
            file.flush()
            os.chmod(file.name, 0o644)
            self.assertIn("chmod", self.refused("--external", f"{NOWHERE} key_file={file.name}"))

    def test_a_server_is_shown_its_own_key(self):
        with Server() as first, Server() as second, Server() as third, tempfile.NamedTemporaryFile("w") as file:
            file.write(KEY + "-of-the-file\n")
            file.flush()
            keys = {first: f" key_file={file.name}", second: " key_env=THE_KEY", third: ""}
            flags = [word for server, key in keys.items()
                     for word in ("--external", f"http://127.0.0.1:{server.server_port}/v1{key}")]
            with weft.Weft("--no-model", *flags, env={"THE_KEY": KEY}) as node:
                shown = [server.shown.get(timeout=weft.WAIT_S) for server in keys]
                node.stop()
                self.assertNotIn(KEY, node.log())
        self.assertEqual(shown, [("/v1/models", f"Bearer {KEY}-of-the-file"), ("/v1/models", f"Bearer {KEY}"),
                                 ("/v1/models", None)])

    def test_keys_are_wiped_where_they_stood(self):
        # Two servers may share one.
        with weft.Weft("--no-model", "--external", f"{NOWHERE} key_env=THE_KEY", "--external",
                       "http://127.0.0.1:2 key_env=THE_KEY", env={"THE_KEY": KEY}) as node:
            with open(f"/proc/{node.process.pid}/environ", "rb") as environment:
                self.assertNotIn(KEY.encode(), environment.read())
            self.assertNotIn(KEY, node.log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
