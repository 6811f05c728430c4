#!/usr/bin/env python3
"""tests/clients/openai_test.py - OpenAI's own client for Node against the real program; the cases: openai_test.mjs."""

import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from lib.upstream import Upstream  # noqa: E402
from lib.weft import HOUSE, WAIT_S, Weft  # noqa: E402

KEY = "sk-of-the-test"


class OpenaiTest(unittest.TestCase):
    def test_cases(self):
        node = shutil.which("node", path=os.pathsep.join([os.path.join(HOUSE, ".venv", "bin"), os.environ["PATH"]]))
        self.assertIsNotNone(node, "no Node here to run the client with: make setup")
        with Upstream() as upstream, Weft("--upstream", upstream.url, env={"WEFT_API_KEY": KEY}) as weft, \
                Weft() as alone:
            env = {**os.environ, "WEFT_URL": weft.url("/v1"), "WEFT_KEY": KEY, "ALONE_URL": alone.url("/v1"),
                   "COUNT_URL": upstream.url + "/v1/count", "WAIT_MS": str(WAIT_S * 1000)}
            done = subprocess.run([node, os.path.join(HERE, "openai_test.mjs")], env=env, check=False)
            self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
