#!/usr/bin/env python3
"""tests/cli/chat_test.py - `weft chat` beside a node that is played here: what it sends, shows and says when there is none.

The real model is talked to in tests/engine/run_test.py."""

import http.server
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import weft  # noqa: E402

KEY = "a-key-that-nobody-may-see"
STOPPED, LOST, WHOLE = "stopped", "lost", "whole"


class Node(http.server.BaseHTTPRequestHandler):
    """One model. What it answers to a prompt is: the prompt's words after "say", and then how its first word says."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.reply(200, json.dumps({"data": [{"id": "played"}]}))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((body, self.headers.get("authorization")))
        how, _, words = body["messages"][-1]["content"].partition(" say ")
        if self.server.key and self.headers.get("authorization") != "Bearer " + self.server.key:
            return self.reply(401, json.dumps({"error": {"message": "no", "code": "api_key_required"}}))
        self.send_response(200)
        for name, value in (("content-type", "text/event-stream"), ("transfer-encoding", "chunked"),
                            ("x-weft-path", "local"), ("x-weft-model", "played")):
            self.send_header(name, value)
        self.end_headers()
        self.event(json.dumps({"choices": [{"delta": {"content": words}}]}))
        if how == WHOLE:
            self.event("[DONE]")
            self.wfile.write(b"0\r\n\r\n")
            return None
        if how == STOPPED:  # until the client goes
            self.server.left.put_when(self.connection)
        self.close_connection = True
        return None

    def event(self, data):
        line = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.flush()

    def reply(self, status, text):
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A client that goes is what some tests are about."""


class Left(threading.Event):
    def put_when(self, connection):
        connection.settimeout(weft.WAIT_S)
        try:
            while connection.recv(4096):
                pass
        except ConnectionResetError:
            pass
        self.set()


class Terminal:
    """`weft chat` on a terminal of its own."""

    def __init__(self, environment, *words):
        self.process, self.descriptor = pty.fork()
        if self.process == 0:
            os.execve(weft.binary_path(), [weft.binary_path(), "chat", *words], environment)
        self.shown = b""

    def wait_for(self, text):
        """Reads on until `text` was shown; what came before it is passed."""
        deadline = time.monotonic() + weft.WAIT_S
        while text.encode() not in self.shown:
            ready, _, _ = select.select([self.descriptor], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"no {text!r} after {self.shown!r}")
            self.shown += os.read(self.descriptor, 4096)
        before, _, self.shown = self.shown.partition(text.encode())
        return before.decode()

    def type(self, text):
        os.write(self.descriptor, text.encode())

    def end(self):
        self.type("\x04")
        _, status = os.waitpid(self.process, 0)
        os.close(self.descriptor)
        return os.waitstatus_to_exitcode(status)


class Chat(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-chat-")
        self.addCleanup(folder.cleanup)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
        self.environment["WEFT_HOME"] = folder.name
        self.node = Server(("127.0.0.1", 0), Node)
        self.node.asked, self.node.left, self.node.key = [], Left(), None
        self.url = f"http://127.0.0.1:{self.node.server_address[1]}"
        threading.Thread(target=self.node.serve_forever, daemon=True).start()
        self.addCleanup(self.node.server_close)
        self.addCleanup(self.node.shutdown)

    def chat(self, *words, stdout=subprocess.PIPE, text="", **environment):
        return subprocess.run([weft.binary_path(), "chat", *words], env={**self.environment, **environment}, input=text,
                              stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=weft.WAIT_S)

    def terminal(self):
        return Terminal(self.environment, "--url", self.url)

    def test_a_prompt_in_the_words_or_at_the_input(self):
        for words, text in ((["whole", "say", "yes"], ""), ([], "whole say yes")):
            done = self.chat("--url", self.url, *words, text=text)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "yes\n", ""))
        body, _ = self.node.asked[-1]
        self.assertEqual(body, {"model": "played", "stream": True,
                                "messages": [{"role": "user", "content": "whole say yes"}]})

    def test_the_models_of_a_node(self):
        done = subprocess.run([weft.binary_path(), "models", "--url", self.url], env=self.environment, capture_output=True,
                              text=True, check=False, timeout=weft.WAIT_S)
        self.assertEqual((done.returncode, done.stdout.strip(), done.stderr), (0, "played", ""))

    def test_no_node(self):
        with socket.socket() as taken:  # a port where nobody listens
            taken.bind(("127.0.0.1", 0))
            where = f"127.0.0.1:{taken.getsockname()[1]}"
            done = self.chat("--url", "http://" + where, "hi")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(f"no node answers at {where} (nobody answers there): start one with `weft up`", done.stderr)

    def test_a_node_with_a_key(self):
        self.node.key = KEY
        for environment, says in (({}, "the node asks for an API key: put it into WEFT_API_KEY"),
                                  ({"WEFT_API_KEY": "another-key-0123"}, "this API key is not the node's")):
            done = self.chat("--url", self.url, "whole say yes", **environment)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(says, done.stderr)
        done = self.chat("--url", self.url, "whole say yes", WEFT_API_KEY=KEY)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "yes\n", ""))

    def test_an_answer_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = self.chat("--url", self.url, "whole say yes", stdout=full)
        self.assertEqual((done.returncode, done.stderr), (1, "weft: the answer cannot be written: No space left on device\n"))

    def test_a_cut_answer_is_no_success(self):
        done = self.chat("--url", self.url, "lost say half")
        self.assertEqual((done.returncode, done.stdout), (1, "half\n"))
        self.assertIn("went away before the answer was complete", done.stderr)

    def test_ctrl_c_stops_the_answer_and_tells_the_node(self):
        process = subprocess.Popen([weft.binary_path(), "chat", "--url", self.url, "stopped say this"],
                                   env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        with process:
            self.assertEqual(process.stdout.read(4), "this")
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(weft.WAIT_S), 1)  # a script must not take it for the whole
        self.assertTrue(self.node.left.wait(weft.WAIT_S))

    def test_a_conversation_goes_on_after_a_stopped_and_a_lost_answer(self):
        terminal = self.terminal()
        terminal.wait_for("Ctrl-D ends.")
        for typed, shows in (("stopped say first\n", "first"), ("lost say second\n", "went away"),
                             ("whole say third\n", "nobody else could read it"), ("whole say fourth\n", "fourth")):
            terminal.wait_for("> ")
            terminal.type(typed)
            terminal.wait_for("\r\n")  # the echo
            terminal.wait_for(shows)
            if typed.startswith(STOPPED):
                terminal.type("\x03")
                terminal.wait_for("(stopped)")
                self.assertTrue(self.node.left.wait(weft.WAIT_S))
        terminal.wait_for("> ")
        self.assertEqual(terminal.end(), 0)
        body, _ = self.node.asked[-1]
        self.assertEqual([message["content"] for message in body["messages"]],
                         ["stopped say first", "first", "whole say third", "third", "whole say fourth"])

    def test_a_terminal_gets_no_control_characters_from_an_answer(self):
        terminal = self.terminal()
        terminal.wait_for("> ")
        self.node.RequestHandlerClass = type("Rude", (Node,), {
            "event": lambda node, data: Node.event(node, data.replace("RUDE", "\\u001b[2J\\u009b2J\\u00e9"))})
        terminal.type("whole say RUDE.\n")
        terminal.wait_for("\r\n")
        self.assertEqual(terminal.wait_for("\u00e9."), "?[2J?2J")
        terminal.wait_for("> ")
        self.assertEqual(terminal.end(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
