#!/usr/bin/env python3
"""tests/vectors/make.py - writes the vectors of docs/PROTOCOL.md, from that page alone and in another language.

    tests/vectors/make.py            writes the *.json beside it, and the fuzz targets' corpora from the same values
    tests/vectors/make.py --check    says whether they are what it would write

It needs Python's `cryptography` (Debian: python3-cryptography). tests/conformance/vectors_test.c reads what it writes.
"""

import base64
import hashlib
import json
import os
import sys
import zlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "..", "fuzz", "corpus")
ROLES = {"client": 1, "peer": 2, "gateway": 3}
REFUSALS = ["malformed", "newer", "other_mesh", "unknown", "revoked", "expired", "used_up", "key_revoked", "lapsed",
            "root_away", "issuer_away", "gateway_lapsed", "busy"]

# -- the codec --


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def fields(pairs):
    """Tags and values: bytes as they are, numbers as varints, None left out."""
    out = b""
    for tag, value in pairs:
        if value is not None:
            data = varint(value) if isinstance(value, int) else value
            out += varint(tag) + varint(len(data)) + data
    return out


def record(pairs, major=1):
    return bytes([major]) + fields(pairs)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    def __init__(self, seed):
        self.seed = seed
        self.private = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.key = self.private.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    def sign(self, domain, data):
        return self.private.sign(domain.encode() + b"\0" + data)

    def signed(self, domain, data):
        return data + self.sign(domain, data)


ROOT, GATEWAY, NODE = (Signer(bytes([byte]) * 32) for byte in (1, 2, 3))
PEOPLE = {"root": ROOT, "gateway": GATEWAY, "node": NODE}

# -- what is signed --


def certificate(value, signer):
    issuer = bytes.fromhex(value["issuer"])
    return signer.signed("weft certificate v1", record([
        (1, bytes.fromhex(value["mesh"])),
        (2, None if value["issuer"] == value["mesh"] else issuer),
        (3, bytes.fromhex(value["subject"])),
        (4, ROLES[value["role"]]),
        (5, value["not_before"]),
        (6, value["not_after"]),
        (7, value["serial"]),
    ]))


def certificate_value(issuer, subject, role, begin, end, serial):
    return {"mesh": ROOT.key.hex(), "issuer": issuer.key.hex(), "subject": subject.key.hex(), "role": role,
            "not_before": begin, "not_after": end, "serial": serial}


def chain(own, issuer):
    return fields([(1, own), (2, issuer)])


def revocation(value, signer):
    return signer.signed("weft revocation v1", record([
        (1, bytes.fromhex(value["mesh"])),
        (2, bytes.fromhex(value["issuer"]) or None),
        (3, bytes.fromhex(value["subject"])),
        (4, value["made"]),
        (5, value["until"]),
    ]))


def invite_record(value):
    return record([
        (1, bytes.fromhex(value["mesh"])),
        (2, bytes.fromhex(value["issuer"])),
        (3, bytes.fromhex(value["secret"])),
        (4, ROLES[value["role"]]),
        (5, value["expires"]),
    ] + [(6, address.encode()) for address in value["addresses"]])


def invite(data):
    return "weft1" + base64url(data + zlib.crc32(data).to_bytes(4, "big"))


def invite_signer(secret):
    return Signer(hashlib.sha256(b"weft invite key v1\0" + secret).digest())


def letter(domain, data):
    return f"{domain} {base64url(data)}\n"


def application(value, signer):
    return signer.signed("weft application v1", record([
        (1, bytes.fromhex(value["mesh"])),
        (2, bytes.fromhex(value["node"])),
        (3, bytes.fromhex(value["link"])),
        (4, bytes.fromhex(value["issuer"]) or None),
        (5, bytes.fromhex(value["invite"]) or None),
        (6, bytes.fromhex(value["proof"]) or None),
        (7, bytes.fromhex(value["chain"]) or None),
    ]))


