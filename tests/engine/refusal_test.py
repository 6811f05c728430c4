#!/usr/bin/env python3
"""tests/engine/refusal_test.py - what the real engine has against a model, `weft up` says, once and at once.

The sentence is the engine's own, and no second engine is started where it could only say the same.
"""

import json
import os
import shlex
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import engine, weft  # noqa: E402

CUT_AT = 20_000_000  # behind the head, in the middle of the weights


class Refusal(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="weft-refusal-")
        self.addCleanup(shutil.rmtree, self.folder)

    def said(self, program, model):
        """What is said of a model, by the only engine that was started for it."""
        node = weft.Weft("--engine", program, "--model", model, "--threads", "1")
        self.addCleanup(node.give_up)
        node.start()
        self.assertEqual(node.process.wait(weft.WAIT_S), 1, node.log())
        lines = node.log().splitlines()
        events = [json.loads(line)["event"] for line in lines if line.startswith("{")]
        self.assertEqual((events.count("engine started"), events.count("engine died")), (1, 0), node.log())
        line, = [line for line in lines if line.startswith("weft: ")]
        return line

    def test_a_model_that_is_cut_short(self):
        path = os.path.join(self.folder, "damaged.gguf")
        with open(engine.model_path(), "rb") as whole, open(path, "wb") as cut:
            cut.write(whole.read(CUT_AT))
        self.assertRegex(self.said(engine.binary_path(), path),
                         r"^weft: damaged.*: damaged\.gguf is cut short: .* are missing\. Download it again\.$")

    def started_with(self, flags):
        """The engine, given more flags than weft gives it."""
        program = os.path.join(self.folder, "engine")
        with open(program, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec {shlex.quote(engine.binary_path())} "$@" {flags}\n')
        os.chmod(program, 0o700)
        return program

    def test_an_engine_that_finds_no_library_to_compute_with(self):
        """It has not come so far as to look at the model."""
        said = self.said(self.started_with("--variant none"), engine.model_path())
        self.assertIn('The CPU variant "none" is not there', said)

    def test_an_engine_that_does_not_understand_how_it_is_started(self):
        said = self.said(self.started_with("--new-flag"), engine.model_path())
        self.assertIn("weft and weft-engine must be of the same build (exit code 2)", said)
        self.assertIn("Another would end the same way", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
