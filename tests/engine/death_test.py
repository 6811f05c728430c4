#!/usr/bin/env python3
"""tests/engine/death_test.py - kill -9, a stop, and too little memory for the real engine under a running `weft up`: another
one is started, and what ran goes on where it was cut; and engines end with their node, however that ends."""

import json
import os
import resource
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import engine, weft  # noqa: E402

POLL_S = 0.05
NAME = os.path.splitext(os.path.basename(engine.model_path()))[0]
TOKENS = 120  # of an answer
MUCH = 900_000  # tokens of a prompt: it does not fit, but must be read to know that
CUT = 30  # events, after which the engine is killed: well before its end


class Death(unittest.TestCase):
    def node(self, *more):
        return weft.Weft("--engine", engine.binary_path(), "--model", engine.model_path(), "--threads", "1", *more)

    def stream(self, node, **more):
        return node.post("/v1/completions",
                         {"model": NAME, "prompt": "One, two, three,", "stream": True, "seed": 1, "max_tokens": TOKENS,
                          "ignore_eos": True, "stream_options": {"include_usage": True}, **more})

    def read(self, answer, events=None):
        """What a stream says, as JSON, up to its end or so many events; comments are passed over."""
        read = []
        while events is None or len(read) < events:
            line = answer.readline().decode()
            if not line:
                break
            if line.startswith("data: "):
                read.append(line[len("data: "):].strip())
        if events is None:
            self.assertEqual(read.pop(), "[DONE]")
        return [json.loads(event) for event in read]

    def text(self, events, choice=0):
        return "".join(part["text"] for event in events for part in event["choices"] if part["index"] == choice)

    def tokens(self, events, choice=0):
        """The texts of the tokens that were told, one each, from the logprobs."""
        return [token for event in events for part in event["choices"]
                if part["index"] == choice and part["logprobs"] for token in part["logprobs"]["tokens"]]

    def check_whole(self, events, before, choices=1):
        """An answer that was cut after `before`, whose like was `undisturbed`, is whole, and was counted once."""
        for choice in range(choices):
            tokens = self.tokens(events, choice)
            self.assertEqual(len(tokens), TOKENS)
            self.assertEqual("".join(tokens), self.text(events, choice))
            finishes = [part["finish_reason"] for event in events for part in event["choices"]
                        if part["index"] == choice and part["finish_reason"]]
            self.assertEqual(finishes, ["length"])
            self.assertTrue(self.text(events, choice).startswith(self.text(before, choice)))
        usages = [event["usage"] for event in events if event["usage"]]
        self.assertEqual([usage["completion_tokens"] for usage in usages], [choices * TOKENS])
        self.assertEqual({event["id"] for event in events}, {events[0]["id"]})

    def chat(self, node):
        return json.load(node.post("/v1/chat/completions", {"model": NAME, "max_tokens": 4, "seed": 1,
                                                            "messages": [{"role": "user", "content": "Hello"}]}))

    def test_what_runs_goes_on_and_the_next_is_served(self):
        with self.node() as node:
            before = node.model()
            self.assertEqual((before["state"], before["starts"], before["deaths"]), ("ready", 1, 0))
            undisturbed = self.text(self.read(self.stream(node, logprobs=0)))
            answer = self.stream(node, logprobs=0)
            events = self.read(answer, CUT)
            told = self.text(events)
            os.kill(before["process"], signal.SIGKILL)
            events += self.read(answer)
            self.assertTrue(undisturbed.startswith(told))  # and what comes after may differ by near-ties
            self.check_whole(events, events[:CUT])

            after = node.model()
            self.assertEqual((after["state"], after["starts"], after["deaths"]), ("ready", 2, 1))
            self.assertNotEqual(after["process"], before["process"])
            self.assertTrue(self.chat(node)["choices"][0]["message"]["content"])
            node.stop()
            log = node.log()
        self.assertIn('"event":"engine died"', log)
        self.assertIn("was killed (signal 9)", log)
        self.assertIn('"event":"answer goes on later"', log)
        self.assertFalse(os.path.exists(f"/proc/{after['process']}"))

    def test_two_that_ran_both_go_on(self):
        with self.node() as node:
            answers = [self.stream(node, n=2, logprobs=0), self.stream(node, seed=5, logprobs=0)]
            events = [self.read(answer, CUT) for answer in answers]
            os.kill(node.model()["process"], signal.SIGKILL)
            for i, answer in enumerate(answers):
                before = list(events[i])
                events[i] += self.read(answer)
                self.check_whole(events[i], before, choices=2 - i)

    def test_with_exact_the_answer_is_that_of_an_undisturbed_run(self):
        """What each choice is told, event by event: texts, logprobs, finishes."""
        def told(events, choice):
            return [part for event in events for part in event["choices"] if part["index"] == choice]

        with self.node("--exact") as node:
            undisturbed = self.read(self.stream(node, n=2, logprobs=2))
            answer = self.stream(node, n=2, logprobs=2)
            events = self.read(answer, CUT)
            os.kill(node.model()["process"], signal.SIGKILL)
            events += self.read(answer)
            for choice in (0, 1):
                self.assertEqual(told(events, choice), told(undisturbed, choice))
            self.assertEqual(events[-1]["usage"]["completion_tokens"], 2 * TOKENS)

    def test_an_engine_that_hangs_is_ended_and_the_answer_goes_on(self):
        with self.node("--stall", "2s") as node:
            before = node.model()
            answer = self.stream(node, logprobs=0)
            events = self.read(answer, CUT)
            os.kill(before["process"], signal.SIGSTOP)
            events += self.read(answer)
            self.check_whole(events, events[:CUT])
            self.assertEqual(node.model()["deaths"], 1)
            node.stop()
            self.assertIn("stopped writing and was killed", node.log())

    @unittest.skipUnless(sys.platform == "linux", "only Linux lets a running process be given limits")
    def test_an_engine_that_memory_runs_out_for(self):
        """In mid-answer it gets no more than it has, and somebody asks for much: both are answered, by the next engine."""
        with self.node() as node:
            process = node.model()["process"]
            answer = self.stream(node, logprobs=0)
            events = self.read(answer, CUT)
            with open(f"/proc/{process}/statm", encoding="ascii") as file:
                size = int(file.read().split()[0]) * resource.getpagesize()
            resource.prlimit(process, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
            much = node.ask("POST", "/v1/completions", {"model": NAME, "prompt": [1] * MUCH})
            self.assertEqual((much.status, json.load(much)["error"]["code"]), (400, "context_length_exceeded"))
            self.assertEqual(node.model()["deaths"], 1, "there was memory enough")
            self.check_whole(events + self.read(answer), events)
            self.assertTrue(self.chat(node)["choices"][0]["message"]["content"])
            node.stop()
            if not os.environ.get("WEFT_SANITIZED"):  # else the sanitizer's own allocator ends it, in its way
                self.assertIn("ran out of memory (exit code 67)", node.log())

    def test_an_engine_ends_with_a_node_that_is_killed(self):
        node = self.node().start().wait_ready()
        try:
            process = node.model()["process"]
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
