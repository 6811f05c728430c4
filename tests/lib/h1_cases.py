"""tests/lib/h1_cases.py - reads tests/conformance/h1_cases.txt, whose head says what is in it."""
import os
import re

PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "conformance", "h1_cases.txt")
ESCAPES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}


class Case:
    def __init__(self, name):
        self.name, self.data, self.statuses, self.closes = name, b"", [], False


def unescape(text):
    return re.sub(rb"\\(x..|.)", lambda found: ESCAPES.get(found[1]) or bytes([int(found[1][1:], 16)]), text)


def read_cases():
    cases = []
    with open(PATH, "rb") as table:
        for line in table.read().split(b"\n"):
            word, _, text = line.partition(b" ")
            if not line or line.startswith(b"#"):
                continue
            if word == b"case":
                cases.append(Case(text.decode()))
            elif word == b"send":
                cases[-1].data += unescape(text)
            elif word == b"repeat":
                times, _, text = text.partition(b" ")
                cases[-1].data += int(times) * unescape(text)
            elif word == b"expect":
                cases[-1].statuses = [int(status) for status in text.split() if status != b"-"]
            elif word == b"fate":
                cases[-1].closes = text == b"close"
            else:
                raise ValueError(line)
    return cases
