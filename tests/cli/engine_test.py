#!/usr/bin/env python3
"""tests/cli/engine_test.py - `weft up` and its engines: those that are missing, end, crash, hang, and how they are ended.

The engines here are a shell script that behaves as the name of its model says; the real one is in tests/engine.
"""

import json
import os
import shutil
import stat
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import weft  # noqa: E402

PARTING_S = 2  # what an engine gets to end by itself
SCRIPT = """#!/bin/sh
# $2 is the model, by --model
case "$2" in
*/exits.gguf) exit 3 ;;
*/memory.gguf) exit 67 ;;
*/crashes.gguf) kill -SEGV $$ ;;
*/killed.gguf) kill -KILL $$ ;;
*/hangs.gguf) exec sleep 1000 ;;
esac
"""


def lives(process):
    return os.path.exists(f"/proc/{process}") if os.path.isdir("/proc/self") else _signals(process)


def _signals(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


class Engines(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="weft-engines-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.script = os.path.join(self.folder, "engine")
        with open(self.script, "w", encoding="utf-8") as file:
            file.write(SCRIPT)
        os.chmod(self.script, 0o700)

    def models(self, *names):
        flags = []
        for name in names:
            path = os.path.join(self.folder, name + ".gguf")
            with open(path, "wb") as file:
                file.write(b"GGUF")
            flags += ["--model", path]
        return flags

    def start(self, *flags):
        node = weft.Weft(*flags)
        self.addCleanup(node.give_up)
        return node.start()

    def lines_until(self, node, words):
        """Reads what the node says until a line holds `words`; takes its addresses."""
        while True:
            line = node.lines.next()
            self.assertIsNotNone(line, node.log())
            if line.startswith(weft.LISTENING):
                node._take_address(line[len(weft.LISTENING):].split()[0])
            self.assertFalse(line.startswith("ready"), "it is not")
            if words in line:
                return

    def said_at_the_end(self, node):
        """It could not serve what it was given: it ended by itself, and said why. Returns (that line, the events)."""
        self.assertEqual(node.process.wait(weft.WAIT_S), 1, node.log())
        lines = node.log().splitlines()
        said, = [line for line in lines if line.startswith("weft: ")]
        return said, [json.loads(line) for line in lines if line.startswith("{")]

    def test_each_end_has_its_name(self):
        """Given up after the fifth, with what it was."""
        ends = {"exits": "ended with an error (exit code 3), before it was ready", "memory": "ran out of memory (exit code 67)",
                "crashes": "crashed (signal 11)", "killed": "was killed (signal 9)"}
        nodes = {name: self.start("--engine", self.script, *self.models(name)) for name in ends}
        for name, node in nodes.items():
            said, events = self.said_at_the_end(node)
            self.assertTrue(said.startswith(f"weft: {name} is not served: "), said)
            self.assertIn(ends[name], said)
            died = [event for event in events if event["event"] == "engine died"]
            self.assertEqual([event["restart_in_ms"] for event in died], [250, 500, 1000, 2000])
            self.assertEqual(sum(event["event"] == "model given up" for event in events), 1)

    def test_no_program(self):
        os.chmod(self.script, stat.S_IRUSR)
        for program, says in ((os.path.join(self.folder, "none"), "The engine program is not there."),
                              (self.script, "The engine program may not be run.")):
            said, _ = self.said_at_the_end(self.start("--engine", program, *self.models("any")))
            self.assertIn("any is not served: " + says, said)

    def test_one_that_does_not_go_is_killed(self):
        """Whoever ends the node need not look for its engines; a second signal does not wait for them."""
        for signals, least_s, most_s in ((1, PARTING_S, 3 * PARTING_S), (2, 0, PARTING_S)):
            node = self.start("--engine", self.script, *self.models("hangs"))
            self.lines_until(node, "loading hangs")
            ready = node.ask("GET", "/readyz")
            self.assertEqual((ready.status, json.load(ready)), (503, {"status": "loading", "progress": 0}))
            started = [json.loads(line) for line in node.log().splitlines() if "engine started" in line]
            process = started[0]["process"]
            self.assertTrue(lives(process))
            before = time.monotonic()
            node.terminate()
            if signals == 2:
                while "draining" not in node.log():
                    pass
                node.process.terminate()
            self.assertEqual(node.process.wait(weft.WAIT_S), 0, node.log())
            took = time.monotonic() - before
            self.assertFalse(lives(process))
            self.assertGreaterEqual(took, least_s - 0.1)
            self.assertLess(took, most_s)


if __name__ == "__main__":
    unittest.main(verbosity=2)
