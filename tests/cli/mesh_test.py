#!/usr/bin/env python3
"""tests/cli/mesh_test.py - a mesh begins, invites, is joined and left: real nodes, real links, the commands of people."""

import contextlib
import json
import os
import pty
import re
import signal
import stat
import subprocess
import sys
import unittest

from pyzbar import pyzbar

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import weft  # noqa: E402
from lib.mesh import GATEWAY, ask, end, id_of, run, say, told, wait  # noqa: E402


class Mesh(unittest.TestCase):
    def node(self, *flags):
        node = weft.Weft(*(flags or ("--no-model",)))
        self.addCleanup(end, node)
        return node

    def gateway(self):
        return self.node(*GATEWAY, "--no-model").start().wait_ready()

    def refused(self, says, node, *words, given="", code=1):
        done = run(node, *words, given=given)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        self.assertRegex(done.stderr, r"\Aweft: .+\n\Z")
        self.assertIn(says, done.stderr)
        return done.stderr

    def files(self, node):
        return sorted(os.listdir(node.home))

    def test_a_node_that_was_told_of_no_mesh_has_nothing_of_one(self):
        node = self.node().start().wait_ready()
        self.assertEqual(self.files(node), ["owner.token", "weft.lock"])
        for words in (("invite",), ("leave",), ("revoke", "a" * 51 + "q")):
            self.refused("This node is in no mesh", node, *words)
        self.assertEqual(self.files(node), ["owner.token", "weft.lock"])

    def test_a_gateway_that_nobody_could_reach_does_not_start(self):
        for flags, says in ((("--gateway",), "a gateway must be reached"),
                            ((*GATEWAY, "--mesh-address", "nowhere"), "is no HOST:PORT")):
            self.refused(says, self.node(), "up", *flags, code=2)

    def test_a_mesh_begins_and_its_keys_are_its_owners_only(self):
        node = self.node(*GATEWAY, "--no-model").start()
        said = []
        while (line := node.lines.next()) is not None and not line.startswith("ready"):
            said.append(line)
        root = os.path.join(node.home, "root.key")
        self.assertIn("a new mesh has begun", "\n".join(said))
        self.assertIn(root, "\n".join(said))
        self.assertIn("what others of its mesh serve", line)
        for name in self.files(node):
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(node.home, name)).st_mode) & 0o077, 0, name)
        self.assertEqual(say(node, "id").strip(), ask(node, "id")["id"])

    def test_two_machines_become_a_mesh_by_one_line(self):
        gateway = self.gateway()
        line = say(gateway, "invite")
        self.assertTrue(line.startswith("weft1") and len(line) < 300)
        stopped, running = self.node(), self.node().start().wait_ready()
        joined = ask(stopped, "join", line.strip())  # no node runs there
        self.assertEqual(joined["role"], "peer")
        self.assertEqual(self.files(stopped)[:2], ["mesh.db", "node.key"])
        line = say(gateway, "invite", "--uses", "2", "--ttl", "90m", "--role", "client")
        said = say(running, "join", "-", given=line)
        self.assertIn(joined["mesh"], said)
        self.assertIn("as client", said)
        stopped.start().wait_ready()
        self.refused("in that mesh already", stopped, "join", "-", given=line)
        used = {invite["role"]: (invite["uses"], invite["uses_max"])
                for invite in ask(gateway, "invite", "--list")["invites"]}
        self.assertEqual(used, {"peer": (1, 1), "client": (1, 2)})
        for node in (gateway, stopped, running):
            self.assertNotIn(line.strip(), node.log())
            for name in self.files(node):
                with open(os.path.join(node.home, name), "rb") as file:
                    self.assertNotIn(line.strip().encode(), file.read(), name)
        say(stopped, "leave")
        self.refused("in no mesh", stopped, "leave")
        other = self.gateway()
        self.refused("in another mesh", running, "join", "-", given=say(other, "invite"))
        say(stopped, "join", "-", given=say(other, "invite"))

    def test_a_key_in_the_environment_is_enough_to_join(self):
        gateway = self.gateway()
        line = say(gateway, "invite", "--uses", "2").strip()
        mesh = told(gateway)["mesh"]
        for name in ("WEFT_MESH_KEY", "JIMBOMESH_API_KEY"):
            node = weft.Weft("--no-model", env={name: line})
            self.addCleanup(end, node)
            node.start().wait_ready()
            wait("it is in", lambda node=node: told(node)["mesh"] == mesh)
            with open(f"/proc/{node.process.pid}/environ", "rb") as environ:
                self.assertNotIn(line.encode(), environ.read())
            self.assertNotIn(line, node.log())
            node.stop()
        for env, says in (({"WEFT_MESH_KEY": line[:-9]}, "WEFT_MESH_KEY (environment): This invite is damaged"),
                          ({"JIMBOMESH_API_KEY": "jm-0123"}, "JIMBOMESH_API_KEY (environment): This is no invite"),
                          ({"WEFT_MESH_KEY": line, "JIMBOMESH_API_KEY": say(gateway, "invite")}, "are two invites")):
            done = subprocess.run([weft.binary_path(), "up", "--no-model"], capture_output=True, text=True, check=False,
                                  env={**os.environ, "WEFT_HOME": self.node().home, **env}, timeout=weft.WAIT_S)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertIn(says, done.stderr)

    def shown(self, node, *words):
        """What a command shows on a terminal."""
        ours, its = pty.openpty()
        process = subprocess.Popen([weft.binary_path(), *words], stdout=its, stderr=subprocess.DEVNULL,
                                   env=weft.environment(node.home))
        os.close(its)
        said = b""
        with contextlib.suppress(OSError):  # it is over
            while more := os.read(ours, 4096):
                said += more
        os.close(ours)
        self.assertEqual(process.wait(weft.WAIT_S), 0)
        return said.decode().replace("\r\n", "\n")

    def test_an_invite_can_be_taken_by_a_camera(self):
        line, picture = self.shown(self.gateway(), "invite").split("\n", 1)
        rows = []
        for blocks in re.findall(r"\x1b\[97;40m(.*?)\x1b\[0m", picture):
            for half in (1, 2):  # the upper, then the lower
                rows.append(b"".join(b"\xff" if " \u2580\u2584\u2588".index(block) & half else b"\0" for block in blocks))
        large = b"".join(b"".join(bytes([dot]) * 4 for dot in row) * 4 for row in rows)
        found = pyzbar.decode((large, 4 * len(rows[0]), 4 * len(rows)))
        self.assertEqual([code.data.decode() for code in found], [line])

    def test_each_invite_that_lets_nobody_in_has_its_own_sentence(self):
        gateway, other = self.gateway(), self.gateway()
        one = say(gateway, "invite").strip()
        say(self.node(), "join", one)
        said = {self.refused("as often as it may be", self.node(), "join", one)}
        invite = ask(gateway, "invite")
        self.assertIn(invite["id"], say(gateway, "invite", "--list"))
        say(gateway, "invite", "--revoke", invite["id"])
        said.add(self.refused("was revoked", self.node(), "join", invite["line"]))
        said.add(self.refused("This invite is damaged", self.node(), "join", one[:-9]))
        changed = one[:60] + ("A" if one[60] != "A" else "B") + one[61:]
        self.assertIn(self.refused("This invite is damaged", self.node(), "join", changed), said)
        said.add(self.refused("made by a newer weft", self.node(), "join", "weft2" + one[5:]))
        said.add(self.refused("This is no invite", self.node(), "join", "nonsense"))
        line = ask(other, "invite")["line"]
        other.stop()
        said.add(self.refused("No gateway of this invite's mesh answers", self.node(), "join", line))
        short = say(gateway, "invite", "--ttl", "1s").strip()
        self.wait_expired(short)
        said.add(self.refused("has expired", self.node(), "join", short))
        self.assertEqual(len(said), 7)  # no two alike

    def wait_expired(self, line):
        """Asks until it is told so: by the gateway's clock."""
        for _ in range(1000):
            done = run(self.node(), "join", line, "--json")
            if done.returncode != 0 and json.loads(done.stdout)["error"]["code"] == "expired":
                return
        self.fail("it never expired")

    def test_who_is_put_out_does_not_come_back(self):
        gateway, node = self.gateway(), self.node()
        line = say(gateway, "invite", "--uses", "9")
        identity = ask(node, "join", "-", given=line)["id"]
        self.assertTrue(say(gateway, "revoke", identity).endswith(" is out of the mesh\n"))
        say(node, "leave")
        self.refused("put out", node, "join", "-", given=line)
        self.refused("is no id of a node", gateway, "revoke", "nobody", code=2)
        own = ask(gateway, "id")
        for one in (own["id"], told(gateway)["mesh"]):
            self.refused("this gateway itself", gateway, "revoke", one)
        peer = self.node().start().wait_ready()
        say(peer, "join", "-", given=line)
        self.refused("is no gateway", peer, "revoke", id_of(peer))

    def test_who_waits_for_a_join_is_told_that_the_node_stops(self):
        gateway, node = self.gateway(), self.node().start().wait_ready()
        line = say(gateway, "invite")
        gateway.process.send_signal(signal.SIGSTOP)
        with subprocess.Popen([node.binary, "join", "-"], env=weft.environment(node.home), stdin=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as joining:
            joining.stdin.write(line)
            joining.stdin.close()
            wait("it joins", lambda: b"\nweft_requests_running 2\n" in node.ask("GET", "/metrics").read())  # and this one
            node.stop()
            self.assertIn("is being stopped", joining.stderr.read())
        self.assertEqual(joining.returncode, 1)

    def test_a_letter_of_the_root_is_delivered(self):
        gateway, node = self.gateway(), self.node()
        line = say(gateway, "invite")
        identity = ask(node, "join", "-", given=line)["id"]
        key = os.path.join(gateway.home, "root.key")
        moved = os.path.join(gateway.folder, "moved.key")
        os.rename(key, moved)
        letter = say(gateway, "root", "certify", "--key", moved, identity)
        node.start().wait_ready()
        say(node, "root", "deliver", "-", given=letter)
        gateway.stop()
        gateway.terminated = False
        gateway.start().wait_ready()
        self.refused("root's key is needed", gateway, "invite", "--role", "gateway")
        self.assertIn("unless it is a gateway", say(gateway, "revoke", identity))  # as here it is
        out = say(gateway, "root", "revoke", "--key", moved, identity)
        say(gateway, "root", "deliver", "-", given=out)
        self.refused("somebody else", gateway, "root", "deliver", letter.strip())
        self.refused("no letter", gateway, "root", "deliver", "nonsense")


if __name__ == "__main__":
    unittest.main()
