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
# What an engine says of a request goes to the client as it is.
ENGINE_CODES = [
    re.compile(r'write_error\(\s*out,\s*\d+,\s*"(\w+)"'),
    re.compile(r'refuse\(\s*errand,\s*(?:error,\s*)?"(\w+)"'),
    re.compile(r'\.code = "(\w+)"'),
]
EXTERNAL_CODES = [re.compile(r'say\(error, \d+, "(\w+)"'), re.compile(r'\.code = "(\w+)"')]
INSIDE = {"context_overflow", "bad_method"}  # the node renames the one, and never causes the other


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
        for source in glob.glob(os.path.join(HOUSE, "src/node/openai*.c")) + [os.path.join(HOUSE, "src/node/delivery.c")]:
            for pattern in CODES:
                codes.update(pattern.findall(read(source)))
        self.assertGreater(len(codes), 12)
        self.assertEqual([], sorted(codes - self.named))

    def test_codes_of_external_servers(self):
        codes = set()
        for source in glob.glob(os.path.join(HOUSE, "src/node/external*.c")):
            for pattern in CODES + EXTERNAL_CODES:
                codes.update(pattern.findall(read(source)))
        self.assertGreater(len(codes), 8)
        self.assertEqual([], sorted(codes - INSIDE - self.named))

    def test_codes_of_the_engine(self):
        codes = set()
        for name in ("answer", "errand", "generate", "prompt"):
            for pattern in ENGINE_CODES:
                codes.update(pattern.findall(read(f"src/engine/{name}.c")))
        self.assertGreater(len(codes), 6)
        self.assertEqual([], sorted(codes - INSIDE - self.named))


if __name__ == "__main__":
    unittest.main()
