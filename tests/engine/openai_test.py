#!/usr/bin/env python3
"""tests/engine/openai_test.py - OpenAI's own client for Node against a real model; the cases: openai_test.mjs."""

import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from lib.engine import model_path  # noqa: E402
from lib.weft import HOUSE, WAIT_S, Weft  # noqa: E402

MODEL = model_path()
CONTEXT = 1024


class OpenaiTest(unittest.TestCase):
    def test_cases(self):
        node = shutil.which("node", path=os.pathsep.join([os.path.join(HOUSE, ".venv", "bin"), os.environ["PATH"]]))
        self.assertIsNotNone(node, "no Node here to run the client with: make setup")
        with Weft("--model", MODEL, "--context", str(CONTEXT)) as weft:
            env = {**os.environ, "WEFT_URL": weft.url("/v1"), "WEFT_NAME": os.path.basename(MODEL).removesuffix(".gguf"),
                   "WEFT_CONTEXT": str(CONTEXT), "WAIT_MS": str(WAIT_S * 1000)}
            done = subprocess.run([node, os.path.join(HERE, "openai_test.mjs")], env=env, check=False)
            self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