def admission(value):
    return record([(1, bytes.fromhex(value["chain"]) or None), (2, value["refusal"] or None)])


def model(value):
    return fields([
        (1, value["alias"].encode()),
        (2, bytes.fromhex(value["hash"]) or None),
        (3, bytes.fromhex(value["template_hash"]) or None),
        (4, value["quant"].encode() or None),
        (5, value["kernel_class"].encode() or None),
        (6, value["context"] or None),
        (7, value["slots"] or None),
    ])


def hello(value):
    return record([(1, bytes.fromhex(value["key"])), (2, value["least"]), (3, value["most"]),
                   (4, bytes.fromhex(value["chain"]) or None), (5, value["version"].encode() or None)])


def announcement(value, signer):
    return signer.signed("weft announcement v1", record([
        (1, bytes.fromhex(value["key"])),
        (2, bytes.fromhex(value["chain"])),
        (3, value["incarnation"]),
        (4, value["sequence"]),
        (5, value["made"]),
    ] + [(6, address.encode()) for address in value["addresses"]]
      + [(7, model(each)) for each in value["models"]] + [
        (8, value["backend"].encode() or None),
        (9, value["device"].encode() or None),
        (10, value["memory"] or None),
        (11, value["speed_centi"] or None),
        (12, value["version"].encode() or None),
    ]))


# -- gossip --


def name(value):
    return (bytes.fromhex(value["key"])[:8] + bytes.fromhex(value["signature"])[36:40]
            + varint(value["incarnation"]) + varint(value["sequence"]))


def names(values):
    return b"".join(name(value) for value in values) or None


def packed(texts):
    return b"".join(bytes.fromhex(text) for text in texts)


def gossip_message(value):
    """A part that a value does not have is not said."""
    digest, listed, reach = value.get("digest"), value.get("list"), value.get("reach")
    return record([(1, bytes.fromhex(each)) for each in value.get("announcements", [])]
                  + [(2, bytes.fromhex(each)) for each in value.get("revocations", [])] + [
        (3, names(value.get("news", []))),
        (4, packed(value.get("wants", [])) or None),
        (5, packed(value.get("revocation_wants", [])) or None),
        (6, digest and fields([(1, bytes.fromhex(digest["salt"])), (2, bytes.fromhex(digest["sums"])),
                               (3, bytes.fromhex(digest["revocations"]))])),
        (7, listed and fields([(1, bytes.fromhex(listed["salt"])),
                               (2, b"".join(place.to_bytes(2, "little") for place in listed["buckets"]) or None),
                               (3, names(listed["names"])),
                               (4, packed(listed["revocations"]) if "revocations" in listed else None)])),
        (8, reach and fields([(1, 1 if reach["anew"] else None), (2, packed(reach["more"]) or None),
                              (3, packed(reach["less"]) or None)])),
        (9, 1 if value.get("reach_again") else None),
    ] + [(10, fields([(1, line["alias"].encode()), (2, bytes.fromhex(line["hash"]) or None), (3, line["peers"])]))
         for line in value.get("lines", [])] + [
        (11, packed(value["used"]) if "used" in value else None),
    ])


def siphash(key, data):
    """SipHash-2-4, from its authors' description."""
    mask = 2**64 - 1

    def rounds(v, count):
        rotate = lambda x, by: (x << by | x >> (64 - by)) & mask
        for _ in range(count):
            v[0] = (v[0] + v[1]) & mask
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[3]) & mask
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & mask
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & mask
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    halves = [int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")]
    v = [halves[0] ^ 0x736F6D6570736575, halves[1] ^ 0x646F72616E646F6D,
         halves[0] ^ 0x6C7967656E657261, halves[1] ^ 0x7465646279746573]
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at:at + 8], "little")
        v[3] ^= word
        rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def sums(salt, signed, buckets):
    """Of announcements, as (key, the whole of it signed)."""
    out = [0] * buckets
    for key, data in signed:
        bucket = siphash(salt, key) % buckets
        out[bucket] = (out[bucket] + siphash(salt, key + data[-32:-24])) % 2**32
    return b"".join(each.to_bytes(4, "little") for each in out)


