#!/usr/bin/env python3
"""tests/external/llama_server_test.py - a real llama-server as external engine, beside our own: asked, killed and stopped
in mid-answer and brought back. Every answer completes or ends in a typed error event, and the next requests are served.

llama-server is the one that the bench measures against (bench/llama-server builds it); `make check-external` runs this."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import engine, weft  # noqa: E402
from lib.program import HOUSE  # noqa: E402

PEER = os.path.join(HOUSE, ".llama", "peer", "bin", "llama-server")
OWN = os.path.splitext(os.path.basename(engine.model_path()))[0]
THEIRS = "peer:135m"
KEY = "peer-secret-0123456789"
WAIT_S = weft.WAIT_S
POLL_S = 0.05
COUNT = [{"role": "user", "content": "Count from one to fifty in words."}]
TOKENS = 120


class Peer:
    """A llama-server that can be killed and started again at the same place."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = os.path.join(folder, "llama-server.log")
        self.process = None

    def start(self):
        library = os.path.join(HOUSE, ".llama", "lib")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [PEER, "-m", engine.model_path(), "-a", THEIRS, "--host", "127.0.0.1", "--port", str(self.port), "-t", "1",
                 "-tb", "1", "-c", "4096", "-np", "4", "--api-key", KEY],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "LD_LIBRARY_PATH": library})
        return self

    def ask(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        connection.request("POST", "/v1/chat/completions", json.dumps(body),
                           {"Content-Type": "application/json", "Authorization": "Bearer " + KEY})
        answer = json.load(connection.getresponse())
        connection.close()
        return answer

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait(WAIT_S)
            self.process = None


class Stream:
    """The events of one streamed answer, as they come."""

    def __init__(self, answer):
        self.answer, self.text, self.finish, self.usage, self.error, self.done = answer, "", {}, None, None, False

    def step(self):
        """Reads one event; False at the end."""
        while True:
            line = self.answer.readline()
            if not line:
                return False
            if line.startswith(b"data: "):
                break
        data = line[len(b"data: "):].strip()
        if data == b"[DONE]":
            self.done = True
            return True
        event = json.loads(data)
        self.error = event.get("error", self.error)
        self.usage = event.get("usage") or self.usage
        for choice in event.get("choices", []):
            self.text += choice["delta"].get("content") or ""
            if choice["finish_reason"]:
                self.finish[choice["index"]] = choice["finish_reason"]
        return True

    def until(self, size):
        while len(self.text) < size and self.step():
            pass
        return self

    def rest(self):
        while self.step():
            pass
        return self


class LlamaServer(unittest.TestCase):
    def setUp(self):
        if not os.path.exists(PEER):
            self.skipTest("llama-server is not built: bench/llama-server builds it")

    def world(self, *args, own=False, stall="10s", key=KEY):
        """A node, and a llama-server that it knows. Both end with the test."""
        ours = ["--model", engine.model_path(), "--engine", engine.binary_path()] if own else ["--no-model"]
        node = weft.Weft("--threads", "1", "--stall", stall, *ours, *args, env={"PEER_KEY": key})
        self.addCleanup(node.__exit__, None, None, None)
        peer = Peer(node.folder)
        self.addCleanup(peer.kill)
        node._args += ["--external", f"http://127.0.0.1:{peer.port}/v1 key_env=PEER_KEY"]
        peer.start()
        node.start()
        node.wait_ready()
        return node, peer

    def status(self, node):
        return node.status()["externals"][0]

    def until(self, node, state):
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            if (status := self.status(node))["state"] == state:
                return status
            time.sleep(POLL_S)
        self.fail(f"the server never was {state}, but is {status}")

    def body(self, **more):
        return {"model": THEIRS, "messages": COUNT, "temperature": 0, "max_tokens": TOKENS, "seed": 1, **more}

    def stream(self, node, **more):
        return Stream(node.post("/v1/chat/completions",
                                self.body(stream=True, stream_options={"include_usage": True}, **more)))

    def assert_served(self, node, model=THEIRS):
        return json.load(node.post("/v1/chat/completions", self.body(model=model, max_tokens=4)))

    def test_its_models_are_offered_and_labelled(self):
        node, _ = self.world(own=True)
        self.until(node, "up")
        models = json.load(node.ask("GET", "/v1/models"))["data"]
        self.assertEqual([model["id"] for model in models], [OWN, THEIRS])
        self.assertEqual(models[1]["weft"], {"state": "ready", "server": "llama-server", "unverified": True})
        self.assertNotIn("unverified", models[0]["weft"])
        answer = node.ask("POST", "/v1/chat/completions", self.body(max_tokens=4))
        self.assertEqual(answer.headers["x-weft-served-by"], "external")
        answer.read()
        answer = node.ask("POST", "/v1/chat/completions", self.body(model=OWN, max_tokens=4))
        self.assertEqual(answer.headers["x-weft-served-by"], "local")
        answer.read()

    def test_it_answers_through_us_as_it_does_itself(self):
        node, peer = self.world()
        self.until(node, "up")
        direct = peer.ask(self.body())
        whole = json.load(node.ask("POST", "/v1/chat/completions", self.body()))
        streamed = self.stream(node).rest()
        text = direct["choices"][0]["message"]["content"]
        self.assertEqual(whole["choices"][0]["message"]["content"], text)
        self.assertEqual(streamed.text, text)
        self.assertEqual(streamed.finish, {0: direct["choices"][0]["finish_reason"]})
        self.assertTrue(streamed.done)
        for usage in (whole["usage"], streamed.usage):
            for count in ("prompt_tokens", "completion_tokens", "total_tokens"):
                self.assertEqual(usage[count], direct["usage"][count])

    def test_its_own_refusal_is_passed_on(self):
        node, _ = self.world()
        self.until(node, "up")
        long = [{"role": "user", "content": "word " * 5000}]
        answer = node.ask("POST", "/v1/chat/completions", self.body(messages=long))
        self.assertEqual(answer.status, 400)
        self.assertEqual(json.load(answer)["error"]["code"], "context_length_exceeded")
        self.assert_served(node)

    def killed(self, node, peer, streams):
        """Kills it when each stream has begun, and brings it back."""
        begun = [stream.until(20).text for stream in streams]
        peer.kill()
        peer.start()
        readers = [threading.Thread(target=stream.rest) for stream in streams]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(WAIT_S)
            self.assertFalse(reader.is_alive(), "an answer does not end")
        return begun

    def test_killed_in_mid_answer(self):
        node, peer = self.world(own=True)
        self.until(node, "up")
        streams = [self.stream(node) for _ in range(3)]
        own = self.stream(node, model=OWN)
        begun = self.killed(node, peer, streams)
        for text, stream in zip(begun, streams):
            self.assertIsNone(stream.error)
            self.assertTrue(stream.done)
            self.assertEqual(len(stream.finish), 1)
            self.assertTrue(stream.text.startswith(text))
            self.assertGreater(len(stream.text), len(text))
            self.assertLessEqual(stream.usage["completion_tokens"], TOKENS + 1)
        self.assertTrue(own.rest().done)  # ours has felt nothing of it
        self.assertIsNone(own.error)
        self.assert_served(node)
        self.assert_served(node, OWN)

    def test_what_cannot_go_on_ends_in_a_typed_error(self):
        node, peer = self.world()
        self.until(node, "up")
        stream = self.stream(node, n=2)
        self.killed(node, peer, [stream])
        self.assertFalse(stream.done)
        self.assertEqual(stream.error["code"], "engine_lost")
        self.assertEqual(stream.error["type"], "server_error")
        self.assert_served(node)

    def test_asked_while_it_is_being_started_again(self):
        node, peer = self.world()
        self.until(node, "up")
        peer.kill()
        streams = []
        asker = threading.Thread(target=lambda: streams.append(self.stream(node).rest()))
        asker.start()
        self.until(node, "down")  # the request has found it gone, unless a check did
        peer.start()
        asker.join(WAIT_S)
        self.assertTrue(streams, "the answer does not end")
        self.assertIsNone(streams[0].error)
        self.assertTrue(streams[0].done)

    def test_stopped_in_mid_answer(self):
        node, peer = self.world(stall="2s")
        self.until(node, "up")
        stream = self.stream(node)
        text = stream.until(20).text
        os.kill(peer.process.pid, signal.SIGSTOP)
        status = self.until(node, "down")
        self.assertIn(status["problem"], ("it does not answer", "it broke an answer off"))
        peer.kill()
        peer.start()
        stream.rest()
        self.assertIsNone(stream.error)
        self.assertTrue(stream.done)
        self.assertTrue(stream.text.startswith(text))
        self.assert_served(node)

    def test_the_key_is_told_to_nobody(self):
        node, _ = self.world(key="wrong-" + KEY)
        status = self.until(node, "down")
        end = time.monotonic() + WAIT_S  # while it loads it takes no key at all
        while "key" not in (status["problem"] or "") and time.monotonic() < end:
            time.sleep(POLL_S)
            status = self.status(node)
        self.assertEqual(status["problem"], "it does not take the key that it is shown")
        self.assertNotIn(KEY, json.dumps(status) + node.log())
        with open(f"/proc/{node.process.pid}/environ", "rb") as environment:
            self.assertNotIn(KEY.encode(), environment.read())


if __name__ == "__main__":
    if not os.path.exists(PEER):
        print("SKIP: llama-server is not built: bench/llama-server builds it")
        sys.exit(77)
    unittest.main(verbosity=2)
