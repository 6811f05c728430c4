#!/usr/bin/env python3
"""tests/tools/tidy_test.py - plants each thing that tools/tidy refuses, one at a time, and expects it named."""

import os
import shutil
import subprocess
import tempfile
import unittest

HOUSE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

HEADER = """/* base/noun.h - a noun. */
#ifndef WEFT_BASE_NOUN_H
#define WEFT_BASE_NOUN_H

int weft_noun(void);

#endif
"""
SOURCE = """/* base/noun.c - a noun. */
#include "base/noun.h"

#include <stddef.h>

int weft_noun(void)
{
    return 0;
}
"""
TEST = """/* tests/unit/base/noun_test.c - a test of a noun. */
#include "base/noun.h"

int main(void)
{
    return weft_noun();
}
"""
CLEAN = {
    "src/base/noun.h": HEADER,
    "src/base/noun.c": SOURCE,
    "tests/unit/base/noun_test.c": TEST,
    "docs/PAGE.md": "# A page\n\nSee [the other](OTHER.md#the-second-part) and [itself](#a-page).\n",
    "docs/OTHER.md": "# Other\n\n## The second part\n",
}

JOINED = "T" + "ODO"  # this file is read by tidy too


def source(name, includes="", body="    return 0;\n"):
    room, noun = name.split("/")
    return (f"/* {name}.c - planted. */\n{includes}\nint weft_{noun}(void);\n\n"
            f"int weft_{noun}(void)\n{{\n{body}}}\n")


def header(path, guard, body="int weft_planted;\n"):
    return f"/* {path} - planted. */\n#ifndef {guard}\n#define {guard}\n\n{body}\n#endif\n"


def call(statement):
    return SOURCE.replace("return 0;", statement + "\n    return 0;")


def including(line):
    return SOURCE.replace("#include <stddef.h>", line)


