#!/usr/bin/env python3
"""tests/cli/root_test.py - `weft root` and `weft id`: keys in files, letters out, without a network.

What a letter says is read here from docs/PROTOCOL.md, and openssl says whether its signature is right.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import weft  # noqa: E402

DAY_S = 86400
PRIVATE = bytes.fromhex("302e020100300506032b657004220420")  # PKCS #8 around an Ed25519 seed (RFC 8410)
PUBLIC = bytes.fromhex("302a300506032b6570032100")


def unpadded(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def padded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def id_of(key):
    return base64.b32encode(key).decode().rstrip("=").lower()


def public_of(seed):
    done = subprocess.run(["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"], input=PRIVATE + seed,
                          capture_output=True, check=True)
    assert done.stdout.startswith(PUBLIC)
    return done.stdout[len(PUBLIC):]


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def fields(record):
    """Tags and values of a record of major 1."""
    assert record[0] == 1
    found, at = {}, 1
    while at < len(record):
        tag, at = varint(record, at)
        size, at = varint(record, at)
        assert tag not in found
        found[tag], at = record[at:at + size], at + size
    return found


def number(value):
    return varint(value, 0)[0]


class Root(unittest.TestCase):
    ROOT, NODE = bytes([7] * 32), bytes([8] * 32)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-root-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.key = self.write("root.key", f"weft root key v1 {unpadded(self.ROOT)}\n")
        self.mesh, self.node = public_of(self.ROOT), public_of(self.NODE)

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def run_weft(self, *words):
        env = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
        return subprocess.run([weft.binary_path(), *words], env=env, capture_output=True, text=True,
                              timeout=weft.WAIT_S)

    def letter(self, line, domain):
        """The fields of a letter whose signature is the root's."""
        self.assertTrue(line.startswith(domain + " "), line)
        signed = padded(line[len(domain) + 1:].strip())
        record, signature = signed[:-64], signed[-64:]
        key, text, sign = (os.path.join(self.folder, name) for name in ("public", "text", "signature"))
        for path, data in ((key, PUBLIC + self.mesh), (text, domain.encode() + b"\0" + record), (sign, signature)):
            with open(path, "wb") as file:
                file.write(data)
        subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", key, "-rawin", "-in",
                        text, "-sigfile", sign], check=True, capture_output=True)
        return fields(record)

    def certified(self, *flags):
        before = int(time.time())
        done = self.run_weft("root", "certify", "--key", self.key, *flags, id_of(self.node))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("is a gateway of the mesh " + id_of(self.mesh), done.stderr)
        said = self.letter(done.stdout, "weft certificate v1")
        self.assertEqual((said[1], said[3], number(said[4])), (self.mesh, self.node, 3))
        self.assertNotIn(2, said)  # the root signs
        self.assertIn(number(said[5]), range(before, int(time.time()) + 1))
        return said

    def test_a_gateway_is_certified_for_a_year_or_as_long_as_asked(self):
        said = self.certified()
        self.assertEqual(number(said[6]) - number(said[5]), 365 * DAY_S)
        again = self.certified("--ttl", "90d")
        self.assertEqual(number(again[6]) - number(again[5]), 90 * DAY_S)
        self.assertNotEqual(said[7], again[7])  # a serial of its own

    def test_a_node_is_revoked_for_longer_than_any_certificate_lasts(self):
        done = self.run_weft("root", "revoke", f"--key={self.key}", id_of(self.node))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("is out of the mesh " + id_of(self.mesh), done.stderr)
        said = self.letter(done.stdout, "weft revocation v1")
        self.assertEqual((said[1], said[3]), (self.mesh, self.node))
        self.assertNotIn(2, said)
        self.assertGreater(number(said[5]) - number(said[4]), 5 * 365 * DAY_S)

    def test_it_says_it_as_json(self):
        for act in ("certify", "revoke"):
            done = self.run_weft("root", act, "--json", "--key", self.key, id_of(self.node))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            said = json.loads(done.stdout)
            self.assertEqual((said["mesh"], said["node"]), (id_of(self.mesh), id_of(self.node)))
            read = self.letter(said["letter"], "weft certificate v1" if act == "certify" else "weft revocation v1")
            if act == "certify":
                self.assertEqual(said["expires"], number(read[6]))

    def refused(self, says, *words):
        done = self.run_weft("root", *words)
        self.assertEqual((done.returncode, done.stdout), (2, ""), words)
        self.assertRegex(done.stderr, r"\Aweft: .+\n\Z")
        self.assertIn(says, done.stderr)
        self.assertNotIn(unpadded(self.ROOT), done.stderr)

    def test_each_thing_that_is_wrong_has_its_sentence(self):
        node = id_of(self.node)
        certify, revoke = ("certify", "--key", self.key), ("revoke", "--key", self.key)
        self.refused("either certifies a gateway or revokes a node")
        self.refused("either certifies a gateway or revokes a node", "certfy", "--key", self.key, node)
        self.refused("which key?", "certify", node)
        self.refused("which node?", *certify)
        self.refused("takes no", *certify, node, node)
        self.refused("takes no", *revoke, "--ttl", "9d", node)
        self.refused("takes no", *certify, "--tll=9d", node)
        self.refused("is no id of a node", *certify, node[:-1])
        self.refused("is no id of a node", *certify, node.upper())
        self.refused("is no id of a node", *certify, "a" * 52)
        for life in ("9", "d", "0d", "-1d", "9w", "9dd", "1826d", "9" * 30 + "d"):
            self.refused("is no such span of time", *certify, "--ttl", life, node)
        for act in (certify, revoke):
            self.refused("that id is the mesh's own", *act, id_of(self.mesh))

    def test_a_key_that_is_none_or_open_to_others_is_refused(self):
        node = id_of(self.node)
        seed = unpadded(self.ROOT)
        for text in ("", "weft root key v1 \n", f"weft root key v1 {seed[:-1]}\n", f"weft node key v1 {seed}\n",
                     f"weft root key v2 {seed}\n", f"weft root key v1 {seed}\nmore\n", "x" * 5000):
            self.write("root.key", text)
            self.refused("the root key", "certify", "--key", self.key, node)
        self.write("root.key", f"weft root key v1 {seed}\n", 0o640)
        self.refused("chmod 600", "certify", "--key", self.key, node)
        os.remove(self.key)
        self.refused("cannot be read", "revoke", "--key", self.key, node)

    def test_what_cannot_be_written_is_a_failure(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full on this system")
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([weft.binary_path(), "root", "revoke", "--key", self.key, id_of(self.node)],
                                  stdout=full, stderr=subprocess.PIPE, timeout=weft.WAIT_S, check=False)
        self.assertEqual(done.returncode, 1)

    def test_a_node_without_a_key_has_no_id_and_gets_none_by_asking(self):
        home = os.path.join(self.folder, "home")
        done = self.run_weft("id", "--home", home)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("has no id yet", done.stderr)
        done = self.run_weft("id", "--home", home, "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout), done.stderr), (1, {"id": None}, ""))
        self.assertFalse(os.path.exists(home))

    def test_the_id_of_a_node_is_its_key(self):
        path = self.write("node.key", f"weft node key v1 {unpadded(self.NODE)}\n")
        done = self.run_weft("id", f"--home={self.folder}")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, id_of(self.node) + "\n", ""))
        done = self.run_weft("id", "--json", "--home", self.folder)
        self.assertEqual((done.returncode, json.loads(done.stdout)), (0, {"id": id_of(self.node)}))
        os.chmod(path, 0o644)
        done = self.run_weft("id", "--home", self.folder)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("chmod 600", done.stderr)
        self.write("node.key", "nothing\n")
        done = self.run_weft("id", "--home", self.folder)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("the node's key", done.stderr)
        for word in ("--url=http://127.0.0.1:1", "now"):
            done = self.run_weft("id", word)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("takes no", done.stderr)


if __name__ == "__main__":
    unittest.main()
