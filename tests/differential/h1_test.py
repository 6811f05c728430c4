"""tests/differential/h1_test.py - the h1 conformance cases put to weft, nginx and h11; explained.txt says why they differ.

What is compared: the statuses of the final answers, and whether the connection is closed. Whether a request that is
well formed is then answered 200 or 404 is the application's affair: all such answers count as 200. The cases' /echo is
put as a JSON request to /v1/echo, which is relayed: a body is read to its end before it is answered, as in the table.
A difference that is not explained fails, and so does an explanation that nothing needs any more."""
import asyncio
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import others  # noqa: E402
from lib.h1_cases import read_cases  # noqa: E402
from lib.strict import StrictUpstream  # noqa: E402
from lib.weft import Weft  # noqa: E402

EXPLAINED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "explained.txt")
QUIET_S = 1.0  # with nothing said for so long, everything is said: the connection is kept
AT_ONCE = 16
APPLICATION = (200, 204, 401, 403, 404, 405, 415, 421, 502, 503)  # a handler's answers: it was well formed
OTHERS = ("nginx", "h11")
ONE_PORT = ("h2-preface",)  # our port speaks h2 as well: there it is no error


async def ask(port, data):
    """(the bytes that came, whether the connection was closed)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got, closed = b"", False
    try:
        writer.write(data)
        while piece := await asyncio.wait_for(reader.read(65536), QUIET_S):
            got += piece
        closed = True
    except asyncio.TimeoutError:
        pass
    except ConnectionError:
        closed = True
    finally:
        writer.transport.abort()
    return got, closed


def methods(data):
    """Which of the requests are HEAD, whose answers have no body."""
    return re.findall(rb"(?:^|\r\n\r\n)([A-Z]+) ", data)


def statuses(got, asked):
    """The statuses of the final answers in these bytes."""
    found, asked = [], list(asked)
    while match := re.match(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n", got):
        status, head = int(match[1]), match[2].lower()
        got = got[match.end():]
        if status < 200:
            continue
        found.append(status)
        method = asked.pop(0) if asked else b""
        length = re.search(rb"content-length: *(\d+)", head)
        if method == b"HEAD" or status in (204, 304):
            continue
        if length:
            got = got[int(length[1]):]
        elif b"transfer-encoding: chunked" in head:
            got = got.partition(b"0\r\n\r\n")[2]
        else:
            got = b""
    return found


def outcome(found, closed):
    """"200 200 keep": the statuses, those of the application as 200, and the connection's fate."""
    return " ".join([str(200 if status in APPLICATION else status) for status in found] or ["-"]) + (
        " close" if closed else " keep")


async def ask_all(port, cases):
    outcomes, queue = {}, iter(cases)

    async def work():
        for case in queue:
            got, closed = await ask(port, case.data)
            outcomes[case.name] = outcome(statuses(got, methods(case.data)), closed)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return outcomes


def read_put_cases():
    cases = [case for case in read_cases() if case.name not in ONE_PORT]
    for case in cases:
        case.data = re.sub(rb"POST /echo (HTTP/1\.\d)\r\n", rb"POST /v1/echo \1\r\nContent-Type: application/json\r\n",
                           case.data)
    return cases


def read_explained():
    """{(case, who): outcome}. The text's form is at its top."""
    explained, who, said = {}, "", ""
    with open(EXPLAINED, encoding="utf-8") as text:
        for number, line in enumerate(text, 1):
            word, _, rest = line.strip().partition(" ")
            if word in OTHERS:
                who, said = word, rest
            elif word == "cases":
                for case in rest.split():
                    if (case, who) in explained:
                        raise ValueError("line %d: %s of %s is explained twice" % (number, case, who))
                    explained[case, who] = said
            elif word == "why":
                if not re.search(r" \((RFC \d+, [\d., ]+|our choice)\)\.$", rest):
                    raise ValueError("line %d: a reason ends with its section" % number)
            elif word and not word.startswith("#"):
                raise ValueError("line %d: %s" % (number, line))
    return explained


class Differential(unittest.TestCase):
    maxDiff = None

    def test_differences_are_explained(self):
        cases = read_put_cases()
        expected = {case.name: outcome(case.statuses, case.closes) for case in cases}
        upstream = StrictUpstream()
        self.addCleanup(upstream.close)
        with Weft("--upstream", upstream.url, "--host", "a.test") as weft:
            ours = asyncio.run(ask_all(weft.tcp_port, cases))
        said = {"nginx": asyncio.run(ask_all(others.Nginx(self).port, cases)),
                "h11": {case.name: outcome(*others.ask_h11(case.data)) for case in cases}}
        differences = {(name, who): said[who][name] for who in OTHERS for name in ours if said[who][name] != ours[name]}
        explained = read_explained()
        print("%d cases; nginx differs in %d, h11 in %d" % (
            len(cases), *(sum(1 for _, other in differences if other == who) for who in OTHERS)))
        self.assertEqual(ours, expected, "over TCP weft says something else than the table")
        self.assertEqual(differences, explained)


if __name__ == "__main__":
    unittest.main()
