#!/usr/bin/env python3
"""tests/gemma/completions_test.py - the whole path with a base model of another architecture (sliding windows) and another
tokenizer (bytes for rare characters, a begin token): text completions, schemas, and chats without a template."""

import concurrent.futures
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import schemas  # noqa: E402
from lib.weft import WAIT_S, Weft  # noqa: E402

MODEL = os.environ["WEFT_GEMMA"]
CONTEXT, SLOTS, WINDOW = 1024, 8, 512
SCHEMAS, WHOLE_MIN = 40, 15
COUNTING = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10,"  # a prompt that leaves the model no doubt
CUNEIFORM = "root ::= [𒀀-𒍿]{6}"  # each sign is a token per byte
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"],
    "additionalProperties": False}}}

node = None


def setUpModule():
    global node
    node = Weft("--model", MODEL, "--slots", str(SLOTS), "--context", str(CONTEXT), "--threads", "1").__enter__()


def tearDownModule():
    node.__exit__(None, None, None)


def post(path, members):
    body = {"model": os.path.basename(MODEL).removesuffix(".gguf"), "seed": 1, **members}
    return node.post(path, body, wait_s=2 * WAIT_S).read().decode()  # UTF-8, or this fails


def complete(prompt, **members):
    return json.loads(post("/v1/completions", {"prompt": prompt, **members}))


def stream(prompt, **members):
    """The pieces of text, and the usage."""
    lines = post("/v1/completions", {"prompt": prompt, "stream": True, "stream_options": {"include_usage": True}, **members})
    events = [json.loads(line[6:]) for line in lines.splitlines() if line.startswith("data: {")]
    return [choice["text"] for event in events for choice in event["choices"]], events[-1]["usage"]


def chat(**members):
    return json.loads(post("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hello"}], **members}))


class Completions(unittest.TestCase):
    def test_streamed_and_plain_are_equal_for_one_seed(self):
        members = {"max_tokens": 24, "temperature": 1, "seed": 11}
        complete("Once upon a time", **members)  # now the prompt is read: the next two compute the same
        plain = complete("Once upon a time", **members)
        pieces, usage = stream("Once upon a time", **members)
        self.assertEqual("".join(pieces), plain["choices"][0]["text"])
        self.assertEqual(usage, plain["usage"])
        self.assertEqual((usage["prompt_tokens"], usage["completion_tokens"]), (5, 24))  # with the begin token
        self.assertNotEqual(plain["choices"][0]["text"],
                            complete("Once upon a time", **dict(members, seed=12))["choices"][0]["text"])

    def test_characters_of_many_tokens_come_whole(self):
        pieces, usage = stream("Cuneiform:", max_tokens=60, grammar=CUNEIFORM)
        self.assertRegex("".join(pieces), "^[𒀀-𒍿]{6}$")
        self.assertGreaterEqual(usage["completion_tokens"], 4 * 6)
        cut, usage = stream("Cuneiform:", max_tokens=10, grammar=CUNEIFORM)
        self.assertRegex("".join(cut), "^[𒀀-𒍿]{2}\ufffd$")  # half of the third sign
        self.assertEqual(usage["completion_tokens"], 10)

    def test_stop(self):
        for pieces in ([complete(COUNTING, max_tokens=40, temperature=0, stop=["x", " 14"])["choices"][0]["text"]],
                       stream(COUNTING, max_tokens=40, temperature=0, stop=["x", " 14"])[0]):
            self.assertEqual("".join(pieces), " 11, 12, 13,")

    def test_echo_and_logprobs(self):
        answer = complete(COUNTING, max_tokens=6, temperature=0, echo=True, logprobs=2)
        choice, told = answer["choices"][0], answer["choices"][0]["logprobs"]
        self.assertTrue(choice["text"].startswith(COUNTING + " 11"), choice["text"])
        self.assertEqual(len(told["tokens"]), answer["usage"]["total_tokens"])
        self.assertEqual("".join(told["tokens"]), choice["text"])
        for token, place in zip(told["tokens"], told["text_offset"]):
            self.assertTrue(choice["text"].startswith(token, place))
        self.assertEqual((told["token_logprobs"][0], told["top_logprobs"][0]), (None, None))
        for token, logprob, top in list(zip(told["tokens"], told["token_logprobs"], told["top_logprobs"]))[-6:]:
            self.assertEqual((max(top, key=top.get), top[token], len(top)), (token, logprob, 2))

    def test_n(self):
        answer = complete("Once", n=4, max_tokens=6, temperature=1, ignore_eos=True)
        self.assertEqual([choice["index"] for choice in answer["choices"]], list(range(4)))
        self.assertEqual(answer["usage"]["completion_tokens"], 24)
        self.assertGreater(len({choice["text"] for choice in answer["choices"]}), 1)

    def test_a_prefix_longer_than_the_window_is_used_again(self):
        """Behind the cut the window needs tokens that the first prompt has left behind."""
        longer = ", ".join(str(i) for i in range(1, 180)) + ","
        shorter = ", ".join(str(i) for i in range(1, 150)) + ","
        cold = complete(shorter, max_tokens=10, temperature=0)
        more = complete(longer, max_tokens=10, temperature=0)
        again = complete(shorter, max_tokens=10, temperature=0)
        self.assertGreater(cold["usage"]["prompt_tokens"], WINDOW)
        self.assertEqual(cold["choices"][0]["text"][:10], " 150, 151,")
        self.assertEqual(more["choices"][0]["text"][:10], " 180, 181,")
        self.assertEqual(again["choices"][0]["text"], cold["choices"][0]["text"])
        for answer in (more, again):
            self.assertGreaterEqual(answer["usage"]["prompt_tokens_details"]["cached_tokens"],
                                    cold["usage"]["prompt_tokens"] - 1)


class Schemas(unittest.TestCase):
    def ask(self, seed):
        schema = schemas.draw(seed)
        answer = complete("A place that I know, as JSON:\n", max_tokens=64, seed=seed, temperature=0.7,
                          response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}})
        return seed, schema, answer["choices"][0]["text"], answer["choices"][0]["finish_reason"]

    def test_every_answer_fits(self):
        with concurrent.futures.ThreadPoolExecutor(SLOTS) as pool:
            whole = schemas.judge(self, pool.map(self.ask, range(1, SCHEMAS + 1)))
        self.assertGreaterEqual(whole, WHOLE_MIN)


class NoTemplate(unittest.TestCase):
    """A chat is a transcript then, and the model's entry says that it has no template."""

    def test_it_is_said(self):
        facts = json.load(node.ask("GET", "/v1/models"))["data"][0]["weft"]
        self.assertEqual((facts["chat_template"], facts["tools"], facts["reasoning"]), (False, False, False))

    def test_a_transcript_ends_before_the_user_speaks(self):
        choice = chat(max_tokens=60, temperature=0)["choices"][0]
        self.assertTrue(choice["message"]["content"])
        self.assertNotIn("\nUser:", choice["message"]["content"])

    def test_tools(self):
        call = chat(max_tokens=60, temperature=0, tools=[WEATHER], tool_choice="required",
                    parallel_tool_calls=False)["choices"][0]["message"]["tool_calls"][0]["function"]
        self.assertEqual((call["name"], list(json.loads(call["arguments"]))), ("weather", ["city"]))
        self.assertIn("message", chat(max_tokens=8, tools=[WEATHER])["choices"][0])  # as clients ask who set nothing


if __name__ == "__main__":
    unittest.main(verbosity=2)
