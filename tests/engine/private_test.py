#!/usr/bin/env python3
"""tests/engine/private_test.py - what is asked of a node at home stays there: not one packet leaves the machine, and no
prompt and no answer is in any file, log or core.

The node runs in a network namespace of its own, with a default route to a neighbour that takes what comes. A capture
beside it first has to see a control packet on that way, so that it cannot be blind. Needs root (or the right to make
namespaces): without, it says SKIP."""

import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import netlab  # noqa: E402
from lib.engine import model_path  # noqa: E402
from lib.weft import WAIT_S, Refused, Weft, binary_path  # noqa: E402

MODEL = model_path()
CANARY = "kiwifruit-9f3c71"
ETH_IPV4, ETH_IPV6, ETH_ALL = 0x0800, 0x86DD, 0x0003
ICMPV6, HOP_BY_HOP = 58, 0
FAR_V4, FAR_V6 = "203.0.113.7", "2001:db8:1::7"
MAC = "02:00:00:00:00:01"


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def make_network():
    """Loopback, and a cable with routes to everywhere; the far end is ours too and says nothing."""
    ip("link", "set", "lo", "up")
    ip("link", "add", "near", "type", "veth", "peer", "name", "far")
    ip("addr", "add", "192.0.2.2/24", "dev", "near")
    ip("-6", "addr", "add", "2001:db8::2/64", "dev", "near", "nodad")
    ip("link", "set", "near", "up")
    ip("link", "set", "far", "up")
    ip("neigh", "replace", "192.0.2.1", "lladdr", MAC, "dev", "near", "nud", "permanent")
    ip("-6", "neigh", "replace", "2001:db8::1", "lladdr", MAC, "dev", "near", "nud", "permanent")
    ip("route", "add", "default", "via", "192.0.2.1")
    ip("-6", "route", "add", "default", "via", "2001:db8::1")


class Capture:
    """Every IP packet on every interface but loopback. What the kernel itself says to an IPv6 cable (ICMPv6: neighbour
    and multicast discovery) is left out."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def close(self):
        self._socket.close()

    def packets(self):
        """(interface, packet without its Ethernet head) of all that went by since the last call."""
        found = []
        while True:
            try:
                frame, address = self._socket.recvfrom(65536)
            except BlockingIOError:
                return found
            kind = struct.unpack("!H", frame[12:14])[0]
            icmpv6 = kind == ETH_IPV6 and (frame[20] == ICMPV6 or (frame[20] == HOP_BY_HOP and frame[54] == ICMPV6))
            if address[0] != "lo" and kind in (ETH_IPV4, ETH_IPV6) and not icmpv6:
                found.append((address[0], frame[14:]))


def ask(node, prompt, stream):
    body = {"model": "SmolLM2-135M-Instruct-Q4_1", "max_tokens": 24, "stream": stream, "seed": 1,
            "messages": [{"role": "user", "content": prompt}]}
    text = node.post("/v1/chat/completions", body, headers={"x-note": CANARY}).read().decode()
    if not stream:
        return json.loads(text)["choices"][0]["message"]["content"]
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


def files_with(folder, needles):
    found = []
    for place, _, names in os.walk(folder):
        for path in (os.path.join(place, name) for name in names):
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    content = file.read()
                found += [(path, needle) for needle in needles if needle in content]
    return found


def engine_of(node):
    """The process id of the node's child."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == node.process.pid:
            return int(name)
    raise AssertionError("the node has no engine")


class Private(unittest.TestCase):
    def setUp(self):
        make_network()
        self.folder = tempfile.mkdtemp(prefix="weft-private-")
        self.addCleanup(shutil.rmtree, self.folder)
        tempfile.tempdir = self.folder  # where the node's own folder lands
        self.capture = Capture()
        self.addCleanup(self.capture.close)

    def see_controls(self):
        for family, far in ((socket.AF_INET, FAR_V4), (socket.AF_INET6, FAR_V6)):
            with socket.socket(family, socket.SOCK_DGRAM) as control:
                control.sendto(b"control", (far, 9))
                seen = self.capture.packets()
                self.assertTrue(any(b"control" in packet for _, packet in seen), f"the capture is blind for {far}")

    def use_node(self, node):
        """What somebody at home does. Returns what must be nowhere."""
        prompt = f"Say the word {CANARY} three times."
        answers = [ask(node, prompt, stream) for stream in (False, True)]
        done = subprocess.run([binary_path(), "chat", "--url", node.url(""), prompt], capture_output=True, check=True,
                              timeout=WAIT_S, text=True)
        answers.append(done.stdout)
        for answer in answers:
            self.assertGreater(len(answer.strip()), 8, "too short an answer to look for")
        return [CANARY.encode(), *[answer.strip()[:40].encode() for answer in answers]]

    def use_restarted_node(self, node):
        while True:
            try:
                return self.use_node(node)
            except Refused as refused:
                if refused.status not in (502, 503):
                    raise

    def test_nothing_leaves_and_nothing_stays(self):
        self.see_controls()
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        os.chdir(self.folder)  # where a core would land
        env = {name: self.folder for name in ("HOME", "TMPDIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
        node = Weft("--model", MODEL, "--threads", "1", "--slots", "2", "--context", "512", "--log-level", "debug", env=env)
        node.start().wait_ready()
        try:
            needles = self.use_node(node)
            self.assertEqual(self.capture.packets(), [])
            os.kill(engine_of(node), signal.SIGSEGV)
            needles += self.use_restarted_node(node)
            os.kill(node.process.pid, signal.SIGSEGV)
            node.process.wait(WAIT_S)
            self.assertEqual(self.capture.packets(), [])
            self.assertIn('"status":200', node.log())  # the journal was written, into the folder that is searched
            self.assertEqual(files_with(self.folder, needles), [])
            cores = [name for place, _, names in os.walk(self.folder) for name in names if name.startswith("core")]
            self.assertEqual(cores, [])
        finally:
            node.give_up()
        # Neither the search nor, at the end, the capture is blind.
        with open(os.path.join(self.folder, "control"), "wb") as file:
            file.write(b"..." + CANARY.encode())
        self.assertTrue(files_with(self.folder, needles))
        self.see_controls()


if __name__ == "__main__":
    netlab.enter(__file__, ("unshare", "ip"))
    unittest.main(verbosity=2)
