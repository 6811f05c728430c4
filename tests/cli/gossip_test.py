#!/usr/bin/env python3
"""tests/cli/gossip_test.py - nodes of a mesh come to know of each other: real nodes, real links, models that nobody loads."""

import http.server
import json
import os
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import weft  # noqa: E402
from lib.mesh import GATEWAY, ask, attached, end, free_port, id_of, join, peers, run, say, told, wait  # noqa: E402

SOON_S = 15  # three times what all of this may take
GONE_S = 5   # the target: a node that is silent is out of the routes
BACK_S = 2   # likewise: a second gateway has taken over


def soon(what, is_so):
    wait(what, is_so, SOON_S)


def pair(name):
    return [name + "-a", name + "-b"]


class Gossip(unittest.TestCase):
    def node(self, *flags, models=()):
        """A node that offers models: files that are no models, which nobody loads; one alone would be loaded."""
        node = weft.Weft(*flags)
        self.addCleanup(end, node)
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

    def models_of(self, node, peer_id):
        peer = peers(node).get(peer_id)
        return sorted(model["name"] for model in peer["models"]) if peer and peer["state"] == "alive" else None

    def listed(self, node):
        return sorted(model["id"] for model in json.load(node.ask("GET", "/v1/models"))["data"])

    def mesh(self):
        """A gateway, and two nodes that serve."""
        gateway = self.node(*GATEWAY, models=pair("gate")).start().wait_ready()
        nodes = [self.node(models=pair(name)).start().wait_ready() for name in ("red", "green")]
        for node in nodes:
            join(node, gateway)
        return gateway, *nodes

    def test_each_sees_what_the_others_serve(self):
        gateway, red, green = self.mesh()
        ids = {name: id_of(node) for name, node in (("gate", gateway), ("red", red), ("green", green))}
        for node, other, models in ((red, "green", pair("green")), (green, "red", pair("red")), (gateway, "red", pair("red")),
                                    (gateway, "green", pair("green")), (red, "gate", pair("gate"))):
            soon(f"{other} and its models are known", lambda: self.models_of(node, ids[other]) == models)
        peer = peers(red)[ids["green"]]
        self.assertEqual((peer["role"], peer["path"], peer["gateway"]), ("peer", "relayed", ids["gate"]))
        self.assertRegex(peer["models"][0]["hash"], r"\A[0-9a-f]{64}\Z")
        self.assertEqual(peers(red)[ids["gate"]]["path"], "direct")
        self.assertEqual(peers(gateway)[ids["red"]]["path"], "direct")
        for node in (gateway, red, green):
            soon("the list", lambda: self.listed(node) == sorted(pair("gate") + pair("green") + pair("red")))
        told = ask(red, "peers")
        self.assertEqual([one["id"] for one in told["gateways"]], [ids["gate"]])
        table = say(red, "peers").splitlines()
        self.assertEqual(len(table), 3)
        self.assertRegex(table[0], r"\ANODE +ROLE +STATE +REACHED +TOKENS/S +HEARD +MODELS\Z")
        self.assertTrue(any(line.startswith(ids["green"][:12]) and line.endswith("  green-a, green-b") for line in table), table)

    def test_a_silent_node_is_gone_and_comes_back(self):
        _, red, green = self.mesh()
        green_id = id_of(green)
        soon("the peer", lambda: self.models_of(red, green_id) == pair("green"))
        green.process.send_signal(signal.SIGSTOP)
        wait(f"a node that was stopped is gone (target {GONE_S} s)", lambda: peers(red)[green_id]["state"] == "gone", 3 * GONE_S)
        green.process.send_signal(signal.SIGCONT)
        soon("and is back when it goes on", lambda: self.models_of(red, green_id) == pair("green"))

    def test_what_a_node_serves_anew_is_told(self):
        gateway, red, green = self.mesh()
        red_id = id_of(red)
        soon("the peer", lambda: self.models_of(green, red_id) == pair("red"))
        red.stop()
        soon("its end", lambda: peers(green)[red_id]["state"] == "gone")
        self.put_model(red, "blue")
        red.start().wait_ready()
        soon("both models", lambda: self.models_of(green, red_id) == ["blue"] + pair("red"))
        soon("the list", lambda: self.listed(gateway) == sorted(["blue"] + pair("gate") + pair("green") + pair("red")))

    def test_who_is_revoked_is_out_everywhere(self):
        gateway, red, green = self.mesh()
        red_id = id_of(red)
        soon("the peer", lambda: self.models_of(green, red_id) == pair("red"))
        say(gateway, "revoke", red_id)
        for node in (gateway, green):
            soon("its end", lambda: red_id not in peers(node))
            soon("the list without it", lambda: self.listed(node) == pair("gate") + pair("green"))
        soon("its links' end", lambda: not attached(red))

    def test_what_one_gateway_knows_another_does(self):
        """Two nodes that have joined at different gateways; then one of these goes, and the other one is enough."""
        at_a_port = ("--mesh-listen", f"127.0.0.1:{free_port()}")
        first = self.node("--gateway", *at_a_port, models=pair("gate")).start().wait_ready()
        second, red, green = (self.node(*flags, models=pair(name)).start().wait_ready()
                              for name, flags in (("far", GATEWAY[1:]), ("red", ()), ("green", ())))
        join(second, first, "gateway")
        soon("the gateways are attached", lambda: id_of(first) in attached(second))
        join(red, first)
        join(green, second)
        red_id, green_id, gone_id = (id_of(node) for node in (red, green, first))
        for node, peer_id, models in ((red, green_id, pair("green")), (green, red_id, pair("red")),
                                      (first, green_id, pair("green")), (second, red_id, pair("red"))):
            soon(f"{models[0]} is known", lambda: self.models_of(node, peer_id) == models)
        first.kill()
        for node in (red, green):
            wait("one gateway is left", lambda: attached(node) == {id_of(second)}, 3 * BACK_S)
        soon("and the other one's end is known", lambda: peers(red)[gone_id]["state"] == "gone")
        self.assertEqual(self.models_of(red, green_id), pair("green"))
        first.start().wait_ready()
        soon("it is back", lambda: gone_id in attached(red) & attached(green) & attached(second))
        say(second, "revoke", red_id)
        for node in (second, first, green):
            soon("a revoked node's end", lambda: red_id not in peers(node))
        soon("its links' end", lambda: not attached(red))
        red.stop()
        red.start().wait_ready()
        soon("no gateway takes it", lambda: "put out" in told(red).get("gateway_problem", ""))
        self.assertEqual(attached(red), set())

    def test_who_only_asks_offers_nothing(self):
        gateway, red, _ = self.mesh()
        idle = self.node("--no-model", models=pair("unseen")).start().wait_ready()
        client = self.node(models=pair("mine")).start().wait_ready()
        join(idle, gateway)
        join(client, gateway, "client")
        for node in (idle, client):
            soon("the peer", lambda: self.models_of(gateway, id_of(node)) == [])
            soon("what it can ask for", lambda: set(pair("green") + pair("red")) <= set(self.listed(node)))
        soon("the list", lambda: self.listed(red) == sorted(pair("gate") + pair("green") + pair("red")))

    def test_more_models_than_a_node_is_told_the_holders_of(self):
        names = [f"n{i}" for i in range(9)]
        gateway = self.node(*GATEWAY, "--no-model").start().wait_ready()
        asker = self.node("--no-model").start().wait_ready()
        join(asker, gateway)
        for name in names:
            join(self.node(models=pair(name)).start().wait_ready(), gateway)
        models = sorted(model for name in names for model in pair(name))
        soon("all that is served", lambda: self.listed(gateway) == models)
        soon("also where not all who serve are known", lambda: self.listed(asker) == models)
        self.assertLess(len(peers(asker)), 1 + len(names))

    def test_as_many_as_a_node_shows_are_printed(self):
        model = {"name": "m" * 40, "hash": "0" * 64, "quant": "Q4_K_M", "context": 131072, "slots": 16}
        known = [{"id": f"{i:052}", "role": "peer", "state": "alive", "since_ms": 0, "path": "direct", "gateway": None,
                  "heard_ms": 0, "speed": None, "models": [model] * 32} for i in range(1024)]
        text = json.dumps({"mesh": "m", "gateways": [], "peers": known, "peers_known": len(known)}).encode()

        class Node(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Node)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        node = self.node("--no-model").start().wait_ready()  # for its owner's token
        table = say(node, "peers", "--url", f"http://127.0.0.1:{server.server_port}").splitlines()
        self.assertEqual(len(table), 1 + len(known))

    def test_a_node_in_no_mesh_says_so(self):
        node = self.node("--no-model").start().wait_ready()
        done = run(node, "peers")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("this node is in no mesh", done.stderr)
        self.assertEqual(ask(node, "peers"), {"id": None, "mesh": None})


if __name__ == "__main__":
    unittest.main(verbosity=2)
