#!/usr/bin/env python3
"""tests/cli/commands_test.py - what `weft` says when it is asked about itself, and when it is asked wrongly."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import weft  # noqa: E402


def run(*words):
    return subprocess.run([weft.binary_path(), *words], capture_output=True, text=True, timeout=weft.WAIT_S)


class Commands(unittest.TestCase):
    def test_help_lists_the_commands(self):
        for words in ([], ["help"], ["--help"], ["-h"]):
            done = run(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
            for name in ("up", "version", "help"):
                self.assertRegex(done.stdout, rf"(?m)^  {name} +\w")

    def test_help_of_a_command_is_the_same_both_ways(self):
        asked, flagged = run("help", "up"), run("up", "--help")
        self.assertEqual((asked.returncode, flagged.returncode), (0, 0))
        self.assertEqual(asked.stdout, flagged.stdout)
        for setting in ("--listen", "--port", "--upstream", "--api-key-file", "WEFT_API_KEY", "--home"):
            self.assertIn(setting, asked.stdout)

    def test_the_page_of_settings_is_made_by_the_program(self):
        done = run("help", "--markdown")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with open("docs/CONFIG.md", encoding="utf-8") as page:
            self.assertEqual(done.stdout, page.read())

    def test_version_names_itself_and_its_libraries(self):
        for words in (["version"], ["--version"]):
            done = run(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, r"\Aweft \d+\.\d+\.\d+ \(\S[^)]*\)\n")
            for library in ("libuv", "llhttp", "nghttp2", "OpenSSL", "libsodium", "jansson", "libyaml"):
                self.assertRegex(done.stdout, rf"{library} \d+\.\d+")

    def test_version_names_libllama_and_the_cpu_variant(self):
        said = run("version").stdout
        self.assertRegex(said, r"\nweft-engine \d+\.\d+\.\d+ \(\S[^)]*\)\nlibllama v\d+\.\d+\S*\nCPU variant: \w+\n\Z")

    def version_beside(self, engine):
        """What `weft version` says in a folder where weft-engine is this script, or is not there."""
        with tempfile.TemporaryDirectory(prefix="weft-version-") as folder:
            program = shutil.copy(weft.binary_path(), folder)
            if engine:
                path = os.path.join(folder, "weft-engine")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f"#!/bin/sh\n{engine}\n")
                os.chmod(path, 0o755)
            done = subprocess.run([program, "version"], capture_output=True, text=True, timeout=weft.WAIT_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split("\n", 2)[2]

    def test_version_asks_the_engine_beside_it(self):
        self.assertEqual(self.version_beside('echo "$# $1"; echo CPU variant: none'), "1 --version\nCPU variant: none\n")

    def test_version_says_that_the_engine_does_not_run(self):
        self.assertRegex(self.version_beside(None), r"\Aweft-engine does not run \(not found\): .*`make run` builds it\.\n\Z")
        self.assertRegex(self.version_beside("echo half; exit 1"), r"\Aweft-engine does not run \(.*\n\Z")

    def test_a_command_that_is_none_is_a_usage_error(self):
        for words, says in ((["upp"], "did you mean `weft up`"), (["help", "versoin"], "did you mean `weft version`"),
                            (["serve-me"], "`weft help` lists them all")):
            done = run(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn(says, done.stderr)

    def test_a_word_too_many_is_a_usage_error(self):
        for words in (["version", "now"], ["help", "up", "now"]):
            done = run(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn("now", done.stderr)

    def test_output_that_cannot_be_written_is_a_failure(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full on this system")
        for words in (["help"], ["help", "up"], ["help", "--markdown"], ["version"]):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run([weft.binary_path(), *words], stdout=full, stderr=subprocess.PIPE, check=False,
                                      timeout=weft.WAIT_S)
            self.assertEqual(done.returncode, 1, words)

    def test_a_sentence_is_one_line_that_begins_with_the_name(self):
        for words in (["upp"], ["up", "--prot", "1"], ["up", "--port", "nine"], ["version", "now"]):
            self.assertTrue(re.fullmatch(r"weft: .+\n", run(*words).stderr), words)


if __name__ == "__main__":
    unittest.main()
