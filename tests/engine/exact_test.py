#!/usr/bin/env python3
"""tests/engine/exact_test.py - with --exact an answer depends on its request alone, to the last bit.

Ids are compared, and the log probabilities beside them: those tell of a difference long before another token comes of it.
"""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import hostile_gguf  # noqa: E402
from lib import engine  # noqa: E402

SLOTS, CONTEXT = 8, 1024
PROMPT, OTHERS, TOKENS = 320, 100, 24  # beyond 256 tokens a lone stream's attention is split over the threads, by default
WAIT_S = 120


def request(number=0, **members):
    """Prompts of ordinary tokens without a pattern, another one for each number."""
    size = OTHERS if number else PROMPT
    prompt = [(number * 1000003 + at * 7919) % 30000 + 1000 for at in range(size)]
    return {"prompt": prompt, "seed": 7 + number, "temperature": 0.8, "max_tokens": TOKENS, "logprobs": 2,
            "ignore_end": True, **members}


def steps(answer, choice=0):
    return [(token.id, token.logprob, token.top) for token in answer.choices[choice].tokens]


def start(*flags, threads=1):
    return engine.Engine("--slots", str(SLOTS), "--context", str(CONTEXT), *flags, threads=threads)


def alone(*flags, threads=1):
    """The answer of an engine that has done nothing else."""
    with start(*flags, threads=threads) as fresh:
        return steps(fresh.generate(**request()))


def resumed(one, whole, *cuts):
    """Answers that go on from there, all at once."""
    streams = [one.stream(**request(resume=[[token[0] for token in whole[:cut]]])) for cut in cuts]
    return [steps(stream.rest()) for stream in streams]


def beside(one, others):
    """The answer while others, whose prompts come together with its own, are written too."""
    streams = [one.stream(**request(number)) for number in range(others + 1)]
    return steps([stream.rest() for stream in streams][0])


def amid(one, others):
    """The same, but its prompt is read in the small pieces that go beside answers."""
    streams = [one.stream(**request(number, max_tokens=400)) for number in range(1, others + 1)]
    for stream in streams:
        stream.token()
    answer = one.generate(**request())
    for stream in streams:
        stream.cancel()
    return steps(answer)


def copied(one):
    """The second of two choices begins with a copy of the first one's prompt; its seed is one higher."""
    return steps(one.generate(**request(seed=6, n=2)), 1)


class Exact(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.whole = alone("--exact")

    def run_with(self, ask):
        with start("--exact") as one:
            return ask(one)

    def test_resumed_anywhere(self):
        for cuts in ((9,), (1, 2, 17, TOKENS - 1)):
            with self.subTest(cuts=cuts):
                self.assertEqual(self.run_with(lambda one: resumed(one, self.whole, *cuts)),
                                 [self.whole[cut:] for cut in cuts])

    def test_beside_seven_others(self):
        self.assertEqual(self.run_with(lambda one: beside(one, SLOTS - 1)), self.whole)

    def test_read_in_pieces_amid_others(self):
        self.assertEqual(self.run_with(lambda one: amid(one, 3)), self.whole)

    def test_with_a_copied_prompt(self):
        self.assertEqual(self.run_with(copied), self.whole)

    def test_asked_again_of_an_engine_that_remembers(self):
        def again(one):
            beside(one, 2)
            return resumed(one, self.whole, 9)
        self.assertEqual(self.run_with(again), [self.whole[9:]])

    def test_on_two_threads(self):
        """Where the default setting certainly differs: there each thread looks back over a part of its own."""
        self.assertEqual(alone("--exact", threads=2), self.whole)

    def test_it_says_so(self):
        self.assertEqual(self.run_with(lambda one: [one.get("/info")[1][name] for name in ("exact", "kernel_class")]),
                         [True, "Q4_1/haswell/exact-1"])


class Refused(unittest.TestCase):
    def said(self, model, *flags):
        done = subprocess.run([engine.binary_path(), "--model", model, "--exact", "--check", *flags], capture_output=True,
                              text=True, timeout=WAIT_S)
        self.assertEqual(done.returncode, 1)
        return done.stderr

    def test_another_library(self):
        self.assertIn('Exact arithmetic was shown with the CPU library "haswell" only, and --variant names another one.',
                      self.said(engine.model_path(), "--variant", "x64"))

    def test_another_architecture(self):
        with tempfile.TemporaryDirectory(prefix="weft-exact-") as folder:
            path = os.path.join(folder, "other.gguf")
            other = hostile_gguf.Gguf(engine.model_path())
            other.set("general.architecture", b"mamba", hostile_gguf.STRING)
            other.write(path)
            self.assertIn("that was not shown for the architecture mamba, only for llama and gemma3", self.said(path))


if __name__ == "__main__":
    unittest.main(verbosity=2)
