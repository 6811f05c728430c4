#!/usr/bin/env python3
"""tests/engine/on_demand_test.py - models of the folder under a running `weft up`, with the real engine: loaded when
asked for by a short name, unloaded when nobody uses them, and put out for one another, but never under an answer.

The second model is a copy of the small one under another name.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import engine, engine_check, weft  # noqa: E402

POLL_S = 0.05
FIRST, SECOND = "SmolLM2-135M-Instruct-Q4_1", "Other-1B-Instruct-Q4_1"
KEEP_ALIVE_S = 2
SIZE = ("--slots", "2", "--context", "1024")  # small, so that little memory is enough


class OnDemand(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="weft-on-demand-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        for name in (FIRST, SECOND):
            shutil.copy(engine.model_path(), os.path.join(cls.folder, name + ".gguf"))
        said = engine_check.run(engine.model_path(), *SIZE).stdout
        cls.memory = int(re.search(r"(?m)^estimated: (\d+) bytes$", said).group(1))

    def node(self, *flags):
        threads = () if "--threads" in flags else ("--threads", "1")
        node = weft.Weft("--engine", engine.binary_path(), "--models-folder", self.folder, "--stall", "60s", *SIZE, *threads,
                         *flags)
        self.addCleanup(node.give_up)
        return node.start().wait_ready()

    def states(self, node):
        states = {model["name"]: model["state"] for model in node.status()["models"]}
        return states[FIRST], states[SECOND]

    def until(self, done, what):
        end = time.monotonic() + weft.WAIT_S
        while not done():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(POLL_S)

    def complete(self, node, name, **more):
        body = {"model": name, "prompt": "One, two, three,", "max_tokens": 4, "seed": 1, **more}
        return node.post("/v1/completions", body)

    def test_loaded_by_a_short_name_and_unloaded_when_idle(self):
        node = self.node("--keep-alive", f"{KEEP_ALIVE_S}s")
        self.assertEqual(self.states(node), ("unloaded", "unloaded"))
        self.assertEqual(node.ask("POST", "/v1/completions", {"model": "smolm2", "prompt": "x"}).status, 404)
        self.assertEqual(self.states(node), ("unloaded", "unloaded"))
        answer = json.load(self.complete(node, "smollm2"))
        self.assertEqual((answer["model"], answer["usage"]["completion_tokens"]), (FIRST, 4))
        self.assertEqual(self.states(node), ("ready", "unloaded"))
        with open(os.path.join(self.folder, FIRST + ".gguf"), "rb") as file:
            self.assertEqual(node.model(FIRST)["sha256"], hashlib.sha256(file.read()).hexdigest())
        self.assertTrue(os.path.exists(os.path.join(node.home, "model-hashes")))
        process = node.model(FIRST)["process"]
        began = time.monotonic()
        stream = self.complete(node, "somebody/smollm2:135m", max_tokens=400, ignore_eos=True, stream=True)
        while stream.readline():  # it is in use for longer than that
            pass
        took = time.monotonic() - began
        self.assertEqual(node.model(FIRST)["process"], process)
        ended = time.monotonic()
        self.until(lambda: self.states(node) == ("unloaded", "unloaded"), "it is not unloaded")
        idle = time.monotonic() - ended
        print(f"an answer of {took:.1f} s, unloaded {idle:.1f} s after it")
        self.assertGreater(idle, KEEP_ALIVE_S - 1)
        self.assertFalse(os.path.exists(f"/proc/{process}"))
        self.assertEqual(json.load(self.complete(node, "smollm2"))["choices"][0]["text"], answer["choices"][0]["text"])
        first = node.model(FIRST)
        self.assertEqual((first["starts"], first["deaths"]), (2, 0))
        node.stop()
        self.assertIn('"event":"model unloaded","model":"' + FIRST + '","why":"idle"', node.log())

    def test_one_at_a_time_and_never_under_an_answer(self):
        node = self.node("--memory-budget", str(self.memory * 3 // 2))
        self.complete(node, "smollm2").read()
        self.complete(node, "other").read()
        self.assertEqual(self.states(node), ("unloaded", "ready"))
        stream = self.complete(node, "other-1b", max_tokens=400, ignore_eos=True, stream=True)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            other = pool.submit(lambda: json.load(self.complete(node, "smollm2")))
            self.until(lambda: self.states(node) == ("starting", "ready") and node.model(FIRST)["waits"], "it does not wait")
            lines = stream.read().decode().splitlines()  # it comes whole
            self.assertEqual([line for line in lines if line.startswith("data: ")][-1], "data: [DONE]")
            self.assertEqual(other.result(weft.WAIT_S)["model"], FIRST)
        self.assertEqual(self.states(node), ("ready", "unloaded"))
        self.assertEqual({model["deaths"] for model in node.status()["models"]}, {0})
        node.stop()
        self.assertNotIn("engine died", node.log())

    def test_two_share_the_cores(self):
        node = self.node("--threads", "2")
        self.complete(node, "smollm2").read()
        self.assertEqual(node.model(FIRST)["threads"], 2)
        self.complete(node, "other").read()
        self.assertEqual(self.states(node), ("ready", "ready"))
        self.assertEqual(node.model(SECOND)["threads"], 1)
        self.until(lambda: node.model(FIRST)["threads"] == 1, "the first keeps its two")
        self.complete(node, "smollm2").read()
        self.complete(node, "other").read()
        node.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
