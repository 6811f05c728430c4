#!/usr/bin/env python3
"""tests/engine/run_test.py - what a stranger does first: `make run`, then the lines that it prints, pasted into a shell."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import weft  # noqa: E402
from lib.program import HOUSE  # noqa: E402

BUILT = "build/release/weft"
FREED_S = 5  # a slot is free within a fraction of this; an answer that goes on holds it for far longer


class Run(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="weft-run-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(("WEFT_", "XDG_", "MAKE"))}
        self.environment["HOME"] = self.folder  # where a stranger has nothing of ours yet

    def start(self, flags):
        """Runs what `make run` ends with, but the program under test. Returns its lines once it is ready."""
        steps = subprocess.run(["make", "-n", "run", "ARGS=" + flags], cwd=HOUSE, env=self.environment, text=True,
                               capture_output=True, check=True, timeout=weft.WAIT_S)
        command = steps.stdout.splitlines()[-1]
        self.assertTrue(command.startswith(BUILT + " up "), command)
        self.process = subprocess.Popen(["sh", "-c", "exec " + command.replace(BUILT, f"'{weft.binary_path()}'", 1)],
                                        cwd=HOUSE, env=self.environment, text=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(self.process.wait, weft.WAIT_S)
        self.addCleanup(self.process.kill)
        lines, said = weft.Lines(self.process.stdout), []
        while not (said and said[-1].startswith(("or talk", "ready: no"))):
            said.append(lines.next())
            self.assertIsNotNone(said[-1], said)
        return [*said, lines.next()] if said[-1].startswith("or talk") else said

    def line_after(self, lines, words):
        return lines[lines.index(words) + 1]

    def shell(self, line):
        return subprocess.run(["sh", "-c", line], env=self.environment, cwd=HOUSE, text=True, capture_output=True,
                              timeout=2 * weft.WAIT_S, check=True).stdout

    def end(self):
        self.process.terminate()
        self.assertEqual(self.process.wait(weft.WAIT_S), 0)

    def test_the_default_model_answers_the_lines_that_are_printed(self):
        lines = self.start("--port 0 --threads 1 --slots 1 --context 2048")
        self.assertTrue(lines[0].startswith("listening on http://127.0.0.1:"), lines)
        self.assertTrue(any(line.startswith("loading SmolLM2-135M-Instruct-Q4_1: ") for line in lines), lines)
        answer = json.loads(self.shell(self.line_after(lines, "try it:")))
        self.assertGreater(len(answer["choices"][0]["message"]["content"]), 8)
        talk = self.line_after(lines, "or talk to it:")
        self.assertGreater(len(self.shell(talk + " Say hello.")), 2)
        self.stop_an_answer(talk)
        self.end()

    def stop_an_answer(self, talk):
        """Ctrl-C in the middle of an answer frees the only slot."""
        process = subprocess.Popen(["sh", "-c", f"exec {talk} 'Count from 1 to 5000, one number a line.'"],
                                   env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        with process:
            self.assertTrue(process.stdout.read(1))
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(weft.WAIT_S), 1)
        before = time.monotonic()
        url = talk.split("--url ")[1].strip("'")
        subprocess.run(["curl", "-sSf", url + "/v1/completions", "-H", "content-type: application/json", "-d",
                        json.dumps({"model": "smollm2-135m-instruct-q4_1", "prompt": "One", "max_tokens": 1})],
                       check=True, capture_output=True, timeout=weft.WAIT_S)
        self.assertLess(time.monotonic() - before, FREED_S)

    def test_the_lines_know_a_key_that_is_in_a_file_and_a_socket_that_is_a_path(self):
        key = os.path.join(self.folder, "a key")
        with open(key, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write("a-key-that-nobody-may-see\n")
        place = os.path.join(self.folder, "a socket")
        lines = self.start(f"--threads 1 --context 512 --listen 'unix:{place}' --api-key-file '{key}'")
        self.assertTrue(json.loads(self.shell(self.line_after(lines, "try it:")))["choices"])
        self.assertGreater(len(self.shell(self.line_after(lines, "or talk to it:") + " Say hello.")), 2)
        self.end()

    def test_flags_go_over_what_make_says(self):
        other = os.path.join(self.folder, "other.gguf")
        shutil.copy(os.path.join(HOUSE, "models", "SmolLM2-135M-Instruct-Q4_1.gguf"), other)
        lines = self.start(f"--port 0 --threads 1 --context 512 --model {other} --model smollm2-135m-instruct-q4_1")
        self.assertIn('"model":"other"', self.line_after(lines, "try it:"))
        for name in ("other", "SmolLM2-135M-Instruct-Q4_1"):
            self.assertIn(f"loading {name}: 0 %", lines)
        self.end()
        self.assertIn("ready: no model", self.start(f"--port 0 --models-folder {self.folder}/none")[-1])
        self.end()
        self.assertIn("ready: no model, as was asked", self.start("--port 0 --no-model")[-1])
        self.end()


if __name__ == "__main__":
    unittest.main(verbosity=2)
