#!/usr/bin/env python3
"""tests/engine/hostile_test.py - a hostile model is refused with a sentence, or ends the engine alone; it never hangs.

    tests/engine/hostile_test.py [CASE...]    only these, and every line is shown
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hostile_gguf  # noqa: E402

ENGINE = os.environ.get("WEFT_ENGINE_BINARY", "build/release/weft-engine")
MODEL = os.environ.get("WEFT_MODEL", "models/SmolLM2-135M-Instruct-Q4_1.gguf")
HANG_S = 20  # of CPU time: a busy machine is not the file's fault
WAIT_S = 120
MEMORY = 3 << 30
EXITS = {64: "template", 65: "abort", 66: "sandbox", 67: "memory"}
SENTENCES_MIN = 0.83  # 25 of 30
ENDS_BY_SIGNAL = {"template-nests"}  # libllama-common's parser of templates has no bound on its stack
# These are no good models, but models: they load, and what they say is their own affair.
MAY_LOAD = {"merges-without-space", "merges-of-no-tokens", "begin-token-out-of-range", "end-token-out-of-range",
            "empty-tokens"}


def limit():
    if not os.environ.get("WEFT_SANITIZED"):  # a sanitizer reserves more than there is
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (HANG_S, HANG_S + 1))


def outcome(path):
    done = subprocess.run([ENGINE, "--model", path, "--check", "--threads", "1", "--slots", "1", "--context", "256"],
                          capture_output=True, text=True, errors="replace", timeout=WAIT_S, preexec_fn=limit)
    said = done.stderr.strip()
    if done.returncode == 0:
        return "loaded", said
    if done.returncode == 1 and said.startswith("weft-engine: ") and said.endswith(".") and "\n" not in said:
        return "sentence", said
    if done.returncode in EXITS and said:
        return f"exit {EXITS[done.returncode]}", said
    if "AddressSanitizer: stack-overflow" in said:  # what ends it by this signal elsewhere
        return "signal SIGSEGV", said
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return "HANGS", said
    if done.returncode < 0:
        return f"signal {signal.Signals(-done.returncode).name}", said
    return f"UNNAMED {done.returncode}", said


def run_cases(names):
    results = {}
    with tempfile.TemporaryDirectory(prefix="weft-hostile-") as folder:
        path = os.path.join(folder, "model.gguf")
        for name in names:
            gguf = hostile_gguf.Gguf(MODEL)
            hostile_gguf.CASES[name](gguf)
            gguf.write(path)
            begun = time.monotonic()
            results[name] = outcome(path)
            print(f"{name:30} {results[name][0]:12} {time.monotonic() - begun:5.1f} s  {results[name][1][:160]}", flush=True)
            os.unlink(path)
    return results


class Hostile(unittest.TestCase):
    def test_the_maker_makes_the_real_file_again(self):
        """So a case differs from a good model by what its name says, and by nothing else."""
        with tempfile.TemporaryDirectory(prefix="weft-hostile-") as folder:
            path = os.path.join(folder, "model.gguf")
            hostile_gguf.Gguf(MODEL).write(path)
            with open(MODEL, "rb") as real, open(path, "rb") as made:
                self.assertEqual(real.read(1 << 22), made.read(1 << 22))
                self.assertEqual(os.path.getsize(MODEL), os.path.getsize(path))

    def test_each_is_refused_or_ends_the_engine_alone(self):
        results = run_cases(hostile_gguf.CASES)
        kinds = [kind for kind, _ in results.values()]
        print({kind: kinds.count(kind) for kind in sorted(set(kinds))})
        self.assertGreaterEqual(len(results), 30)
        for name, (kind, said) in results.items():
            self.assertNotRegex(kind, "HANGS|UNNAMED", f"{name}: {said}")
            self.assertEqual(kind.startswith("signal"), name in ENDS_BY_SIGNAL, f"{name}: {kind} {said}")
            self.assertNotIn("weft-hostile-", said, f"{name}: a message names no folder")
            if name not in MAY_LOAD:
                self.assertNotEqual(kind, "loaded", name)
        self.assertGreaterEqual(kinds.count("sentence"), SENTENCES_MIN * (len(kinds) - kinds.count("loaded")))

    def test_a_folder_and_a_missing_file_are_said(self):
        with tempfile.TemporaryDirectory(prefix="weft-hostile-") as folder:
            kind, said = outcome(folder)
            self.assertEqual(kind, "sentence")
            self.assertIn("is a folder", said)
            kind, said = outcome(os.path.join(folder, "none.gguf"))
            self.assertEqual((kind, said), ("sentence", "weft-engine: none.gguf is not there. Was it moved or renamed? Check its path."))

    def test_a_split_file_without_its_second_part_is_said(self):
        with tempfile.TemporaryDirectory(prefix="weft-hostile-") as folder:
            gguf = hostile_gguf.Gguf(MODEL)
            hostile_gguf.CASES["split-alone"](gguf)
            gguf.write(os.path.join(folder, "m-00001-of-00003.gguf"))
            kind, said = outcome(os.path.join(folder, "m-00001-of-00003.gguf"))
            self.assertEqual(kind, "sentence")
            self.assertIn("Part 2 of the model's 3 files is missing: m-00002-of-00003.gguf", said)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_cases(sys.argv[1:])
    else:
        sys.exit(unittest.main())