# (what it is, file, its content, what tidy must say about that file)
PLANTED = [
    ("a room below", "src/base/noun.c", including('#include "http/exchange.h"'), "room base may not include http"),
    ("http and crypto", "src/http/planted.c", source("http/planted", '#include "crypto/tls.h"\n'),
     "room http may not include crypto"),
    ("node and sys", "src/node/planted.c", source("node/planted", '#include "sys/sys.h"\n'),
     "room node may not include sys"),
    ("the engine and node", "src/engine/planted.c", source("engine/planted", '#include "node/node.h"\n'),
     "room engine may not include node"),
    ("the simulator and sys", "sim/planted.c", source("sim/planted", '#include "sys/sys.h"\n'),
     "room sim may not include sys"),
    ("a unit test and a room below", "tests/unit/base/noun_test.c", TEST.replace("base/noun.h", "node/node.h"),
     "room base may not include node"),
    ("an unknown room", "src/attic/planted.c", source("attic/planted"), "'attic' is no room"),
    ("an include without its room", "src/base/noun.c", including('#include "noun.h"'), 'with its room: "base/noun.h"'),
    ("sockets above sys", "src/base/noun.c", including("#include <sys/socket.h>"), "<sys/socket.h> may not be"),
    ("libuv above sys", "src/base/noun.c", including("#include <uv.h>"), "<uv.h> may not be"),
    ("a clock's header above sys", "src/base/noun.c", including("#include <time.h>"), "<time.h> may not be"),
    ("threads in sim", "sim/planted.c", source("sim/planted", "#include <pthread.h>\n"), "<pthread.h> may not be"),
    ("another room's library", "src/base/noun.c", including("#include <nghttp2/nghttp2.h>"), "may not be included"),
    ("Linux outside sys", "src/cli/planted.c", source("cli/planted", "#include <sys/epoll.h>\n"), "Linux only"),
    ("libllama outside the engine", "src/cli/planted.c", source("cli/planted", "#include <llama.h>\n"),
     "only engine knows of it"),
    ("libuv in the engine", "src/engine/planted.c", source("engine/planted", "#include <uv.h>\n"), "<uv.h> may not be"),
    ("libllama-common in C", "src/engine/planted.c", source("engine/planted", "#include <chat.h>\n"),
     "<chat.h> may not be"),
    ("a second file in C++", "src/engine/planted.cpp", "/* engine/planted.cpp - planted. */\n", "is C++; only"),
    ("C++ by another name", "bench/planted.cc", "/* bench/planted.cc - planted. */\n", "is C++; only"),
    ("malloc in the C++ file", "src/engine/chat_shim.cpp",
     "/* engine/chat_shim.cpp - planted. */\nvoid *weft_x = malloc(1);\n", "malloc() is banned"),
    ("malloc", "src/base/noun.c", call("(void)malloc(1);"), "malloc() is banned"),
    ("free as a callback", "src/base/noun.c", call("weft_with(1, free);"), "free() is banned"),
    ("strdup", "src/base/noun.c", call('(void)strdup("x");'), "strdup() is banned"),
    ("sprintf", "src/base/noun.c", call('sprintf(text, "x");'), "sprintf() is banned"),
    ("strcpy in a test", "tests/unit/base/noun_test.c", TEST.replace("return", "strcpy(a, b);\n    return"),
     "strcpy() is banned"),
    ("strcat", "src/base/noun.c", call("strcat(a, b);"), "strcat() is banned"),
    ("strtok", "src/base/noun.c", call("(void)strtok(a, b);"), "strtok() is banned"),
    ("gmtime", "src/base/noun.c", call("(void)gmtime(&at);"), "gmtime() is banned"),
    ("localtime", "src/base/noun.c", call("(void)localtime(&at);"), "localtime() is banned"),
    ("rand", "src/base/noun.c", call("(void)rand();"), "rand() is banned"),
    ("time", "src/base/noun.c", call("(void)time(NULL);"), "time() is banned"),
    ("a clock in a unit test", "tests/unit/base/noun_test.c",
     TEST.replace("return", "clock_gettime(0, &at);\n    return"), "clock_gettime() is banned"),
    ("sleep in a unit test", "tests/unit/base/noun_test.c", TEST.replace("return", "sleep(1);\n    return"),
     "sleep() is banned"),
    ("sleep in sim", "sim/planted.c", source("sim/planted", "", "    usleep(1);\n    return 0;\n"),
     "usleep() is banned"),
    ("socket", "src/base/noun.c", call("(void)socket(1, 2, 3);"), "socket() is banned"),
    ("printf in a pure room", "src/base/noun.c", call('printf("x");'), "printf() is banned"),
    ("exit in a pure room", "src/base/noun.c", call("exit(1);"), "exit() is banned"),
    ("a long function", "src/base/noun.c", call("\n".join(["    weft_x();"] * 68).strip()),
     "weft_noun() has 71 lines"),
    ("a long file", "src/base/noun.c", SOURCE + "\n" * 1500, "lines; a file has at most 1500"),
    ("no guard", "src/base/noun.h", HEADER.replace("WEFT_BASE_NOUN_H", "NOUN_H"), "WEFT_BASE_NOUN_H"),
    ("no first line", "src/base/noun.c", SOURCE.split("\n", 1)[1], "/* base/noun.c - ... */"),
    ("another file's first line", "src/base/noun.c", SOURCE.replace("base/noun.c", "base/verb.c"),
     "/* base/noun.c - ... */"),
    ("a typedef'd struct", "src/base/noun.h", HEADER.replace("int weft_noun", "typedef struct noun noun;\nint weft_noun"),
     "no typedef for a struct"),
    ("a comparison with NULL", "src/base/noun.c", call("if (noun != NULL) weft_x();"), "without NULL"),
    ("a sizeof without parentheses", "src/base/noun.c", call("weft_x(sizeof *noun);"), "sizeof(x)"),
    ("a conditional for the simulator", "src/base/noun.c", SOURCE.replace("int weft", "#ifdef WEFT_SIM\n#endif\nint weft"),
     "WEFT_SIM: the rooms do not know"),
    ("a question for the simulator", "src/base/noun.c", call("if (host->is_simulated) weft_x();"), "is_simulated"),
    ("no unit test", "src/base/planted.c", source("base/planted"), "has no tests/unit/base/planted_test.c"),
    ("a test of nothing", "tests/unit/base/gone_test.c", TEST.replace("noun_test", "gone_test"),
     "tests src/base/gone.c, which is not there"),
    ("a bad layout", "src/base/noun.c", SOURCE.replace("    return", "  return"), "is not laid out"),
    ("a path of a machine", "docs/PAGE.md", "# A page\n\nLook in /ho" + "me/me/weft.\n", "names a path of"),
    ("a package host", "docs/PAGE.md", "# A page\n\nFrom deb" + ".debian.org.\n", "packages are named"),
    ("an address", "docs/PAGE.md", "# A page\n\nFrom https://" + "weft.download/x.\n", "packages are named"),
    ("an address in a lock file", "scripts/requirements-x.txt", "--index" + "-url x\nh11==1\n", "no address"),
    ("an address in an npm lock file", "x/package-lock.json",
     '{"packages": {"a": {"integrity": "sha512-x",\n"resolved": "x"}}}\n', "no address"),
    ("a package without a hash", "x/package-lock.json", '{"packages": {"": {}, "a": {"version": "1"}}}\n', "a has no hash"),
    ("an address in npm's settings", "x/.npmrc", "registry=x\n", "no address"),
    ("something unfinished", "docs/PAGE.md", f"# A page\n\n{JOINED}: write this.\n", "finish it"),
    ("a dead link", "docs/PAGE.md", "# A page\n\n[gone](GONE.md)\n", "GONE.md leads nowhere"),
    ("a dead anchor", "docs/PAGE.md", "# A page\n\n[gone](OTHER.md#third)\n", "no such heading"),
]

