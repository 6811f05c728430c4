#!/usr/bin/env python3
"""tests/engine/stop_test.py - stop strings never leak: whatever part of an answer is named as one, nothing from it on is
shown, streamed or not; and what is shown is always whole characters."""

import json
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.engine import model_path  # noqa: E402
from lib.weft import Weft  # noqa: E402

MODEL = model_path()
CASES = 40
PROMPTS = ("Write a poem about the sea.", "Schreibe einen Satz über Äpfel und Öl.", "Répète: été, façade, naïf.",
           "List five emojis with their names.", "日本語で挨拶を書いてください。")


def ask(node, prompt, seed, **more):
    body = {"model": os.path.basename(MODEL).removesuffix(".gguf"), "messages": [{"role": "user", "content": prompt}],
            "max_tokens": 24, "seed": seed, "temperature": 0.9, **more}
    text = node.post("/v1/chat/completions", body).read().decode()  # UTF-8, or this fails
    if not more.get("stream"):
        choice = json.loads(text)["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    pieces = [choice["delta"].get("content") or "" for event in events for choice in event["choices"]]
    for piece in pieces:
        piece.encode()  # no half of a surrogate pair
    return "".join(pieces), [choice["finish_reason"] for event in events for choice in event["choices"]][-1]


def first_end(text, stops):
    """What is left of a text once one of the stop strings is complete: the one that ends first, of those the longest."""
    ends = [(text.index(stop) + len(stop), text.index(stop)) for stop in stops if stop in text]
    return text[:min(ends)[1]] if ends else text


class StopTest(unittest.TestCase):
    def test_no_part_is_shown(self):
        # One slot and one stream: each run of a prompt computes in the same steps, so that runs can be compared.
        with Weft("--model", MODEL, "--slots", "1", "--context", "512", "--threads", "1") as node:
            met = 0
            for seed in range(CASES):
                drawn = random.Random(seed)
                prompt = PROMPTS[seed % len(PROMPTS)]
                ask(node, prompt, seed, max_tokens=1)  # from now on the prompt is known
                whole, _ = ask(node, prompt, seed)
                if len(whole) < 12:
                    continue
                stops = []
                for _ in range(drawn.randint(1, 3)):
                    at = drawn.randrange(len(whole) - 8)
                    stops.append(whole[at:at + drawn.randint(1, 8)])
                stops.append(whole[-4:] + "\u2603")  # begins at the very end and is never complete
                for stream in (False, True):
                    text, finish = ask(node, prompt, seed, stop=stops, stream=stream)
                    self.assertEqual(text, first_end(whole, stops), (seed, stream))
                    self.assertEqual(finish, "stop")
                met += 1
            self.assertGreater(met, CASES * 3 // 4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
