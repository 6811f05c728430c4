#!/usr/bin/env python3
"""tests/cli/gossip_test.py - nodes of a mesh come to know of each other: real nodes, real links, models that nobody loads."""

import json
import os
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import weft  # noqa: E402

POLL_S = 0.05
SOON_S = 15  # three times what all of this may take
GONE_S = 5   # the target: a node that is silent is out of the routes


def run(node, *words, given=""):
    """A command with the home of `node`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
    env["WEFT_HOME"] = node.home
    return subprocess.run([weft.binary_path(), *words], env=env, input=given, capture_output=True, text=True,
                          timeout=weft.WAIT_S)


def pair(name):
    return [name + "-a", name + "-b"]


class Gossip(unittest.TestCase):
    def node(self, *flags, models=()):
        """A node that offers models: files that are no models, which nobody loads; one alone would be loaded."""
        node = weft.Weft(*flags)
        self.addCleanup(self.end, node)
        folder = os.path.join(node.home, "models")
        os.makedirs(folder, mode=0o700)
        os.chmod(node.home, 0o700)
        for name in models:
            self.put_model(node, name)
        return node

    @staticmethod
    def put_model(node, name):
        with open(os.path.join(node.home, "models", name + ".gguf"), "wb") as file:
            file.write(b"GGUF" + name.encode())

    @staticmethod
    def end(node):
        try:
            if node.process:
                node.process.send_signal(signal.SIGCONT)
                node.stop()
        finally:
            node.give_up()

    def say(self, node, *words, given=""):
        done = run(node, *words, given=given)
        self.assertEqual(done.returncode, 0, (words[0], done.stderr))
        return done.stdout

    def id_of(self, node):
        return json.loads(self.say(node, "id", "--json"))["id"]

    def peers(self, node):
        """What it knows of others, by their ids."""
        return {peer["id"]: peer for peer in json.loads(self.say(node, "peers", "--json"))["peers"]}

    def wait(self, what, look, wait_s=SOON_S):
        """Until look() is true: how long that took."""
        since = time.monotonic()
        while not look():
            passed = time.monotonic() - since
            self.assertLess(passed, wait_s, what)
            time.sleep(POLL_S)
        return time.monotonic() - since

    def models_of(self, node, peer_id):
        peer = self.peers(node).get(peer_id)
        return sorted(model["name"] for model in peer["models"]) if peer and peer["state"] == "alive" else None

    def listed(self, node):
        return sorted(model["id"] for model in json.load(node.ask("GET", "/v1/models"))["data"])

    def mesh(self):
        """A gateway, and two nodes that serve."""
        gateway = self.node("--gateway", "--mesh-listen", "127.0.0.1:0", models=pair("gate")).start().wait_ready()
        nodes = [self.node(models=pair(name)).start().wait_ready() for name in ("red", "green")]
        for node in nodes:
            self.say(node, "join", "-", given=self.say(gateway, "invite"))
        return gateway, *nodes

    def test_each_sees_what_the_others_serve(self):
        gateway, red, green = self.mesh()
        ids = {name: self.id_of(node) for name, node in (("gate", gateway), ("red", red), ("green", green))}
        for node, other, models in ((red, "green", pair("green")), (green, "red", pair("red")), (gateway, "red", pair("red")),
                                    (gateway, "green", pair("green")), (red, "gate", pair("gate"))):
            took = self.wait("a peer and its models", lambda: self.models_of(node, ids[other]) == models)
            print(f"# {other} is known after {took:.2f} s", flush=True)
        peer = self.peers(red)[ids["green"]]
        self.assertEqual((peer["role"], peer["path"], peer["gateway"]), ("peer", "relayed", ids["gate"]))
        self.assertRegex(peer["models"][0]["hash"], r"\A[0-9a-f]{64}\Z")
        self.assertEqual(self.peers(red)[ids["gate"]]["path"], "direct")
        self.assertEqual(self.peers(gateway)[ids["red"]]["path"], "direct")
        for node in (gateway, red, green):
            self.wait("the list", lambda: self.listed(node) == sorted(pair("gate") + pair("green") + pair("red")))
        told = json.loads(self.say(red, "peers", "--json"))
        self.assertEqual([one["id"] for one in told["gateways"]], [ids["gate"]])
        table = self.say(red, "peers").splitlines()
        self.assertEqual(len(table), 3)
        self.assertRegex(table[0], r"\ANODE +ROLE +STATE +REACHED +TOKENS/S +HEARD +MODELS\Z")
        self.assertTrue(any(line.startswith(ids["green"][:12]) and line.endswith("  green-a, green-b") for line in table), table)

    def test_a_silent_node_is_gone_and_comes_back(self):
        _, red, green = self.mesh()
        green_id = self.id_of(green)
        self.wait("the peer", lambda: self.models_of(red, green_id) == pair("green"))
        green.process.send_signal(signal.SIGSTOP)
        took = self.wait("the peer's end", lambda: self.peers(red)[green_id]["state"] == "gone", 3 * GONE_S)
        print(f"# a node that was stopped is gone after {took:.2f} s (target {GONE_S} s)", flush=True)
        green.process.send_signal(signal.SIGCONT)
        took = self.wait("the peer's return", lambda: self.models_of(red, green_id) == pair("green"))
        print(f"# and is back {took:.2f} s after it goes on", flush=True)

    def test_what_a_node_serves_anew_is_told(self):
        gateway, red, green = self.mesh()
        red_id = self.id_of(red)
        self.wait("the peer", lambda: self.models_of(green, red_id) == pair("red"))
        red.stop()
        self.wait("its end", lambda: self.peers(green)[red_id]["state"] == "gone")
        self.put_model(red, "blue")
        red.start().wait_ready()
        self.wait("both models", lambda: self.models_of(green, red_id) == ["blue"] + pair("red"))
        self.wait("the list", lambda: self.listed(gateway) == sorted(["blue"] + pair("gate") + pair("green") + pair("red")))

    def test_who_is_revoked_is_out_everywhere(self):
        gateway, red, green = self.mesh()
        red_id = self.id_of(red)
        self.wait("the peer", lambda: self.models_of(green, red_id) == pair("red"))
        self.say(gateway, "revoke", red_id)
        for node in (gateway, green):
            self.wait("its end", lambda: red_id not in self.peers(node))
            self.wait("the list without it", lambda: self.listed(node) == pair("gate") + pair("green"))
        self.wait("its links' end", lambda: json.loads(self.say(red, "peers", "--json"))["gateways"] == [])

    def test_who_only_asks_offers_nothing(self):
        gateway, red, _ = self.mesh()
        idle = self.node("--no-model", models=pair("unseen")).start().wait_ready()
        client = self.node(models=pair("mine")).start().wait_ready()
        self.say(idle, "join", "-", given=self.say(gateway, "invite"))
        self.say(client, "join", "-", given=self.say(gateway, "invite", "--role", "client"))
        for node in (idle, client):
            self.wait("the peer", lambda: self.models_of(gateway, self.id_of(node)) == [])
            self.wait("what it can ask for", lambda: set(pair("green") + pair("red")) <= set(self.listed(node)))
        self.wait("the list", lambda: self.listed(red) == sorted(pair("gate") + pair("green") + pair("red")))

    def test_a_node_in_no_mesh_says_so(self):
        node = self.node("--no-model").start().wait_ready()
        done = run(node, "peers")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("this node is in no mesh", done.stderr)
        self.assertEqual(json.loads(self.say(node, "peers", "--json")), {"id": None, "mesh": None})


if __name__ == "__main__":
    unittest.main(verbosity=2)
