#!/usr/bin/env python3
"""tests/tools/api_doc_test.py - docs/API.md names every parameter that the node knows, and every error that it tells."""

import glob
import os
import re
import unittest

HOUSE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARAMETER = re.compile(r'^    \{"([a-z_]+)", (?:CHAT|COMPLETION|BOTH), ', re.MULTILINE)
CODES = [
    re.compile(r'weft_openai_error_set\(\s*&?\w+,\s*\d+,\s*"(\w+)"'),
    re.compile(r'weft_openai_wrong\(\s*\w+,\s*(?:"[^"]*"|[^",]+),\s*"(\w+)"'),
]


def read(path):
    with open(os.path.join(HOUSE, path), encoding="utf-8") as file:
        return file.read()


class ApiDocTest(unittest.TestCase):
    def setUp(self):
        self.named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", read("docs/API.md")))))

    def test_parameters(self):
        names = PARAMETER.findall(read("src/node/openai_request.c"))
        self.assertGreater(len(names), 40)
        self.assertEqual([], [name for name in names if name not in self.named])

    def test_codes(self):
        codes = set()
        for source in glob.glob(os.path.join(HOUSE, "src/node/openai*.c")):
            for pattern in CODES:
                codes.update(pattern.findall(read(source)))
        self.assertGreater(len(codes), 12)
        self.assertEqual([], sorted(codes - self.named))


if __name__ == "__main__":
    unittest.main()