def revocation_sum(salt, signed):
    return (sum(siphash(salt, data[-32:-24]) for data in signed) % 2**64).to_bytes(8, "little")


# -- the values --

GATEWAY_VALUE = certificate_value(ROOT, GATEWAY, "gateway", 1795000000, 1826536000, 1)
NODE_VALUE = certificate_value(GATEWAY, NODE, "peer", 1795003600, 1797595600, 300)
GATEWAY_CERTIFICATE = certificate(GATEWAY_VALUE, ROOT)
NODE_CERTIFICATE = certificate(NODE_VALUE, GATEWAY)
NODE_CHAIN = chain(NODE_CERTIFICATE, GATEWAY_CERTIFICATE)


def identities():
    peer_id = {name: base64.b32encode(who.key).decode().rstrip("=").lower() for name, who in PEOPLE.items()}
    return {"vectors": [{
        "name": name, "seed": who.seed.hex(), "key": who.key.hex(), "peer_id": peer_id[name],
        "node_file": f"weft node key v1 {base64url(who.seed)}\n",
        "root_file": f"weft root key v1 {base64url(who.seed)}\n",
        "domain": "weft test v1", "bytes": "00ff", "signature": who.sign("weft test v1", b"\x00\xff").hex(),
    } for name, who in PEOPLE.items()]}


def certificates():
    values = [("of the root, for a gateway", ROOT, GATEWAY_VALUE), ("of a gateway, for a peer", GATEWAY, NODE_VALUE),
              ("the largest numbers", GATEWAY,
               certificate_value(GATEWAY, NODE, "client", 253402300798, 253402300799, 2**64 - 1))]
    return {"vectors": [{"name": name, "seed": signer.seed.hex(), **value, "serial": str(value["serial"]),
                         "bytes": certificate(value, signer).hex(),
                         "letter": letter("weft certificate v1", certificate(value, signer))}
                        for name, signer, value in values],
            "chain": {"own": NODE_CERTIFICATE.hex(), "issuer": GATEWAY_CERTIFICATE.hex(), "bytes": NODE_CHAIN.hex()}}


def revocations():
    common = {"mesh": ROOT.key.hex(), "subject": NODE.key.hex(), "made": 1795100000, "until": 1797692000}
    values = [("of the root", ROOT, {**common, "issuer": ""}),
              ("of a gateway", GATEWAY, {**common, "issuer": GATEWAY_CERTIFICATE.hex()})]
    return {"vectors": [{"name": name, "seed": signer.seed.hex(), **value, "bytes": revocation(value, signer).hex(),
                         "letter": letter("weft revocation v1", revocation(value, signer))}
                        for name, signer, value in values]}


def invites():
    common = {"mesh": ROOT.key.hex(), "issuer": GATEWAY.key.hex(), "secret": bytes(range(16)).hex(),
              "expires": 1795086400}
    values = [("one address", {**common, "role": "peer", "addresses": ["gateway.example.org:4433"]}),
              ("two addresses", {**common, "role": "client",
                                 "addresses": ["[1111:2222:3333:4444:5555:6666:7777:8888]:65535", "192.0.2.1:1"]})]
    one = invite_record(values[0][1])
    line = invite(one)
    return {"vectors": [{"name": name, **value, "line": invite(invite_record(value)),
                         "key": invite_signer(bytes.fromhex(value["secret"])).key.hex()} for name, value in values],
            "refused": [
                {"name": "of a newer line", "line": "weft2" + line[5:], "why": "newer"},
                {"name": "of a newer record", "line": invite(b"\2" + one[1:]), "why": "newer"},
                {"name": "cut", "line": line[:-1], "why": "damaged"},
                {"name": "a wrong checksum", "line": "weft1" + base64url(one + bytes(4)), "why": "damaged"},
                {"name": "padded", "line": line + "=", "why": "damaged"},
                {"name": "a good checksum over something else", "line": invite(b"\1hello"), "why": "no invite"},
                {"name": "no invite", "line": "hello", "why": "no invite"}],
            "skipped": {"name": "a field of a newer version", "line": invite(one + fields([(9, b"new")]))}}


