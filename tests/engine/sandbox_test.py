#!/usr/bin/env python3
"""tests/engine/sandbox_test.py - what an engine tries from inside its sandbox is refused, and works outside of it."""

import os
import subprocess
import sys
import unittest

ENGINE = os.environ["WEFT_ENGINE_BINARY"]
MODEL = os.environ["WEFT_MODEL"]
WAIT_S = 60

# Works for anybody where there is no sandbox; the rest depends on the kernel and on who one is.
WORKS_OUTSIDE = {"socket-tcp", "socket-udp", "socket-unix", "socketpair", "connect", "bind", "exec", "fork", "ptrace",
                 "kill-other", "read-etc-passwd", "read-home", "read-proc", "read-root", "write-tmp", "mmap-code",
                 "mprotect-code", "memfd", "unlink", "rename"}


def run(*flags):
    return subprocess.run([ENGINE, "--model", MODEL, "--threads", "1", *flags], capture_output=True, text=True,
                          timeout=WAIT_S)


def tried(done):
    lines = done.stdout.splitlines()
    return dict(line.split(" ") for line in lines[:-1]), lines[-1]


class Sandbox(unittest.TestCase):
    def test_everything_is_refused_inside(self):
        done = run("--sandbox-test")
        results, level = tried(done)
        self.assertEqual(set(results.values()), {"refused"}, done.stdout)
        self.assertGreaterEqual(len(results), 30)
        self.assertGreaterEqual(set(results), WORKS_OUTSIDE)
        self.assertRegex(level, r"^sandbox: seccomp \+ landlock \(ABI \d+\)")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_it_is_seen_where_something_is_allowed(self):
        done = run("--sandbox-test", "--sandbox", "off")
        results, level = tried(done)
        self.assertEqual({name for name in WORKS_OUTSIDE if results[name] != "ALLOWED"}, set())
        self.assertEqual(level, "sandbox: off: --sandbox off")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(os.path.exists(MODEL + ".sandbox-test"), False)

    def test_a_model_loads_and_computes_inside(self):
        for threads in ("1", "2"):  # the second thread is made inside
            done = run("--check", "--context", "512", "--slots", "1", "--threads", threads)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, r"(?m)^sandbox: seccomp \+ landlock \(ABI \d+\)")
            self.assertRegex(done.stdout, r"(?m)^loaded: ")


class Words(unittest.TestCase):
    def test_the_version_names_libllama_and_the_cpu_library(self):
        done = subprocess.run([ENGINE, "--version"], capture_output=True, text=True, timeout=WAIT_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"\Aweft-engine \d+\.\d+\.\d+ \(\S[^)]*\)\nlibllama v\S+\nCPU variant: \w+\n\Z")

    def test_a_variant_can_be_chosen(self):
        done = subprocess.run([ENGINE, "--version", "--variant", "x64"], capture_output=True, text=True, timeout=WAIT_S)
        self.assertRegex(done.stdout, r"(?m)^CPU variant: x64$")
        done = subprocess.run([ENGINE, "--version", "--variant", "z80"], capture_output=True, text=True, timeout=WAIT_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn('The CPU variant "z80" is not there', done.stderr)

    def test_by_hand_it_says_who_starts_it(self):
        done = subprocess.run([ENGINE, "--model", MODEL], capture_output=True, text=True, timeout=WAIT_S, close_fds=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("weft starts this program by itself", done.stderr)

    def test_wrong_flags_are_usage_errors(self):
        done = subprocess.run([ENGINE, "--slots", "4"], capture_output=True, text=True, timeout=WAIT_S)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--model FILE", done.stderr)
        done = subprocess.run([ENGINE, "--help"], capture_output=True, text=True, timeout=WAIT_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("--sandbox-test", done.stdout)


if __name__ == "__main__":
    sys.exit(unittest.main())
