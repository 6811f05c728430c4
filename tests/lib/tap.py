"""tests/lib/tap.py - listens between a node and its engine.

    tap = Tap(folder)
    Weft("--engine", tap.program, ..., env=tap.env)
    os.kill(tap.engine(), signal.SIGKILL)       # the engine itself
    tap.attempts()                              # what was asked of engines since the last time, and what they said
"""

import json
import os

from lib import engine, frames, native, tap_program
from lib.tap_program import DOWN, PID, UP


class Attempt:
    """One request to one engine: its body; the frames that came back, per choice as steps (a token and its deltas)."""

    def __init__(self, life, body):
        self.life, self.body = life, body
        self.steps, self.finished, self.usage, self.ended = {}, {}, None, False

    def add(self, one):
        if one.kind == native.TOKEN and not one.prompt:
            self.steps.setdefault(one.choice, []).append((one, []))
        elif one.kind == native.DELTA and self.steps.get(one.choice):
            self.steps[one.choice][-1][1].append(one)
        elif one.kind == native.FINISH:
            self.finished[one.choice] = one
        elif one.kind == native.USAGE:
            self.usage = one
        elif one.kind == native.END:
            self.ended = True

    def resumed(self, choice):
        """The ids that it went on behind."""
        resume = self.body.get("resume", [])
        return resume[choice] if choice < len(resume) else []


class Half:
    """One direction of a connection: the bodies of its streams, as far as they have come."""

    def __init__(self, path, preface=b""):
        self.file, self.preface, self.data = open(path, "rb"), preface, b""
        self.bodies, self.whole = {}, set()

    def read(self):
        self.data += self.file.read()
        if len(self.data) >= len(self.preface):
            self.data, self.preface = self.data[len(self.preface):], b""
            found, self.data = frames.split(self.data)
            for kind, flags, stream, payload in found:
                if kind == frames.DATA:
                    self.bodies[stream] = self.bodies.get(stream, b"") + payload
                    if flags & frames.END_STREAM:
                        self.whole.add(stream)


class Life:
    def __init__(self, path):
        self.up, self.down = Half(path + UP, frames.PREFACE), Half(path + DOWN)
        self.known = set()

    def attempts(self):
        self.up.read()
        self.down.read()
        for stream in sorted(self.up.whole - self.known):
            self.known.add(stream)
            body = json.loads(self.up.bodies[stream])
            if "seed" not in body:
                continue  # no /generate
            attempt = Attempt(self, body)
            answer = self.down.bodies.get(stream, b"")
            if not answer.startswith(b'{"error"'):
                for one in native.split(answer)[0]:
                    attempt.add(one)
            yield attempt

    def close(self):
        self.up.file.close()
        self.down.file.close()


class Tap:
    def __init__(self, folder):
        self.folder, self.program = folder, tap_program.__file__
        self.env = {"TAP_FOLDER": folder, "TAP_ENGINE": engine.binary_path()}
        self.lives = []

    def _paths(self):
        return sorted(os.path.join(self.folder, name)[:-len(PID)] for name in os.listdir(self.folder)
                      if name.endswith(PID))

    def engine(self):
        """The process of the engine that was started last."""
        with open(self._paths()[-1] + PID, encoding="ascii") as file:
            return int(file.read())

    def attempts(self):
        """Those that were not told before, in the order of their engines. Everything that was asked must be over."""
        for path in self._paths()[len(self.lives):]:
            self.lives.append(Life(path))
        return [attempt for life in self.lives for attempt in life.attempts()]

    def close(self):
        for life in self.lives:
            life.close()
