#!/usr/bin/env python3
"""tests/engine/sleep_test.py - a node that is stopped in the middle of everything, and goes on as if nothing had been.

SIGSTOP and SIGCONT, to the node alone and to it and its engine, as a machine that sleeps does; for longer than a client
may take for its request's head, than an engine may take to go, and than any silence that is set here.
"""

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import engine, weft  # noqa: E402

NAME = os.path.splitext(os.path.basename(engine.model_path()))[0]
STREAMS = 4
TOKENS = 64
STOP_S = 15
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Stream(threading.Thread):
    """One streamed answer, read to its end."""

    def __init__(self, node, seed):
        super().__init__(daemon=True)
        self.begun = threading.Event()
        self.lines, self.error = [], None
        self._node, self._seed = node, seed
        self.start()

    def run(self):
        try:
            answer = self._node.post("/v1/chat/completions", {
                "model": NAME, "messages": [{"role": "user", "content": "Tell me a long story about the sea."}],
                "max_tokens": TOKENS, "ignore_eos": True, "seed": self._seed, "stream": True, "logprobs": True,
                "stream_options": {"include_usage": True}})
            while line := answer.readline():
                self.lines.append(line.decode().rstrip("\n"))
                if '"content":"' in self.lines[-1]:
                    self.begun.set()
        except (OSError, http.client.HTTPException, weft.Refused) as error:
            self.error = error
        self.begun.set()

    def events(self):
        return [json.loads(line[6:]) for line in self.lines if line.startswith("data: {")]


class Sleep(unittest.TestCase):
    def test_a_stopped_node_goes_on(self):
        self.sleep(with_engine=False)

    def test_a_node_that_sleeps_with_its_engine_goes_on(self):
        self.sleep(with_engine=True)

    def sleep(self, with_engine):
        with weft.Weft("--engine", engine.binary_path(), "--model", engine.model_path(), "--threads", "1", "--slots",
                       str(STREAMS), "--context", "512", "--stall", "3s") as node:
            processes = [node.process.pid] + ([self.engine_of(node)] if with_engine else [])
            streams = [Stream(node, seed) for seed in range(STREAMS)]
            for stream in streams:
                self.assertTrue(stream.begun.wait(weft.WAIT_S))
            slow = socket.create_connection(("127.0.0.1", node.tcp_port), timeout=weft.WAIT_S)
            self.addCleanup(slow.close)
            slow.sendall(HEALTH + HEALTH[:20])
            self.assertIn(b"200 OK", slow.recv(4096), "so it has read what came with that, too")
            for process in processes:
                os.kill(process, signal.SIGSTOP)
            self.assertTrue(os.WIFSTOPPED(os.waitpid(node.process.pid, os.WUNTRACED)[1]))
            time.sleep(STOP_S)  # that it is away for so long is what is tested
            heard = [len(stream.lines) for stream in streams]  # also what was under way
            for process in processes:
                os.kill(process, signal.SIGCONT)
            slow.sendall(HEALTH[20:])
            self.assertIn(b"200 OK", slow.recv(4096))
            for stream, lines in zip(streams, heard):
                stream.join(weft.WAIT_S)
                self.assertGreater(len(stream.lines), lines, "it was stopped in the middle")
                self.judge(stream)
            self.assertEqual(len(self.events_of(node, "engine started")), 1, node.log())
            self.assertEqual(self.events_of(node, "failed"), [], node.log())

    def judge(self, stream):
        self.assertIsNone(stream.error)
        self.assertEqual(stream.lines[-2:], ["data: [DONE]", ""])
        events = stream.events()
        self.assertEqual([event for event in events if "error" in event], [])
        choices = [choice for event in events for choice in event["choices"]]
        self.assertEqual(choices[-1]["finish_reason"], "length")
        self.assertEqual(events[-1]["usage"]["completion_tokens"], TOKENS)
        shown = sum(len(choice["logprobs"]["content"]) for choice in choices if choice.get("logprobs"))
        self.assertIn(TOKENS - shown, range(4), "each token is shown, but for what is left of a character at the end")

    def events_of(self, node, event):
        return [line for line in node.log().splitlines() if f'"event":"{event}"' in line]

    def engine_of(self, node):
        return json.loads(self.events_of(node, "engine started")[0])["process"]


if __name__ == "__main__":
    unittest.main(verbosity=2)
