"""tests/lib/engine.py - starts the real `weft-engine` on one end of a socket pair, and speaks to it as the node does.

    with Engine("--slots", "4") as engine:
        status, load = engine.get("/load")
        answer = engine.generate(prompt="Once upon", max_tokens=8, temperature=0)   # native.Answer
        stream = engine.stream(prompt=..., max_tokens=...)                          # frame by frame; stream.cancel()

Leaving it closes the socket: the engine must then end by itself, with 0. WEFT_ENGINE_BINARY and WEFT_MODEL are set by
ctest; else build/release/weft-engine and the default model.
"""

import fcntl
import json
import os
import socket
import subprocess
import threading
import time

from lib import native
from lib.link import WAIT_S, Link
from lib.program import HOUSE, Program

POLL_S = 0.02
HIGH = 20  # descriptors from here on are in nobody's way


def binary_path():
    return os.environ.get("WEFT_ENGINE_BINARY") or os.path.join(HOUSE, "build", "release", "weft-engine")


def model_path():
    return os.environ.get("WEFT_MODEL") or os.path.join(HOUSE, "models", "SmolLM2-135M-Instruct-Q4_1.gguf")


class Refused(Exception):
    """An answer that is no 200: status, code, message, and the error object itself."""

    def __init__(self, status, error, fields):
        super().__init__(f"{status} {error}")
        self.status, self.error, self.fields = status, error, fields
        self.code, self.message = error["code"], error["message"]


class Answering:
    """A native stream on its way."""

    def __init__(self, stream):
        self.stream = stream
        self.answer = native.Answer()
        self._data = b""
        self._waiting = []

    def next(self, wait_s=WAIT_S):
        """The next frame; None after the last."""
        while not self._waiting:
            piece = self.stream.read(wait_s)
            if not piece:
                if self._data:
                    raise AssertionError("the stream ended inside a frame")
                return None
            self._waiting, self._data = native.split(self._data + piece)
        one = self._waiting.pop(0)
        self.answer.add(one)
        return one

    def token(self, wait_s=WAIT_S):
        """Reads up to the next token of the answer; None after the last frame."""
        while (one := self.next(wait_s)) is not None:
            if one.kind == native.TOKEN and not one.prompt:
                return one
        return None

    def rest(self, wait_s=WAIT_S):
        """Everything that is still to come; returns the answer."""
        while self.next(wait_s) is not None:
            pass
        if not self.answer.ended and self.stream.reset is None:
            raise AssertionError("the stream ended without its end")
        return self.answer

    def cancel(self):
        self.stream.cancel()


class Engine(Program):
    """`page`: a descriptor of memory that it counts in."""

    def __init__(self, *args, model=None, threads=1, binary=None, env=None, page=None):
        super().__init__("weft-engine")
        self.binary = binary or binary_path()
        self.model = model or model_path()
        self.args = ["--model", self.model, "--threads", str(threads), *args]
        self._env, self._page = dict(os.environ, **(env or {})), page
        self.link = None

    # -- life --

    def start(self):
        ours, theirs = socket.socketpair()
        given = [theirs.fileno()] if self._page is None else [theirs.fileno(), self._page]
        high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, HIGH) for descriptor in given]
        with theirs, open(self._log_path, "wb") as log:
            # The engine finds its end at descriptor 3, the page at 4, and no other one: the shell moves them and goes.
            move = 'exec "$@"' + "".join(f" {at}<&{one} {one}<&-" for at, one in enumerate(high, start=3))
            self.process = subprocess.Popen(["bash", "-c", move, "bash", self.binary, *self.args], env=self._env,
                                            pass_fds=high, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=log, cwd=self.folder)
        for descriptor in high:
            os.close(descriptor)
        self.link = Link(ours)
        return self

    def wait_ready(self, wait_s=WAIT_S):
        deadline = time.monotonic() + wait_s
        while (load := self.get("/load")[1])["state"] == "loading":
            if time.monotonic() > deadline:
                raise AssertionError(f"not ready after {wait_s} s: {load}")
            threading.Event().wait(POLL_S)
        if load["state"] != "ready":
            raise AssertionError(f"the engine is not ready: {load}")
        return self

    def stop(self, wait_s=WAIT_S):
        """Hangs up; the engine must end by itself, and well."""
        self.link.close()
        try:
            code = self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the engine did not end {wait_s} s after its socket:\n{self.log()}") from None
        self.check_end(code)

    def kill(self):
        super().kill()
        if self.link:
            self.link.close()

    # -- asking --

    def ask(self, method, path, body=None):
        """One exchange: (status, body as bytes, fields)."""
        stream = self.link.ask(method, path, body)
        status = stream.wait_head()
        if status is None:
            raise AssertionError(f"{path}: no answer (reset {stream.reset}, {self.link.lost})\n{self.log()}")
        return status, stream.body(), stream.fields

    def get(self, path):
        status, body, _ = self.ask("GET", path)
        return status, json.loads(body)

    def post(self, path, members):
        """A JSON answer, or Refused."""
        status, body, fields = self.ask("POST", path, json.dumps(members).encode())
        if status != 200:
            raise Refused(status, json.loads(body)["error"], fields)
        return json.loads(body)

    def stream(self, **members):
        """POST /generate; `seed` is 1 where none is given. Refused, if it was."""
        stream = self.link.ask("POST", "/generate", json.dumps({"seed": 1, **members}).encode())
        status = stream.wait_head()
        if status is None:
            raise AssertionError(f"/generate: no answer (reset {stream.reset}, {self.link.lost})\n{self.log()}")
        if status != 200:
            raise Refused(status, json.loads(stream.body())["error"], stream.fields)
        if stream.fields.get("content-type") != "application/x-weft-native":
            raise AssertionError(f"/generate answers with {stream.fields}")
        return Answering(stream)

    def generate(self, **members):
        """The whole answer; its choices are complete, unless it has an error."""
        answer = self.stream(**members).rest()
        if answer.error is None and (answer.usage is None or any(c.reason is None for c in answer.choices.values())):
            raise AssertionError("the stream has ended, but not all that belongs to it came")
        return answer

    def tokenize(self, text, special=False, begin=False):
        return self.post("/tokenize", {"text": text, "special": special, "begin": begin})["ids"]

    def wait_load(self, ready, wait_s=WAIT_S):
        """Asks /load until it is as `ready` wants it; returns how long that took, in seconds."""
        began = time.monotonic()
        while not ready(load := self.get("/load")[1]):
            if time.monotonic() - began > wait_s:
                raise AssertionError(f"still {load} after {wait_s} s")
            threading.Event().wait(POLL_S / 10)
        return time.monotonic() - began
