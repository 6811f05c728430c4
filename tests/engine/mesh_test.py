#!/usr/bin/env python3
"""tests/engine/mesh_test.py - nodes of a mesh answer for each other through their gateway: the real engine and the real
model at two of them, a client that has none, and what is true of an answer while those who write it are killed."""

import hashlib
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import engine, weft  # noqa: E402
from lib.mesh import GATEWAY, end, id_of, join, wait  # noqa: E402

NAME = os.path.splitext(os.path.basename(engine.model_path()))[0]
TOKENS = 120  # of an answer
CUT = 20      # events, after which its writer is killed: well before its end
ASKED = {"model": NAME, "prompt": "One, two, three,", "seed": 1, "temperature": 0, "max_tokens": TOKENS, "ignore_eos": True,
         "logprobs": 0}


class Serving(unittest.TestCase):
    """One mesh for all: a gateway and a client without a model, two who share theirs, and one who does not."""

    @classmethod
    def setUpClass(cls):
        real = ("--engine", engine.binary_path(), "--model", engine.model_path(), "--threads", "1")
        cls.gateway = cls.node(*GATEWAY, "--no-model")
        cls.client = cls.node("--no-model")
        join(cls.client, cls.gateway, "client")
        cls.private, *shares = [cls.node(*real, *more) for more in (("--private", NAME), (), ())]
        for node in (cls.private, *shares):
            join(node, cls.gateway)
        cls.peers = {id_of(node): node for node in shares}
        wait("the client knows two who hold the model", lambda: (cls.listed() or {"weft": {}})["weft"].get("peers_there") == 2)

    @classmethod
    def node(cls, *flags):
        node = weft.Weft(*flags)
        cls.addClassCleanup(end, node)
        return node.start().wait_ready()

    @classmethod
    def listed(cls):
        models = {model["id"]: model for model in json.load(cls.client.ask("GET", "/v1/models"))["data"]}
        return models.get(NAME)

    def ask(self, **more):
        return self.client.post("/v1/completions", {**ASKED, **more})

    def check_head(self, answer):
        """Who has answered, as the head says."""
        self.assertEqual(answer.headers["x-weft-served-by"], "mesh")
        self.assertEqual(answer.headers["x-weft-path"], "relayed")
        self.assertEqual(answer.headers["x-weft-model"], NAME)
        self.assertIn(answer.headers["x-weft-peer"], self.peers)
        return answer.headers["x-weft-peer"]

    def read(self, answer, events=None):
        """Events of a stream, up to its end or so many, and what comments say of its segments."""
        read, segments = [], None
        while events is None or len(read) < events:
            line = answer.readline().decode()
            if not line:
                break
            if line.startswith(": segments "):
                segments = json.loads(line[len(": segments "):])
            elif line.startswith("data: "):
                read.append(line[len("data: "):].strip())
        if events is None:
            self.assertEqual(read.pop(), "[DONE]", read)
        return [json.loads(event) for event in read], segments

    @staticmethod
    def tokens(events):
        return [token for event in events for part in event["choices"] if part["logprobs"] for token in part["logprobs"]["tokens"]]

    @staticmethod
    def text(events):
        return "".join(part["text"] for event in events for part in event["choices"])

    def test_a_peer_answers_through_the_gateway(self):
        with open(engine.model_path(), "rb") as file:
            hash_of_file = hashlib.file_digest(file, "sha256").hexdigest()
        listed = self.listed()
        self.assertEqual((listed["owned_by"], listed["weft"]["sha256"]), ("mesh", hash_of_file))
        answer = self.ask()
        peer = self.check_head(answer)
        theirs = json.load(answer)
        own = json.load(self.peers[peer].post("/v1/completions", ASKED))
        self.assertEqual(theirs["choices"][0]["text"], own["choices"][0]["text"])  # the same engine, alone both times
        self.assertEqual(theirs["usage"]["completion_tokens"], TOKENS)
        chat = self.client.post("/v1/chat/completions", {"model": NAME, "max_tokens": 8, "messages": [
            {"role": "user", "content": "Hello?"}]})
        self.check_head(chat)
        self.assertTrue(json.load(chat)["choices"][0]["message"]["content"])
        for node in (self.gateway, self.client, *self.peers.values()):
            self.assertNotIn("One, two", node.log())

    def test_a_private_model_is_its_own_clients(self):
        for _ in range(6):
            answer = self.ask(max_tokens=2)
            self.check_head(answer)
            answer.read()
        own = self.private.post("/v1/completions", {**ASKED, "max_tokens": 2})
        self.assertEqual((own.headers["x-weft-served-by"], own.headers["x-weft-path"]), ("local", "local"))
        own.read()

    def test_a_stream_survives_its_peer(self):
        answer = self.ask(stream=True)
        first = self.check_head(answer)
        before, _ = self.read(answer, CUT)
        self.peers[first].kill()
        began = time.monotonic()
        after, segments = self.read(answer)
        print(f"# the rest came {time.monotonic() - began:.2f} s after its peer was killed", flush=True)
        events = before + after
        self.assertEqual(len(self.tokens(events)), TOKENS)  # nothing lost, nothing twice
        self.assertEqual("".join(self.tokens(events)), self.text(events))
        second = next(peer for peer in self.peers if peer != first)
        self.assertEqual([(one["peer"], one["path"]) for one in segments], [(first, "relayed"), (second, "relayed")])
        self.assertEqual((segments[0]["from"], segments[0]["to"], segments[1]["to"]), (0, segments[1]["from"], TOKENS))


if __name__ == "__main__":
    unittest.main(verbosity=2)
