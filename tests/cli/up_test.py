#!/usr/bin/env python3
"""tests/cli/up_test.py - how `weft up` starts, and the ways in which it refuses to."""

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import weft  # noqa: E402

KEY = "a-key-that-nobody-may-see"


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


class Refused(unittest.TestCase):
    """It ends at once, with one sentence that says what to do, and makes nothing before."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="weft-cli-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.home = os.path.join(self.folder, "home")

    def up(self, *flags, code, says, **env):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
        done = subprocess.run([weft.binary_path(), "up", *flags], env={**clean, "WEFT_HOME": self.home, **env},
                              capture_output=True, text=True, timeout=weft.WAIT_S)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        for words in says if isinstance(says, tuple) else (says,):
            self.assertIn(words, done.stderr)
        self.assertNotIn(KEY, done.stderr)

    def settings(self, text):
        os.makedirs(self.home, exist_ok=True)
        with open(os.path.join(self.home, "weft.yaml"), "w", encoding="utf-8") as file:
            file.write(text)

    def key_file(self, text=KEY + "\n", permissions=0o600):
        path = os.path.join(self.folder, "key")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, permissions)
        return path

    def test_an_unknown_flag_names_the_nearest(self):
        self.up("--prot", "1", code=2, says="did you mean --port?")
        self.assertFalse(os.path.exists(self.home))

    def test_an_unknown_setting_names_its_line_and_the_nearest(self):
        self.settings("# mine\nlog:\n  levle: debug\n")
        self.up(code=2, says=("weft.yaml:3:", "did you mean `log.level`"))

    def test_a_settings_file_that_is_no_yaml_names_its_line(self):
        self.settings("port: [\n")
        self.up(code=2, says=("weft.yaml", "line "))

    def test_a_settings_file_that_was_named_must_be_there(self):
        self.up("--config", os.path.join(self.folder, "other.yaml"), code=2, says=("other.yaml", "No such file"))

    def test_a_port_that_is_none(self):
        for port in ("nine", "65536", "-1", "80x", ""):
            self.up("--port", port, code=2, says="--port")

    def test_a_port_that_is_taken_is_named_with_what_to_do(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            self.up("--port", str(port), code=1, says=(f"Port {port} ", "--port"))

    def test_a_unix_socket_that_is_taken(self):
        path = os.path.join(self.folder, "socket")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            other.listen()
            self.up("--listen", "unix:" + path, code=1, says=path)
        self.assertTrue(os.path.exists(path))

    def test_beyond_loopback_only_with_a_key(self):
        for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
            self.up("--listen", "tcp:" + address, code=2, says=("--api-key-file", "WEFT_API_KEY", "127.0.0.1"))

    def test_a_key_file_that_others_can_read(self):
        path = self.key_file(permissions=0o644)
        self.up("--api-key-file", path, code=2, says=("0644", f"chmod 600 {path}"))

    def test_a_key_file_that_holds_none(self):
        self.up("--api-key-file", self.key_file(text="\n"), code=2, says="is empty")
        self.up("--api-key-file", self.key_file(text="two words\n"), code=2, says="space")
        self.up("--api-key-file", os.path.join(self.folder, "nothing"), code=2, says="No such file")

    def test_a_key_in_two_places(self):
        self.up("--api-key-file", self.key_file(), code=2, says="Leave one of them out", WEFT_API_KEY=KEY)

    def test_a_certificate_that_is_none(self):
        path = self.key_file(text="not PEM\n")
        self.up("--listen", "tls:127.0.0.1:0", "--cert", path, "--key", path, code=1, says="certificate")
        self.up("--listen", "tls:127.0.0.1:0", code=2, says="--cert")

    def test_a_private_key_that_everybody_can_read(self):
        cert, key = weft.make_certificate(self.folder)
        os.chmod(key, 0o644)
        self.up("--listen", "tls:127.0.0.1:0", "--cert", cert, "--key", key, code=2, says=f"chmod 600 {key}")

    def test_a_home_that_cannot_be_made(self):
        with open(self.home, "w", encoding="utf-8"):
            pass
        self.up("--listen", "tcp:127.0.0.1:0", code=2, says=("home", "WEFT_HOME"))

        self.home = os.path.join("/proc", "weft")
        self.up("--listen", "tcp:127.0.0.1:0", code=2, says="No such file")  # not "no folder": nothing is there

    def test_an_owner_token_that_is_none(self):
        os.mkdir(self.home, 0o700)
        token = os.path.join(self.home, "owner.token")
        os.mkfifo(token, 0o600)
        self.up("--listen", "tcp:127.0.0.1:0", code=1, says=(token, "remove it"))

    def test_a_unix_socket_whose_place_is_taken_by_a_file(self):
        place = os.path.join(self.folder, "file")
        with open(place, "w", encoding="utf-8"):
            pass
        self.up("--listen", "unix:" + place, code=1, says=(place, "no socket"))
        self.assertTrue(os.path.exists(place))

    def test_a_limit_of_open_files_that_is_too_low_is_no_crash(self):
        for limit in (6, 8, 15):
            done = subprocess.run(["prlimit", f"--nofile={limit}", weft.binary_path(), "up"], text=True,
                                  env={**os.environ, "WEFT_HOME": self.home}, capture_output=True, timeout=weft.WAIT_S)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("ulimit -n", done.stderr)

    def test_a_home_that_others_may_write_to(self):
        os.mkdir(self.home)
        os.chmod(self.home, 0o777)
        self.up("--listen", "tcp:127.0.0.1:0", code=2, says=f"chmod 700 {self.home}")

    def models(self, *names):
        folder = os.path.join(self.folder, "models")
        os.makedirs(folder, exist_ok=True)
        for name in names:
            with open(os.path.join(folder, name), "wb"):
                pass
        return "--models-folder", folder

    def test_a_model_that_is_not_there(self):
        self.up("--model", "/nowhere/x.gguf", code=2, says=("/nowhere/x.gguf", "No such file"))
        self.up("--model", self.folder, code=2, says="it is a folder; name the GGUF file in it")
        self.up("--model", "smollm", code=2, says=("there is no model \"smollm\"", "holds none"))
        self.assertFalse(os.path.exists(self.home))

    def test_a_model_by_a_wrong_name_gets_the_nearest(self):
        folder = self.models("SmolLM2-135M.gguf", "Qwen.gguf", "notes.txt", "big-00001-of-00002.gguf",
                             "big-00002-of-00002.gguf")
        self.up(*folder, "--model", "smolm2-135m", code=2,
                says=("did you mean SmolLM2-135M?", "It holds Qwen, SmolLM2-135M, big-00001-of-00002."))
        self.up(*folder, "--model", "xyzzy", code=2, says=("there is no model \"xyzzy\" in ", ". It holds Qwen, "))

    def test_a_model_by_a_name_that_several_have(self):
        folder = self.models("SmolLM2-135M.gguf", "SmolLM2-360M.gguf", "Qwen.gguf")
        self.up(*folder, "--model", "smollm2", code=2,
                says=("\"smollm2\" may be several of the models in ", ": SmolLM2-135M and SmolLM2-360M. Say more"))

    def test_a_model_and_an_upstream(self):
        self.up("--model", "a", "--upstream", "http://127.0.0.1:1", code=2, says="both set")
        self.up("--model", "a", "--no-model", code=2, says="both set")


class Started(unittest.TestCase):
    def test_it_says_where_it_listens_and_what_works(self):
        with weft.Weft(unix=True) as node:
            self.assertEqual(node.addresses, [f"http://127.0.0.1:{node.tcp_port}", f"unix:{node.unix_path}"])

    def test_ready_says_what_works_now(self):
        for flags, says in (([], "ready: no model, so /v1 lists none"),
                            (["--no-model"], "ready: no model, as was asked (no_model)"),
                            (["--upstream", "http://127.0.0.1:9"], "ready: /v1 is relayed to http://127.0.0.1:9")):
            node = weft.Weft(*flags)
            try:
                node.start()
                lines = []
                while not (lines and lines[-1].startswith("ready")):
                    lines.append(node.lines.next())
                self.assertTrue(lines[-1].startswith(says), lines)
                self.assertRegex(lines[-2], r"\Aholds up to [0-9,]+ connections")
                node.stop()
            finally:
                node.give_up()

    def test_models_of_the_folder_are_offered(self):
        """The engine is never started, so what is in the files does not matter."""
        with tempfile.TemporaryDirectory() as folder:
            for name in ("b.gguf", "a.gguf", "notes.txt", *(f"many-{i:02}.gguf" for i in range(70))):
                with open(os.path.join(folder, name), "wb"):
                    pass
            node = weft.Weft("--models-folder", folder)
            try:
                node.start()
                lines = []
                while not (lines and lines[-1].startswith("ready")):
                    lines.append(node.lines.next())
                node._take_address(lines[0][len(weft.LISTENING):])
                self.assertEqual(lines[-2], "loaded when asked for: a, b, many-00, many-01, many-02, many-03, many-04, many-05 "
                                 f"and 56 more (`weft models` lists them); 8 of {folder} are left out, as a node offers 64 "
                                 "at most")
                models = json.load(node.ask("GET", "/v1/models"))["data"]
                self.assertEqual([model["id"] for model in models[:3]], ["a", "b", "many-00"])
                self.assertEqual(({model["weft"]["state"] for model in models}, len(models)), ({"unloaded"}, 64))
                listed = subprocess.run([weft.binary_path(), "models", "--home", node.home], capture_output=True, text=True,
                                        timeout=weft.WAIT_S)
                self.assertEqual((listed.returncode, listed.stderr), (0, ""))
                lines = listed.stdout.splitlines()
                self.assertEqual((len(lines), lines[0].split(), lines[63].split()),
                                 (64, ["a", "unloaded"], ["many-61", "unloaded"]))
                node.stop()
            finally:
                node.give_up()

    def test_the_limit_of_open_files_is_said_when_it_is_the_bound(self):
        limited = ["sh", "-c", f'ulimit -n 256; exec "{weft.binary_path()}" up --listen tcp:127.0.0.1:0']
        with tempfile.TemporaryDirectory() as home:
            process = subprocess.Popen(limited, env={**os.environ, "WEFT_HOME": home}, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True)
            lines = weft.Lines(process.stdout)
            try:
                said = []
                while not (said and said[-1].startswith("ready")):
                    said.append(lines.next())
                self.assertTrue(any(re.match(r"holds up to 192 connections: the limit of open files is 256", line)
                                    for line in said), said)
            finally:
                process.terminate()
                self.assertEqual(process.wait(weft.WAIT_S), 0)

    def test_what_it_makes_is_its_owners_only(self):
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        with weft.Weft(unix=True) as node:
            self.assertEqual(mode(node.home), 0o700)
            self.assertEqual(mode(os.path.join(node.home, "owner.token")), 0o600)
            self.assertEqual(mode(node.unix_path), 0o600)
            for folder, folders, files in os.walk(node.home):
                for name in folders:
                    self.assertEqual(mode(os.path.join(folder, name)), 0o700, name)
                for name in files:
                    self.assertEqual(mode(os.path.join(folder, name)), 0o600, name)
            path = node.unix_path
            node.stop()
            self.assertFalse(os.path.exists(path))

    def test_of_two_that_start_at_once_one_holds_the_home(self):
        for _ in range(5):
            with tempfile.TemporaryDirectory() as home:
                both = [weft.Weft(env={"WEFT_HOME": home}).start() for _ in range(2)]
                lines = [node.lines.next() for node in both]
                holder = 0 if lines[0] else 1
                self.assertIsNone(lines[1 - holder])
                both[holder].wait_ready()
                self.assertEqual(both[1 - holder].process.wait(weft.WAIT_S), 1)
                both[holder].stop()
                both[1 - holder].give_up()
                self.assertEqual(sorted(os.listdir(home)), ["owner.token", "weft.lock"])

    def test_a_second_one_is_told_who_holds_the_home(self):
        with tempfile.TemporaryDirectory() as home:
            with weft.Weft(env={"WEFT_HOME": home}) as node:
                second = subprocess.run([weft.binary_path(), "up", "--port", "0"], env={**os.environ, "WEFT_HOME": home},
                                        capture_output=True, text=True, timeout=weft.WAIT_S)
                self.assertEqual(second.returncode, 1)
                self.assertIn(f"process {node.process.pid}, answering at http://127.0.0.1:{node.tcp_port}",
                              second.stderr)
                self.assertIn("--home FOLDER", second.stderr)
            # However the holder ended, its lock went with it.
            node = weft.Weft(env={"WEFT_HOME": home}).start().wait_ready()
            try:
                os.kill(node.process.pid, 9)
                node.process.wait(weft.WAIT_S)
                with weft.Weft(env={"WEFT_HOME": home}):
                    pass
            finally:
                node.give_up()

    def test_the_xdg_places_are_used_without_a_home(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "config", "weft"))
            with open(os.path.join(root, "config", "weft", "weft.yaml"), "w", encoding="utf-8") as file:
                file.write("listen: [tcp:127.0.0.1:0]\n")
            env = {"WEFT_HOME": "", "XDG_CONFIG_HOME": os.path.join(root, "config"),
                   "XDG_STATE_HOME": os.path.join(root, "state")}
            with weft.Weft(tcp=False, env=env) as node:
                self.assertEqual(len(node.addresses), 1)
                self.assertEqual(mode(os.path.join(root, "state", "weft")), 0o700)
                self.assertTrue(os.path.exists(os.path.join(root, "state", "weft", "owner.token")))

    def ask(self, node, key=None):
        return node.ask("GET", "/v1/models", token=key).status

    def test_the_key_is_wanted_and_not_in_the_environment_any_more(self):
        with weft.Weft(env={"WEFT_API_KEY": KEY}) as node:
            self.assertEqual(self.ask(node), 401)
            self.assertEqual(self.ask(node, KEY + "x"), 401)
            self.assertEqual(self.ask(node, KEY), 200)
            environment = f"/proc/{node.process.pid}/environ"
            if not os.path.exists(environment):
                self.skipTest("no /proc on this system")
            if os.geteuid() == 0:  # for others it is not even readable: the process does not dump
                with open(environment, "rb") as file:
                    self.assertNotIn(KEY.encode(), file.read())
            self.assertNotIn(KEY, node.log())

    def test_a_key_file_opens_an_address_beyond_loopback(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "key")
            with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
                file.write(KEY + "\n")
            with weft.Weft("--listen", "tcp:0.0.0.0:0", "--api-key-file", path, tcp=False) as node:
                self.assertEqual(self.ask(node), 401)
                self.assertEqual(self.ask(node, KEY), 200)

    def test_standard_descriptors_that_are_closed_never_become_sockets(self):
        if not os.path.isdir("/proc/self/fd"):
            self.skipTest("no /proc on this system")
        closed = ["sh", "-c", f'exec "{weft.binary_path()}" up --listen tcp:127.0.0.1:0 <&- 2>&-']
        with tempfile.TemporaryDirectory() as home:
            process = subprocess.Popen(closed, env={**os.environ, "WEFT_HOME": home}, stdout=subprocess.PIPE, text=True)
            lines = weft.Lines(process.stdout)
            try:
                while not lines.next().startswith("ready"):
                    pass
                if os.geteuid() == 0:  # for others it is not even readable: the process does not dump
                    for number in (0, 2):
                        self.assertEqual(os.readlink(f"/proc/{process.pid}/fd/{number}"), "/dev/null")
            finally:
                process.terminate()
                self.assertEqual(process.wait(weft.WAIT_S), 0)

    def test_it_leaves_no_core(self):
        with weft.Weft() as node:
            limits = f"/proc/{node.process.pid}/limits"
            if not os.path.exists(limits):
                self.skipTest("no /proc on this system")
            with open(limits, encoding="utf-8") as file:
                self.assertRegex(file.read(), r"Max core file size\s+0\s+0\s")


if __name__ == "__main__":
    unittest.main()
