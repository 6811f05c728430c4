#!/usr/bin/env python3
"""tests/engine/idle_test.py - an engine that has nothing to do takes next to nothing: its threads sleep, not spin.

It loads with the settings that it has by default, answers once, and is then left alone; the system says what it took.
"""

import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import engine, weft  # noqa: E402

NAME = os.path.splitext(os.path.basename(engine.model_path()))[0]
IDLE_S = 20
SHARE_MAX = 0.005  # of one core
TICKS = os.sysconf("SC_CLK_TCK")


def processor_s(process):
    """Seconds of CPU time that a process took so far, all of its threads."""
    with open(f"/proc/{process}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS  # utime and stime; the third field is the first here


class Idle(unittest.TestCase):
    def test_an_idle_engine_takes_under_half_a_percent_of_a_core(self):
        with weft.Weft("--engine", engine.binary_path(), "--model", engine.model_path()) as node:
            before = processor_s(self.process(node))
            self.chat(node)
            process = self.process(node)
            answered = processor_s(process)
            self.assertGreater(answered - before, 0, "what it took to answer is seen")
            time.sleep(IDLE_S)  # nobody does anything: that is what is measured
            share = (processor_s(process) - answered) / IDLE_S
            print(f"idle engine: {share:.2%} of a core over {IDLE_S} s")
            self.assertLess(share, SHARE_MAX)
            self.chat(node)
            self.assertEqual(self.process(node), process, "it was there all the time")

    def process(self, node):
        started = [json.loads(line) for line in node.log().splitlines() if '"engine started"' in line]
        self.assertEqual(len(started), 1, node.log())
        return started[0]["process"]

    def chat(self, node):
        answer = node.post("/v1/chat/completions", {
            "model": NAME, "messages": [{"role": "user", "content": "Count to five."}], "max_tokens": 16})
        self.assertGreater(json.load(answer)["usage"]["completion_tokens"], 0)


if __name__ == "__main__":
    if not os.path.isdir("/proc/self"):
        print("SKIP: what a process took is read from /proc, and this system has none")
        sys.exit(77)
    unittest.main(verbosity=2)