def applications():
    secret = bytes(range(16))
    link = bytes(range(100, 132)).hex()
    key = invite_signer(secret)
    proof = key.sign("weft invite use v1", ROOT.key + GATEWAY.key + NODE.key)
    common = {"mesh": ROOT.key.hex(), "node": NODE.key.hex(), "link": link}
    values = [("with an invite", {**common, "secret": secret.hex(), "issuer": GATEWAY.key.hex(),
                                  "invite": key.key.hex(), "proof": proof.hex(), "chain": ""}),
              ("to be renewed", {**common, "secret": "", "issuer": "", "invite": "", "proof": "",
                                 "chain": NODE_CHAIN.hex()})]
    return {"vectors": [{"name": name, "seed": NODE.seed.hex(), **value, "bytes": application(value, NODE).hex()}
                        for name, value in values]}


def admissions():
    values = [("admitted", {"chain": NODE_CHAIN.hex(), "refusal": 0})]
    values += [(f"refused: {word}", {"chain": "", "refusal": number}) for number, word in enumerate(REFUSALS, 1)]
    return {"vectors": [{"name": name, **value, "word": "" if value["chain"] else REFUSALS[value["refusal"] - 1],
                         "bytes": admission(value).hex()} for name, value in values]}


def hellos():
    values = [("of a member", {"key": NODE.key.hex(), "least": 1, "most": 2, "chain": NODE_CHAIN.hex(),
                               "version": "0.1.0"}),
              ("of a stranger", {"key": GATEWAY.key.hex(), "least": 1, "most": 1, "chain": "", "version": ""})]
    return {"vectors": [{"name": name, **value, "bytes": hello(value).hex()} for name, value in values]}


def announcements():
    two = [{"alias": "Llama-3.2-3B-Instruct-Q4_K_M", "hash": "11" * 32, "template_hash": "22" * 32, "quant": "Q4_K_M",
            "kernel_class": "cuda-sm89", "context": 32768, "slots": 8},
           {"alias": "gpt-oss:20b", "hash": "", "template_hash": "", "quant": "", "kernel_class": "", "context": 0,
            "slots": 0}]
    full = {"key": NODE.key.hex(), "chain": NODE_CHAIN.hex(), "incarnation": 1795003700, "sequence": 4711,
            "made": 1795007200, "addresses": ["192.168.178.35:4433", "[2001:db8::7334]:4433"], "models": two,
            "backend": "cuda", "device": "NVIDIA GeForce RTX 4070 Ti SUPER", "memory": 16 << 30, "speed_centi": 11273,
            "version": "0.1.0"}
    empty = {"key": GATEWAY.key.hex(), "chain": chain(GATEWAY_CERTIFICATE, None).hex(), "incarnation": 0,
             "sequence": 0, "made": 0, "addresses": [], "models": [], "backend": "", "device": "", "memory": 0,
             "speed_centi": 0, "version": ""}
    values = [("a node with two models", NODE, full), ("a gateway that serves nothing", GATEWAY, empty)]
    return {"vectors": [{"name": name, "seed": signer.seed.hex(), **value, "bytes": announcement(value, signer).hex()}
                        for name, signer, value in values]}


