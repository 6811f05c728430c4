#!/usr/bin/env python3
"""tests/engine/death_test.py - kill -9 of the real engine under a running `weft up`: what runs fails with a typed error,
another engine is started, and the next request is served; and engines end with their node, however that ends."""

import http.client
import json
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import engine, weft  # noqa: E402

POLL_S = 0.05
NAME = os.path.splitext(os.path.basename(engine.model_path()))[0]
LONG_ENOUGH = 4000  # tokens: more than are written before the kill


class Death(unittest.TestCase):
    def node(self):
        return weft.Weft("--engine", engine.binary_path(), "--model", engine.model_path(), "--threads", "1")

    def ask(self, node, method, path, body=None, token=None):
        connection = http.client.HTTPConnection("127.0.0.1", node.tcp_port, timeout=weft.WAIT_S)
        self.addCleanup(connection.close)
        headers = {"Content-Type": "application/json"} if body else {}
        if token:
            headers["Authorization"] = "Bearer " + token
        connection.request(method, path, json.dumps(body) if body else None, headers)
        return connection.getresponse()

    def model(self, node):
        with open(os.path.join(node.home, "owner.token"), encoding="utf-8") as file:
            token = file.read().strip()
        return json.load(self.ask(node, "GET", "/weft/v1/status", token=token))["models"][0]

    def stream(self, node, **more):
        answer = self.ask(node, "POST", "/v1/completions",
                          {"model": NAME, "prompt": "One, two, three,", "stream": True, "seed": 1, **more})
        self.assertEqual(answer.status, 200, answer.headers)
        return answer

    def chat(self, node):
        """(status, body)"""
        answer = self.ask(node, "POST", "/v1/chat/completions",
                          {"model": NAME, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4,
                           "seed": 1})
        return answer.status, json.load(answer)

    def until_replaced(self, node, before):
        """Waits for another engine to be ready. What asks meanwhile is told to come again."""
        refusals = 0
        end = time.monotonic() + weft.WAIT_S
        while time.monotonic() < end:
            model = self.model(node)
            if model["state"] == "ready" and model["process"] != before["process"]:
                return model, refusals
            status, body = self.chat(node)
            if status != 200:
                self.assertEqual(status, 503, body)
                refusals += 1
            time.sleep(POLL_S)
        raise AssertionError(f"no other engine came: {self.model(node)}")

    def test_what_runs_fails_and_the_next_is_served(self):
        with self.node() as node:
            before = self.model(node)
            self.assertEqual((before["state"], before["starts"], before["deaths"]), ("ready", 1, 0))
            answer = self.stream(node, max_tokens=LONG_ENOUGH)
            while not (line := answer.readline()).startswith(b"data: "):  # comments may come before
                self.assertTrue(line, "the answer has ended")
            os.kill(before["process"], signal.SIGKILL)
            killed = time.monotonic()
            rest = answer.read().decode()  # it ends in order: no reset, and nobody waits
            self.assertLess(time.monotonic() - killed, 3)
            last = [line[len("data: "):] for line in rest.splitlines() if line.startswith("data: ")][-1]
            error = json.loads(last)["error"]
            self.assertEqual(error["code"], "engine_lost")
            self.assertIn("please ask again", error["message"])

            after, refusals = self.until_replaced(node, before)
            self.assertGreater(refusals, 0)
            self.assertEqual((after["starts"], after["deaths"]), (2, 1))
            status, body = self.chat(node)
            self.assertEqual(status, 200, body)
            self.assertTrue(body["choices"][0]["message"]["content"])
            node.stop()
            log = node.log()
        self.assertIn('"event":"engine died"', log)
        self.assertIn("was killed (signal 9)", log)
        self.assertFalse(os.path.exists(f"/proc/{after['process']}"))

    def test_an_engine_ends_with_a_node_that_is_killed(self):
        node = self.node().start().wait_ready()
        try:
            process = self.model(node)["process"]
        finally:
            node.give_up()
        end = time.monotonic() + weft.WAIT_S
        while self.lives(process):
            self.assertLess(time.monotonic(), end)
            time.sleep(POLL_S)

    def lives(self, process):
        """A zombie that nobody has reaped yet is dead."""
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8") as file:
                return file.read().rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False


if __name__ == "__main__":
    unittest.main(verbosity=2)
