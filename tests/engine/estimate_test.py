#!/usr/bin/env python3
"""tests/engine/estimate_test.py - what a model is said to take is no less than it takes, and not much more."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import engine_check  # noqa: E402

MODEL = os.environ["WEFT_MODEL"]


class Estimate(unittest.TestCase):
    def test_it_is_true(self):
        engine_check.assert_estimates_are_true(self, MODEL, [(1, 512), (8, 512), (1, 4096), (8, 4096)])

    def test_what_cannot_fit_is_refused_before_it_is_read(self):
        done = engine_check.run(MODEL, "--memory-max", "600M", "--slots", "8", "--context", "8192")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"The model needs [\d.]+ GB: [\d.]+ model \+ [\d.]+ context of 8 slots x 8192 tokens"
                                      r" \+ [\d.]+ work; 0.6 GB are available to it \(--memory-max\)\. Try --context 2048 or"
                                      r" --slots 2\.")

    def test_what_is_advised_then_works(self):
        done = engine_check.run(MODEL, "--memory-max", "600M", "--slots", "8", "--context", "2048")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_context_it_was_not_trained_for_is_refused(self):
        done = engine_check.run(MODEL, "--context", "8193")
        self.assertEqual(done.returncode, 1)
        self.assertIn("more than the 8192 that this model was trained for", done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
