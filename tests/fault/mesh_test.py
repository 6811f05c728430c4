#!/usr/bin/env python3
"""tests/fault/mesh_test.py - a mesh of real nodes over an internet with NAT in it.

A gateway that all can dial; two houses behind NAT, where models are, and a third without one. Nobody can dial into a
house."""

import contextlib
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import engine, netlab, weft  # noqa: E402

PORT = 9340  # of every mesh listener: each is on a machine of its own
ENGINE = ("--model", engine.model_path(), "--threads", "1", "--slots", "2", "--context", "512", "--exact")


def listens(address):
    return ("--mesh-listen", f"0.0.0.0:{PORT}", "--mesh-address", f"{address}:{PORT}")


class Mesh(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        net = cls.stack.enter_context(netlab.Internet())
        cls.net = net
        gate = net.place("gate")
        cls.gate = cls.node(gate, "--gateway", "--no-model", *listens(gate.address))
        cls.gate.start().wait_ready()
        cls.holders = [cls.node(net.house(f"home{i}"), *ENGINE) for i in (1, 2)]
        cls.asker = cls.node(net.house("home3"), "--no-model")
        for node in (*cls.holders, cls.asker):
            node.start().wait_ready()

    @classmethod
    def node(cls, place, *flags):
        node = weft.Weft(*flags, place=place)
        cls.stack.callback(node.give_up)
        return node

    def say(self, node, *words, given=""):
        env = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
        done = subprocess.run([*node.place.inside, weft.binary_path(), *words], env={**env, "WEFT_HOME": node.home},
                              input=given, capture_output=True, text=True, timeout=weft.WAIT_S, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_1_nobody_can_dial_into_a_house(self):
        home = self.net.house("home4")
        node = self.node(home, "--no-model", *listens(home.address))
        node.start().wait_ready()
        home.connect(home.address, PORT).close()  # there it is
        for address in (home.address, home.router.address):
            with self.assertRaises(OSError):
                self.gate.place.connect(address, PORT, wait_s=2)
        node.stop()

    def test_2_one_line_each_and_they_are_in(self):
        for node in (*self.holders, self.asker):
            line = self.say(self.gate, "invite")
            self.assertIn("peer", self.say(node, "join", "-", given=line))


if __name__ == "__main__":
    netlab.enter(__file__)
    unittest.main(verbosity=2)
