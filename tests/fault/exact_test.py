#!/usr/bin/env python3
"""tests/fault/exact_test.py - the same with --exact: each answer is, to the last byte, what it is undisturbed."""

import unittest

from rounds import Rounds


class Exact(Rounds, unittest.TestCase):
    exact = True


if __name__ == "__main__":
    unittest.main(verbosity=2)
