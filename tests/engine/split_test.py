#!/usr/bin/env python3
"""tests/engine/split_test.py - a model in several files loads inside the sandbox, as people keep such files.

Download tools keep each part under a name of its own elsewhere and link to it; a folder may be called anything.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hostile_gguf  # noqa: E402
from hostile_gguf import INT32, UINT16  # noqa: E402

ENGINE = os.environ.get("WEFT_ENGINE_BINARY", "build/release/weft-engine")
MODEL = os.environ.get("WEFT_MODEL", "models/SmolLM2-135M-Instruct-Q4_1.gguf")
WAIT_S = 120
PARTS = 3


def write_parts(paths):
    """The model's tensors, shared out; all that is said of it stands in the first part."""
    whole = hostile_gguf.Gguf(MODEL)
    tensors, count = whole.tensors, len(whole.tensors)
    borders = [tensor["offset"] for tensor in tensors] + [whole.size - whole.data_at]
    for number, path in enumerate(paths):
        first, last = count * number // len(paths), count * (number + 1) // len(paths)
        part = hostile_gguf.Gguf(MODEL)
        part.keys = part.keys if number == 0 else []
        part.set("split.no", number, UINT16)
        part.set("split.count", len(paths), UINT16)
        part.set("split.tensors.count", count, INT32)
        part.tensors = [dict(tensor, offset=tensor["offset"] - borders[first]) for tensor in tensors[first:last]]
        part.data_at, part.size = whole.data_at + borders[first], whole.data_at + borders[last]
        part.write(path)


class Split(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="weft-split-")
        self.addCleanup(shutil.rmtree, self.folder)

    def check(self, path):
        return subprocess.run([ENGINE, "--model", path, "--check", "--threads", "1", "--slots", "1", "--context", "256"],
                              capture_output=True, text=True, timeout=WAIT_S)

    def test_links_to_parts_in_a_folder_of_any_name(self):
        kept, shown = os.path.join(self.folder, "kept"), os.path.join(self.folder, "best-of-5-00001-of-two")
        os.mkdir(kept)
        os.mkdir(shown)
        paths = [os.path.join(kept, f"part{number}") for number in range(PARTS)]
        links = [os.path.join(shown, f"m-{number + 1:05}-of-{PARTS:05}.gguf") for number in range(PARTS)]
        write_parts(paths)
        for path, link in zip(paths, links):
            os.symlink(path, link)
        done = self.check(links[0])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, re.compile(r"^sandbox: seccomp", re.M))
        # Another part is not what --model wants, and that is said.
        done = self.check(links[1])
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"is part 2 of a model in {PARTS} files.", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
