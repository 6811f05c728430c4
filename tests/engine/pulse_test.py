#!/usr/bin/env python3
"""tests/engine/pulse_test.py - a step that takes seconds is not silent: who reads and who waits hear once a second that
the engine gets on. It is made slow by stopping the process again and again, all of its threads alike."""

import os
import signal
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import native  # noqa: E402
from lib.engine import Engine  # noqa: E402

ROWS = 256  # of a step
STEP_S = 4  # that it is to take
RUNS_S = 0.005
SILENCE_S = 1


def prompt(first, count):
    return [1000 + (first + 37 * i) % 2000 for i in range(count)]


class Slowed:
    """It runs for `share` of the time, and is stopped for the rest."""

    def __init__(self, process, share):
        self.process, self.rests_s = process, RUNS_S * (1 / share - 1)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.slow)

    def slow(self):
        while not self.over.is_set():
            os.kill(self.process, signal.SIGSTOP)
            time.sleep(self.rests_s)
            os.kill(self.process, signal.SIGCONT)
            time.sleep(RUNS_S)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class Listener:
    """Takes the frames of a stream as they come."""

    def __init__(self, stream):
        self.stream, self.times, self.progress = stream, [time.monotonic()], 0
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        while (one := self.stream.next()) is not None:
            self.times.append(time.monotonic())
            self.progress += one.kind == native.PROGRESS

    def took(self):
        self.thread.join()
        return self.times[-1] - self.times[0]

    def silence(self):
        self.thread.join()
        return max(after - before for before, after in zip(self.times, self.times[1:]))


class Pulse(unittest.TestCase):
    def test_a_long_step_is_not_silent(self):
        with Engine("--slots", "1", "--context", "2048") as engine:
            engine.generate(prompt=prompt(0, ROWS), max_tokens=1)  # it learns what a row takes
            began = time.monotonic()
            engine.generate(prompt=prompt(1, ROWS), max_tokens=1)
            usual_s = time.monotonic() - began
            before = engine.get("/load")[1]["steps"]
            began = time.monotonic()
            with Slowed(engine.process.pid, min(0.5, usual_s / STEP_S)):
                reader = Listener(engine.stream(prompt=prompt(2, ROWS + 8), max_tokens=1))
                waiter = Listener(engine.stream(prompt=prompt(3, 8), max_tokens=1))
                silences = [reader.silence(), waiter.silence()]
            took_s = time.monotonic() - began
            steps = engine.get("/load")[1]["steps"] - before
            print(f"{steps} steps in {took_s:.1f} s; longest silence of who reads {silences[0]:.2f} s, of who waits "
                  f"{silences[1]:.2f} s")
            self.assertTrue(reader.stream.answer.ended and waiter.stream.answer.ended)
            self.assertGreater(took_s, 2 * SILENCE_S)
            for listener in (reader, waiter):
                self.assertGreater(listener.progress, listener.took() / SILENCE_S - 2)
            self.assertLess(max(silences), 3 * SILENCE_S)


if __name__ == "__main__":
    unittest.main(verbosity=2)
