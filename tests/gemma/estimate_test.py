#!/usr/bin/env python3
"""tests/gemma/estimate_test.py - an estimate holds for another architecture: sliding windows, a large vocabulary."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import engine_check  # noqa: E402


class Estimate(unittest.TestCase):
    def test_it_is_true(self):
        engine_check.assert_estimates_are_true(self, os.environ["WEFT_GEMMA"], [(1, 512), (8, 512), (1, 4096), (8, 4096)])


if __name__ == "__main__":
    sys.exit(unittest.main())
