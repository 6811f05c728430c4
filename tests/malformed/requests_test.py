"""tests/malformed/requests_test.py - 10,000 malformed requests over TCP: no crash, no connection that hangs, no memory that stays, nothing odd upstream.

WEFT_SEED replays a run, WEFT_COUNT changes its length. Meant for the ASan build, true of any."""
import asyncio
import os
import random
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import mutate  # noqa: E402
from lib.h1_cases import read_cases  # noqa: E402
from lib.probe import SMALL_QUARANTINE, get_status, memory_kib  # noqa: E402
from lib.strict import StrictUpstream  # noqa: E402
from lib.weft import Weft  # noqa: E402

SEED = int(os.environ.get("WEFT_SEED", "1"))
COUNT = int(os.environ.get("WEFT_COUNT", "10000"))
AT_ONCE = 16
SEED_SIZE_MAX = 4096  # the cases about limits are put as they are by others
H1_SEEDS = mutate.H1 * 30 + [case.data for case in read_cases() if len(case.data) <= SEED_SIZE_MAX]
WARM_UP = COUNT // 5
ANSWER_WAIT_S = 0.05     # half of the clients look for an answer this long before they hang up, half hang up at once
END_MAX_S = 5            # from a client's hang-up to the connection's end
RSS_GROWTH_MAX_KIB = 4096  # after the warm-up


async def one(port, number):
    """Puts case `number`; the seconds from its hang-up to the connection's end, or None when that never came."""
    choice = random.Random("%d/%d" % (SEED, number))
    return await put(port, choice, mutate.mutate(choice, mutate.H2 if number % 4 == 3 else H1_SEEDS))


async def put(port, choice, data):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    begun = time.monotonic()
    try:
        if choice.random() < 0.3:
            half = choice.randrange(len(data) + 1)
            writer.write(data[:half])
            await writer.drain()
            await asyncio.sleep(0)
            data = data[half:]
        writer.write(data)
        if choice.random() < 0.5:
            try:
                await asyncio.wait_for(reader.read(1), ANSWER_WAIT_S)
            except asyncio.TimeoutError:
                pass  # it waits for more, as it may
        begun = time.monotonic()
        writer.write_eof()
        await asyncio.wait_for(drop_all(reader), END_MAX_S)
    except asyncio.TimeoutError:
        return None
    except OSError:
        pass  # reset by the server: an end too
    finally:
        writer.transport.abort()
    return time.monotonic() - begun


async def drop_all(reader):
    while await reader.read(65536):
        pass


async def many(port, numbers, one=one):
    """The numbers of the cases whose connection did not end; `one` puts each of them."""
    hung, queue = [], iter(numbers)

    async def work():
        for number in queue:
            if await one(port, number) is None:
                hung.append(number)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return hung


class Requests(unittest.TestCase):
    def test_malformed_requests(self):
        print("seed %d, %d cases" % (SEED, COUNT), flush=True)
        upstream = StrictUpstream()
        self.addCleanup(upstream.close)
        with Weft("--upstream", upstream.url, env=SMALL_QUARANTINE) as node:
            hung = asyncio.run(many(node.tcp_port, range(WARM_UP)))
            before = memory_kib(node.process.pid)
            hung += asyncio.run(many(node.tcp_port, range(WARM_UP, COUNT)))
            growth = memory_kib(node.process.pid) - before
            self.assertEqual(get_status(node.tcp_port), 200)
        print("grew by %d KiB after the warm-up; %d requests got upstream" % (growth, upstream.requests), flush=True)
        self.assertEqual(hung, [], "these cases' connections did not end")
        self.assertLess(growth, RSS_GROWTH_MAX_KIB)
        self.assertEqual(upstream.anomalies, [], "the relay passed on what was not well formed")
        self.assertGreater(upstream.requests, 0, "nothing was relayed: this test would not see a smuggled request")


if __name__ == "__main__":
    unittest.main()
