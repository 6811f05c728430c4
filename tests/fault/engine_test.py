#!/usr/bin/env python3
"""tests/fault/engine_test.py - engines that end under eight streams: every answer is whole, and its end as likely as another."""

import unittest

from rounds import Rounds


class Usual(Rounds, unittest.TestCase):
    pass


if __name__ == "__main__":
    unittest.main(verbosity=2)
