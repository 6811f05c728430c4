#!/usr/bin/env python3
"""tests/gemma/audit_test.py - /score tells an answer of this model from any other; and what is written alone, beside others
or resumed differs by near-ties only.

Alone, beside others and in one prefill other kernels compute, which round otherwise: of 960 positions none was further
from the choice than 0.75. Only at a filter's border it may be: a token that just fell out may have had any noise. So
margins are clipped and summed. What is not this model's own is further off, and often."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.engine import Engine  # noqa: E402

MODEL = os.environ["WEFT_GEMMA"]
NEAR_TIE = 1.0  # in units of a scaled logit
MEAN_MAX = 0.125  # of an honest answer's margins, clipped: near-ties are rare
TOKENS = 24
GREEDY = {"temperature": 0}
USUAL = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05}  # what the API takes where nothing is said
PROMPTS = ("Once upon a time", "The capital of France is", "Photosynthesis is the process by which",
           "In 1815, after the battle,", "Zur Zubereitung des Teigs", "def fibonacci(n):\n",
           "The three most important things about sailing are", "東京は日本の")

engine = None
prompts = []


def setUpModule():
    global engine, prompts
    engine = Engine("--slots", "8", "--context", "512", model=MODEL).__enter__()
    prompts = [engine.tokenize(prompt, special=True, begin=True) for prompt in PROMPTS]


def tearDownModule():
    engine.__exit__(None, None, None)


def asked(number, sampling):
    return {"prompt": prompts[number], "max_tokens": TOKENS, "seed": 100 + number, **sampling}


def margins(number, ids, sampling, choice=0):
    positions = engine.post("/score", {"ids": prompts[number] + ids, "from": len(prompts[number]),
                                       "seed": 100 + number + choice, **sampling})["positions"]
    return [one["margin"] for one in positions]


def honest(found):
    return sum(min(max(margin, 0), NEAR_TIE) for margin in found) / len(found) <= MEAN_MAX


class Audit(unittest.TestCase):
    def check(self, sampling):
        """Alone and all at once; each answer passes, and where the two part it is nearly a tie."""
        streams = [engine.stream(**asked(i, sampling)) for i in range(len(prompts))]
        together = [stream.rest().choices[0].ids for stream in streams]
        parted = 0
        for i, ids in enumerate(together):
            alone = engine.generate(**asked(i, sampling)).choices[0].ids
            parted += ids != alone
            for answer in [alone] + ([ids] if ids != alone else []):
                found = margins(i, answer, sampling)
                self.assertEqual(len(found), len(answer))
                self.assertTrue(honest(found), found)
                if sampling is GREEDY:  # it has no filters
                    self.assertLessEqual(max(found), NEAR_TIE)
        print(f"{parted} of {len(prompts)} part from their lone run", flush=True)

    def test_greedy(self):
        self.check(GREEDY)

    def test_usual_sampling(self):
        self.check(USUAL)

    def test_choices_are_those_of_the_seeds_that_follow(self):
        answer = engine.generate(**asked(0, USUAL), n=3)
        for i, choice in answer.choices.items():
            self.assertTrue(honest(margins(0, choice.ids, USUAL, i)))
        self.assertFalse(honest(margins(0, answer.choices[1].ids, USUAL, 0)))

    def test_replaced_tokens_are_found(self):
        for sampling in (GREEDY, USUAL):
            ids = engine.generate(**asked(2, sampling)).choices[0].ids
            for at in (0, 7, len(ids) - 1):
                wrong = ids[:at] + engine.tokenize(" banana")[:1] + ids[at + 1:]
                found = margins(2, wrong, sampling)
                self.assertGreater(found[at], NEAR_TIE, at)
                self.assertTrue(at == 0 or honest(found[:at]))

    def test_another_models_answer_is_found(self):
        with Engine("--slots", "1", "--context", "256") as other:
            texts = [other.generate(prompt=prompt, max_tokens=TOKENS, ignore_end=True, **GREEDY).choices[0].content
                     for prompt in PROMPTS[:3]]
        for i, text in enumerate(texts):
            self.assertFalse(honest(margins(i, engine.tokenize(text), GREEDY)), i)


class Resume(unittest.TestCase):
    def test_at_every_fifth_token(self):
        for sampling in (GREEDY, USUAL):
            whole = engine.generate(**asked(3, sampling), ignore_end=True).choices[0].ids
            for cut in range(5, TOKENS, 5):
                answer = engine.generate(**asked(3, sampling), ignore_end=True, resume=[whole[:cut]])
                rest = answer.choices[0].ids
                self.assertEqual(len(rest), TOKENS - cut)  # none lost, none twice
                self.assertEqual(answer.usage.prompt_tokens, len(prompts[3]))
                if rest != whole[cut:]:
                    self.assertTrue(honest(found := margins(3, whole[:cut] + rest, sampling)), found)


if __name__ == "__main__":
    unittest.main(verbosity=2)