# What looks like a finding and is none.
HARMLESS = [
    ("a call through a table", call("weft_ops->free(noun);\n    ops.time(1);")),
    ("a word in a comment", SOURCE.replace("    return 0;", "    /* malloc(1) and time(NULL) */\n    return 0;")),
    ("a word in a string", call('weft_say("sprintf(1) \\" rand()");')),
    ("seventy lines", call("\n".join(["    weft_x();"] * 67).strip())),
    ("a pointer and its size", call("weft_x(noun, NULL, sizeof(*noun), sizeof(struct noun));")),
    ("a longer name", call("weft_time(1);\n    weft_rand();")),
]


class TidyTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="tidy-test-")
        self.addCleanup(shutil.rmtree, self.root)
        subprocess.run(["git", "init", "-q", self.root], check=True)
        shutil.copy(os.path.join(HOUSE, ".clang-format"), self.root)
        for path, text in CLEAN.items():
            self.write(path, text)

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def tidy(self):
        ran = subprocess.run([os.path.join(HOUSE, "tools/tidy"), self.root], capture_output=True, text=True, check=False)
        self.assertIn(ran.returncode, (0, 1), ran.stderr)
        return ran.returncode, ran.stdout

    def test_clean(self):
        self.assertEqual(self.tidy(), (0, f"tidy: {len(CLEAN) + 1} files, 0 findings\n"))

    def test_planted(self):
        for what, path, text, expected in PLANTED:
            with self.subTest(what):
                self.write(path, text)
                status, said = self.tidy()
                self.assertEqual(status, 1, said)
                self.assertTrue([line for line in said.split("\n") if line.startswith(f"{path}:") and expected in line],
                                f"expected '{expected}' about {path}, got:\n{said}")
                if path in CLEAN:
                    self.write(path, CLEAN[path])
                else:
                    os.remove(os.path.join(self.root, path))

    def test_the_engine_and_its_library_are_harmless(self):
        self.write("src/engine/planted.c", source("engine/planted", "#include <llama.h>\n#include <pthread.h>\n"))
        self.write("tests/unit/engine/planted_test.c",
                   TEST.replace("base/noun_test", "engine/planted_test"))
        self.write("src/engine/chat_shim.cpp", "/* engine/chat_shim.cpp - planted. */\n#include <chat.h>\n#include <string>\n")
        status, said = self.tidy()
        self.assertEqual(status, 0, said)

    def test_harmless(self):
        for what, text in HARMLESS:
            with self.subTest(what):
                self.write("src/base/noun.c", text)
                self.assertEqual(self.tidy()[0], 0, self.tidy()[1])

    def test_a_long_file_is_warned_about(self):
        self.write("src/base/noun.c", SOURCE.replace("#include <stddef.h>\n", "#include <stddef.h>\n" +
                                                     "/* filler */\n" * 900))
        status, said = self.tidy()
        self.assertEqual(status, 0, said)
        self.assertIn("over 800 needs a good reason", said)


if __name__ == "__main__":
    unittest.main()
