#!/usr/bin/env python3
"""tests/engine/schema_test.py - 200 JSON schemas drawn from a seed, asked of the real model through the chat API: an
answer that ended by itself fits its schema, one that was cut is the beginning of one that does."""

import concurrent.futures
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import schemas  # noqa: E402
from lib.engine import model_path  # noqa: E402
from lib.weft import WAIT_S, Weft  # noqa: E402

MODEL = model_path()
SCHEMAS = 200
AT_ONCE = 8
WHOLE_MIN = 150
MAX_TOKENS = 200


def ask(node, seed):
    schema = schemas.draw(seed)
    body = {"model": os.path.basename(MODEL).removesuffix(".gguf"), "max_tokens": MAX_TOKENS, "seed": seed,
            "temperature": 0.7,
            "messages": [{"role": "user", "content": "Describe a place you know, as JSON."}],
            "response_format":
                {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}}
    choice = json.load(node.post("/v1/chat/completions", body, wait_s=4 * WAIT_S))["choices"][0]
    return seed, schema, choice["message"]["content"], choice["finish_reason"]


class SchemaTest(unittest.TestCase):
    def test_the_reader_of_beginnings_can_say_no(self):
        schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 9}},
                  "required": ["a"], "additionalProperties": False}
        for text in ("", "{", '{"', '{"a', '{"a":', '{"a": 4', '{"a": 4}'):
            self.assertTrue(schemas.begins(schema, text), text)
        for text in ("[", "{}", '{"b', '{"a":x', '{"a":12,', '{"a":4,', '{"a":4}}'):
            self.assertFalse(schemas.begins(schema, text), text)

    def test_every_answer_fits(self):
        first = int(os.environ.get("WEFT_SEED", "1"))
        print(f"schemas {first} to {first + SCHEMAS - 1}", flush=True)
        with Weft("--model", MODEL, "--slots", str(AT_ONCE), "--context", "1024", "--threads", "1") as node, \
                concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            whole = schemas.judge(self, pool.map(lambda seed: ask(node, seed), range(first, first + SCHEMAS)))
        self.assertGreaterEqual(whole, WHOLE_MIN)


if __name__ == "__main__":
    unittest.main(verbosity=2)
