#!/usr/bin/env python3
"""tests/engine/count_test.py - what an engine counts is known after its end: kill -9 in mid-answer, and its own count is
that of the ids that were streamed; a node adds up all engines that a model had."""

import json
import mmap
import os
import signal
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import engine, native, weft  # noqa: E402

STREAMS = 4
PAGE = struct.Struct("<QQ")  # tokens sampled, steps: src/wire/engine_page.h
STEPS_ON_THEIR_WAY = 3  # one is; on a busy machine the thread that writes them may be late
ROUNDS = 3
POLL_S = 0.05
NAME = os.path.splitext(os.path.basename(engine.model_path()))[0]


def streamed(stream):
    """Ids of all that came of a stream, which may be cut in the middle of a frame."""
    found, _ = native.split(stream.stream.body())
    return [one.id for one in found if one.kind == native.TOKEN and not one.prompt]


@unittest.skipUnless(hasattr(os, "memfd_create"), "needs memory without a name")
class Killed(unittest.TestCase):
    def test_its_count_is_that_of_what_it_told(self):
        for number in range(ROUNDS):
            descriptor = os.memfd_create("page")
            os.ftruncate(descriptor, PAGE.size)
            program = engine.Engine("--slots", str(STREAMS), "--context", "1024", page=descriptor)
            with mmap.mmap(descriptor, PAGE.size) as page:
                self.round(program, page, 10 + 20 * number)
            os.close(descriptor)

    def round(self, program, page, tokens):
        try:
            program.start().wait_ready()
            self.assertEqual(PAGE.unpack(page), (0, 0))
            streams = [program.stream(prompt="One, two, three,", seed=seed, ignore_end=True) for seed in range(STREAMS)]
            end = time.monotonic() + weft.WAIT_S
            while PAGE.unpack(page)[0] < tokens * STREAMS:
                self.assertLess(time.monotonic(), end, "it does not count")
                time.sleep(0.001)
            os.kill(program.process.pid, signal.SIGKILL)
            told = sum(len(streamed(stream)) for stream in streams)
            program.process.wait()
            sampled, steps = PAGE.unpack(page)
        finally:
            program.give_up()
        print(f"killed: {sampled} tokens sampled in {steps} steps, {told} streamed")
        self.assertGreaterEqual(told, (tokens - STEPS_ON_THEIR_WAY) * STREAMS)
        self.assertLessEqual(told, sampled)
        self.assertLessEqual(sampled - told, STEPS_ON_THEIR_WAY * STREAMS)
        self.assertGreaterEqual(steps, tokens)


class Node(unittest.TestCase):
    def complete(self, node):
        """How many tokens it took."""
        answer = json.load(node.post("/v1/completions", {"model": NAME, "prompt": "Once", "max_tokens": 12, "n": 2}))
        return answer["usage"]["completion_tokens"]

    def until_replaced(self, node, process):
        end = time.monotonic() + weft.WAIT_S
        while (model := node.model())["state"] != "ready" or model["process"] == process:
            self.assertLess(time.monotonic(), end, model)
            time.sleep(POLL_S)

    def test_all_engines_of_a_model_are_added_up(self):
        with weft.Weft("--engine", engine.binary_path(), "--model", engine.model_path(), "--threads", "1") as node:
            self.assertEqual(node.model()["tokens_sampled"], 0)
            sum_of_all = 0
            for _ in range(2):
                sum_of_all += self.complete(node)
                self.assertGreater(sum_of_all, 0)
                self.assertEqual(node.model()["tokens_sampled"], sum_of_all)
                process = node.model()["process"]
                os.kill(process, signal.SIGKILL)
                self.until_replaced(node, process)
                self.assertEqual(node.model()["tokens_sampled"], sum_of_all)
            metrics = node.ask("GET", "/metrics").read().decode().splitlines()
            self.assertIn(f'weft_engine_tokens_sampled_total{{model="{NAME}"}} {sum_of_all}', metrics)
            self.assertGreater(node.model()["steps"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