def gossip(made):
    said = [(bytes.fromhex(each["key"]), bytes.fromhex(each["bytes"])) for each in made["announcement"]["vectors"]]
    gone = [bytes.fromhex(each["bytes"]) for each in made["revocation"]["vectors"]]
    named = [{"key": each["key"], "signature": each["bytes"][-128:], "incarnation": each["incarnation"],
              "sequence": each["sequence"]} for each in made["announcement"]["vectors"]]
    salt = bytes(range(16))
    digest = {"salt": salt.hex(), "sums": sums(salt, said, 256).hex(), "revocations": revocation_sum(salt, gone).hex()}
    everything = {
        "announcements": [data.hex() for _, data in said], "revocations": [data.hex() for data in gone], "news": named,
        "wants": [NODE.key.hex()[:16]], "revocation_wants": [gone[0][-32:-24].hex()], "digest": digest,
        "list": {"salt": salt.hex(), "buckets": [siphash(salt, key) % 256 for key, _ in said], "names": named,
                 "revocations": [data[-32:-24].hex() for data in gone]},
        "reach": {"anew": True, "more": [NODE.key.hex()], "less": [GATEWAY.key.hex()]}, "reach_again": True,
        "lines": [{"alias": "llama", "hash": "11" * 32, "peers": 4}, {"alias": "gpt-oss:20b", "hash": "", "peers": 0}],
        "used": ["11" * 32, "22" * 32]}
    parts = [{"name": f"only {part}", part: value} for part, value in everything.items()]
    values = [{"name": "everything", **everything}, {"name": "nothing"}, {"name": "none is used", "used": []}] + parts
    return {"vectors": [{**value, "bytes": gossip_message(value).hex()} for value in values]}


# -- files --


def corpora(made):
    """What the fuzz targets begin with."""
    out = {}
    for kind in ("certificate", "revocation", "announcement"):
        target = "announcement" if kind == "announcement" else "certificate"
        for i, vector in enumerate(made[kind]["vectors"]):
            out[f"{target}/{kind}{i}"] = bytes.fromhex(vector["bytes"])
    for i, vector in enumerate(made["application"]["vectors"]):
        out[f"application/application{i}"] = bytes.fromhex(vector["bytes"])
        out[f"registrar/record{i}"] = bytes.fromhex(vector["bytes"])[:-64]
    for i, vector in enumerate(made["hello"]["vectors"]):
        out[f"hello/record{i}"] = bytes.fromhex(vector["bytes"])
    for i, vector in enumerate(made["admission"]["vectors"][:2]):
        out[f"application/admission{i}"] = bytes.fromhex(vector["bytes"])
    out["application/letter"] = made["certificate"]["vectors"][0]["letter"].encode()
    out["certificate/chain"] = bytes.fromhex(made["certificate"]["chain"]["bytes"])
    for i, vector in enumerate(made["gossip"]["vectors"]):
        message = bytes.fromhex(vector["bytes"])
        out[f"gossip_message/message{i}"] = message
        for kind in range(4 if i == 0 else 1):  # of each kind of link, and then of a gateway's
            out[f"gossip/link{kind}_message{i}"] = bytes([kind]) + len(message).to_bytes(4, "big") + message
    for i, vector in enumerate(made["invite"]["vectors"]):
        out[f"invite/line{i}"] = vector["line"].encode()
        out[f"invite/record{i}"] = invite_record(vector)
    for i, refused in enumerate(made["invite"]["refused"]):
        out[f"invite/refused{i}"] = refused["line"].encode()
    return out


def main():
    made = {"identity": identities(), "certificate": certificates(), "revocation": revocations(), "invite": invites(),
            "application": applications(), "admission": admissions(), "announcement": announcements(),
            "hello": hellos()}
    made["gossip"] = gossip(made)
    files = {os.path.join(HERE, f"{name}.json"): (json.dumps(value, indent=1) + "\n").encode()
             for name, value in made.items()}
    files.update({os.path.join(CORPUS, name): data for name, data in corpora(made).items()})
    stale = []
    for path, data in files.items():
        if sys.argv[1:] == ["--check"]:
            if not os.path.exists(path) or open(path, "rb").read() != data:
                stale.append(os.path.relpath(path, HERE))
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                out.write(data)
    if stale:
        print("not what make.py writes:", " ".join(stale))
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
