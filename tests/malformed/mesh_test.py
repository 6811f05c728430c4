"""tests/malformed/mesh_test.py - malformed bytes at the port where other nodes come in: no crash, nothing that hangs, nobody let in.

Three kinds: bytes that are no TLS, handshakes of links and of browsers that were spoiled, and malformed requests inside
of good TLS by somebody without a key. WEFT_SEED replays a run, WEFT_COUNT changes its length."""
import asyncio
import os
import random
import re
import ssl
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import mutate  # noqa: E402
from lib.probe import get_status  # noqa: E402
from lib.weft import Weft  # noqa: E402
from requests_test import ANSWER_WAIT_S, END_MAX_S, H1_SEEDS, SEED, many, put  # noqa: E402

COUNT = int(os.environ.get("WEFT_COUNT", "900"))
ALPN = (["weft/1"], ["weft-reverse/1"], ["h2", "http/1.1"], ["weft/1", "h2"])


def trusting_anybody(alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(alpn)
    return context


def client_hello(alpn):
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting_anybody(alpn).wrap_bio(coming, going, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass  # it wants the server's
    return going.read()


HELLOS = [client_hello(alpn) for alpn in ALPN]


async def handshake(port, number):
    choice = random.Random("%d/handshake/%d" % (SEED, number))
    return await put(port, choice, mutate.mutate(choice, HELLOS))


async def inside(port, number):
    choice = random.Random("%d/inside/%d" % (SEED, number))
    h2 = number % 2 == 0
    data = mutate.mutate(choice, mutate.H2 if h2 else H1_SEEDS)
    context = trusting_anybody(["h2" if h2 else "http/1.1"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(data)
        await writer.drain()
        await asyncio.wait_for(reader.read(1), ANSWER_WAIT_S)
    except (asyncio.TimeoutError, OSError):
        pass  # it waits for more, as it may; or it has ended the connection
    finally:
        writer.transport.abort()  # Python's TLS cannot be half closed: whether the node hangs up too, its metrics say
    return 0


async def ask(port, path):
    """The first line of what somebody without a key is answered."""
    context = trusting_anybody(["http/1.1"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(b"GET %s HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n" % path.encode())
    line = await asyncio.wait_for(reader.readline(), END_MAX_S)
    writer.transport.abort()
    return line


def connections_left(node):
    """As soon as it is the one that asks, or after a time in which all should have gone."""
    end = time.monotonic() + END_MAX_S
    while True:
        text = node.ask("GET", "/metrics").read().decode()
        left = int(re.search(r"^weft_connections (\d+)$", text, re.M).group(1))
        if left == 1 or time.monotonic() > end:
            return left


class Mesh(unittest.TestCase):
    def test_malformed_bytes(self):
        with Weft("--mesh-listen", "127.0.0.1:0", "--no-model") as node:
            port = node.mesh_port
            hung = asyncio.run(many(port, range(COUNT // 3)))
            hung += asyncio.run(many(port, range(COUNT // 3), handshake))
            self.assertEqual(hung, [], "these cases' connections did not end")
            asyncio.run(many(port, range(COUNT // 3), inside))
            self.assertEqual(connections_left(node), 1, "connections were not ended with their clients")
            self.assertEqual(get_status(node.tcp_port), 200)
            for path in ("/health", "/mesh/v1/hello", "/weft/v1/status", "/v1/models"):
                self.assertIn(b" 404 ", asyncio.run(ask(port, path)), path)
            self.assertNotIn('"by":"member"', node.log())
            self.assertNotIn('"by":"owner"', node.log())

    def test_no_certificate_no_link(self):
        """Who asks for a link without a certificate of his own gets an alert in place of the first answer."""
        with Weft("--mesh-listen", "127.0.0.1:0", "--no-model") as node:
            port = node.mesh_port

            async def knock(alpn):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting_anybody([alpn]))
                try:
                    return await asyncio.wait_for(reader.read(1), END_MAX_S)
                finally:
                    writer.transport.abort()

            for alpn in ("weft/1", "weft-reverse/1"):
                with self.assertRaisesRegex(ssl.SSLError, "(?i)certificate.required"):
                    asyncio.run(knock(alpn))


if __name__ == "__main__":
    unittest.main()
