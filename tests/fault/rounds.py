"""tests/fault/rounds.py - engines killed, stopped and crashed at random tokens under eight streams.

Each answer is whole. FAULT_ROUNDS rounds (40) from FAULT_SEED (1), half of them in engine_test.py, and half in exact_test.py
with --exact. In each, eight answers are written together: chat, tools, schema, two choices, logprobs, penalties, echo, and
one whose stop text is long enough to be under way when the engine ends. After so many tokens as the seed says the engine
gets SIGKILL, SIGSTOP or SIGSEGV, now and then twice. Between node and engine a tap (lib/tap.py) reads along: what clients
are told is held against the native streams.
"""

import bisect
import collections
import http.client
import itertools
import json
import os
import random
import re
import signal
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import engine, native, schemas, tap, weft  # noqa: E402

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "40"))
SEED = int(os.environ.get("FAULT_SEED", "1"))
THREADS = os.environ.get("FAULT_THREADS", "1")  # of the engine; more make sense where nothing else runs
NAME = os.path.splitext(os.path.basename(engine.model_path()))[0]
STALL_S = 2
VARIANTS = 2  # of the seeds of requests: each has an undisturbed run to be compared with
TOKENS = 24  # of a choice
CHOICES = 9  # of the eight answers
SLOTS = 10  # all of them at once
FAULTS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV)
NEAR_TIE, MEAN_MAX = 1.0, 0.125  # of an honest answer's margins: see tests/gemma/audit_test.py
PAUSE_S = 1.5  # and the model's load, and for a stop the stall time ...
BUSY = 3  # ... so many times, or with twice what reading takes, on a machine that does other things too
STEP_S = 0.05  # about what a step of nine choices takes: a signal comes anywhere in one
READ = 320  # tokens: about what an engine that comes back has to read again for eight answers
STEPS_LOST_MAX = 1  # by one kill: the one whose tokens were on their way

DAYS = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
PERSON = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 16}, "age": {"type": "integer"},
                                           "tags": {"type": "array", "items": {"enum": ["kind", "tall", "old"]},
                                                    "minItems": 0, "maxItems": 4}},
          "required": ["name", "age", "tags"], "additionalProperties": False}


def chat(text, **more):
    """With a system message of one word: without one the template puts in its own, of twenty."""
    messages = [{"role": "system", "content": "Hi"}, {"role": "user", "content": text}]
    return "/v1/chat/completions", {"messages": messages, **more}


def text(prompt, **more):
    return "/v1/completions", {"prompt": prompt, "logprobs": 0, "ignore_eos": True, **more}


KINDS = {
    "chat": chat("Tell me about the sea.", ignore_eos=True),
    "tools": chat("Oslo?", max_tokens=48, tool_choice="required",
                  tools=[{"type": "function", "function": {"name": "weather", "parameters": DAYS}}]),
    "schema": chat("Invent a person.", max_tokens=48,
                   response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}),
    "choices": chat("Write a line about rain.", n=2, ignore_eos=True),
    "logprobs": chat("日本語。", logprobs=True, top_logprobs=2, ignore_eos=True),
    "penalties": text("The quick brown fox", frequency_penalty=0.7, presence_penalty=0.4, repeat_penalty=1.1),
    "echo": text("One, two, three,", echo=True, temperature=0),
    "stop": text("Once upon a time", ignore_eos=False),
}
SHOWS_LATE = ("tools", "stop", "logprobs")  # text is held back there (until a character is whole): a gap says nothing


def body_of(kind, variant, stop=None):
    path, members = KINDS[kind]
    seed = 1000 * variant + 20 * list(KINDS).index(kind) + 10
    more = {"stop": [stop]} if stop else {}
    return path, {"model": NAME, "max_tokens": TOKENS, "seed": seed, "stream": True,
                  "stream_options": {"include_usage": True}, **members, **more}


class Client(threading.Thread):
    """One streamed answer, read to its end. `told(self)` is called at each event with something of the answer."""

    def __init__(self, node, kind, path, body, told=lambda: None):
        super().__init__(daemon=True)
        self.node, self.kind, self.path, self.body, self.told = node, kind, path, body, told
        self.events, self.times, self.problem = [], [], None
        self.start()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.node.tcp_port, timeout=weft.WAIT_S)
        try:
            self.read(connection)
        except Exception as error:  # pylint: disable=broad-except; the test's own thread raises it
            self.problem = error
        finally:
            connection.close()

    def read(self, connection):
        connection.request("POST", self.path, json.dumps(self.body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise AssertionError(f"{self.kind}: {answer.status} {answer.read()}")
        for line in answer:
            if not line.startswith(b"data: "):
                continue
            if line.strip() == b"data: [DONE]":
                break
            event = json.loads(line[len(b"data: "):])
            if "error" in event:
                raise AssertionError(f"{self.kind}: {event}")
            self.events.append(event)
            if any(self.shows(part) for part in event["choices"]):
                self.times.append(time.monotonic())
                self.told()
        else:
            raise AssertionError(f"{self.kind}: the stream ended without [DONE]")

    @staticmethod
    def shows(part):
        delta = part.get("delta", {})
        return part.get("text") or delta.get("content") or delta.get("tool_calls")

    def wait(self):
        self.join(2 * weft.WAIT_S)
        if self.is_alive():
            raise AssertionError(f"{self.kind}: no end after {2 * weft.WAIT_S} s, {len(self.events)} events")
        if self.problem:
            raise self.problem
        return self

    def parts(self, choice):
        return [part for event in self.events for part in event["choices"] if part["index"] == choice]

    def content(self, choice=0):
        return "".join(part.get("text", part.get("delta", {}).get("content")) or "" for part in self.parts(choice))

    def arguments(self, choice=0):
        return "".join(call["function"]["arguments"] for part in self.parts(choice)
                       for call in part.get("delta", {}).get("tool_calls", []))

    def tokens(self, choice=0):
        """The texts that logprobs name."""
        told = []
        for part in self.parts(choice):
            if part["logprobs"]:
                told += part["logprobs"].get("tokens") or [one["token"] for one in part["logprobs"]["content"]]
        return told

    def finish(self, choice):
        return [part["finish_reason"] for part in self.parts(choice) if part["finish_reason"]]

    def usage(self):
        return [event["usage"] for event in self.events if event.get("usage")]


class Trigger:
    """Calls `act` when so many events have been told, or at the first one after that for which it returns true."""

    def __init__(self, at, act):
        self.at, self.act = list(at), act
        self.count, self.times = 0, []
        self._lock = threading.Lock()

    def told(self):
        with self._lock:
            self.count += 1
            now = time.monotonic()
            if self.at and self.count >= self.at[0] and self.act():
                self.at.pop(0)
                self.times.append(now)


class Answer:
    """What engines were asked for one request and said, put together as the node must have."""

    def __init__(self, test, kind, attempts):
        self.test, self.kind, self.attempts = test, kind, attempts
        last = attempts[-1]
        test.assertTrue(last.ended, f"{kind}: the last attempt is no whole answer")
        self.choices = last.body.get("n", 1)
        self.lost = 0  # tokens that an engine said and the node did not take
        self.ids, self.steps = [], []
        for choice in range(self.choices):
            self.put_together(choice)

    def put_together(self, choice):
        ids, steps = [], []
        for attempt in self.attempts:
            resumed = attempt.resumed(choice)
            said = f"{self.kind}, choice {choice}: {resumed} goes on behind {ids}"
            self.test.assertEqual(resumed, ids[:len(resumed)], said)
            self.lost += len(ids) - len(resumed)
            said_now = attempt.steps.get(choice, [])
            steps = steps[:len(resumed)] + said_now
            ids = resumed + [token.id for token, _ in said_now]
            self.test.assertEqual(len(steps), len(ids), said)
        self.ids.append(ids)
        self.steps.append(steps)

    def shown(self, choice, part):
        return "".join(delta.text for _, deltas in self.steps[choice] for delta in deltas if delta.part == part)

    def bytes(self, choice):
        return b"".join(token.bytes for token, _ in self.steps[choice])


def most_of(values):
    """99 of 100 are no greater."""
    return sorted(values)[int(len(values) * 0.99)] if values else 0


class Rounds:
    """Many of them at one node."""

    exact = False

    def setUp(self):
        print(f"seed {SEED}", flush=True)
        self.random = random.Random(SEED * 2 + self.exact)
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="weft-fault-"))
        self.tap = tap.Tap(self.folder)
        self.addCleanup(self.tap.close)
        exact = ["--exact"] if self.exact else []
        self.reference = self.enterContext(engine.Engine("--slots", "1", "--context", "512", *exact))
        self.node = self.enterContext(weft.Weft(
            "--engine", self.tap.program, "--model", engine.model_path(), "--slots", str(SLOTS), "--context", "512",
            "--threads", THREADS, "--stall", f"{STALL_S}s", *exact, env=self.tap.env))
        self.pauses, self.readings = collections.defaultdict(list), []
        self.told = self.kills = self.unsaid = self.parted = self.across = 0
        self.struck = None  # the process that was
        self.margins = []
        self.prompts = {}
        self.undisturbed, self.expected = {}, {}

    # -- one round --

    def run_alone(self, variant):
        """Each request by itself; the stop text is drawn from what its answer would be."""
        for kind in KINDS:
            stop = None
            if kind == "stop":
                whole = Client(self.node, kind, *body_of(kind, variant)).wait().content()
                at = self.random.randrange(len(whole) // 4, len(whole) // 2)
                stop = whole[at:at + len(whole) // 2 - 2]
            path, body = body_of(kind, variant, stop)
            self.undisturbed[variant, kind] = Client(self.node, kind, path, body).wait()
        for attempt in self.tap.attempts():
            self.told += sum(len(steps) for steps in attempt.steps.values())
            # of two with one seed, the one that stops
            self.expected[attempt.body["seed"]] = Answer(self, "undisturbed", [attempt]).ids

    def strike(self, number):
        """False if the engine has not been replaced since the last one."""
        process = self.tap.engine()
        if process == self.struck:
            return False
        self.struck = process
        self.kills += 1
        time.sleep(self.random.random() * STEP_S)
        os.kill(process, number)
        return True

    def round(self, number):
        variant, fault = number % VARIANTS, FAULTS[number % len(FAULTS)]
        if (variant, "chat") not in self.undisturbed:
            self.run_alone(variant)
        if number % 4 == 0:
            self.read_something()
        at = [self.random.randint(1, 5 * TOKENS)]
        more = self.random.random() if fault != signal.SIGSTOP else 1
        if more < 0.2:
            at.append(at[0] + self.random.randint(1, TOKENS))
        trigger = Trigger(at, lambda: self.strike(fault))
        first = self.tap.engine()
        clients = [Client(self.node, kind, one.path, one.body, trigger.told)
                   for (of, kind), one in self.undisturbed.items() if of == variant]
        if 0.2 <= more < 0.3:
            self.strike_at_start(first, fault)
        for client in clients:
            client.wait()
        self.assertEqual(trigger.at, [], "an engine outlived the round")
        if len(at) == 1 and not 0.2 <= more < 0.3:
            self.measure(clients, trigger.times[0], fault)
        answers = self.answers()
        for client in clients:
            self.check(client, answers[client.body["seed"]], self.undisturbed[variant, client.kind])

    def strike_at_start(self, first, fault):
        """The next engine ends as soon as there is one."""
        end = time.monotonic() + weft.WAIT_S
        while self.tap.engine() == first:
            self.assertLess(time.monotonic(), end, "no other engine is started")
            time.sleep(0.01)
        self.strike(fault)

    def measure(self, clients, when, fault):
        """How long each client that was being answered heard nothing."""
        for client in clients:
            since = bisect.bisect(client.times, when) - 1  # some events were on their way
            gaps = [after - before for before, after in itertools.pairwise(client.times[max(since, 0):])]
            if since >= 0 and gaps and client.kind not in SHOWS_LATE:
                self.pauses[fault].append(max(gaps))

    def read_something(self):
        """How fast this machine is now: the engine beside reads what it has not read before."""
        prompt = [self.random.randrange(1000, 40000) for _ in range(READ)]
        began = time.monotonic()
        self.reference.generate(prompt=prompt, max_tokens=1)
        self.readings.append(time.monotonic() - began)

    def answers(self):
        """By the seeds of their requests."""
        attempts = collections.defaultdict(list)
        for attempt in self.tap.attempts():
            attempts[attempt.body["seed"]].append(attempt)
        found = {}
        for seed, those in attempts.items():
            kind = list(KINDS)[seed % 1000 // 20]
            found[seed] = Answer(self, kind, those)
            self.across += kind == "stop" and any(self.is_across(attempt) for attempt in those)
        return found

    def is_across(self, attempt):
        """Whether it goes on in the midst of its stop text."""
        ids, (stop,) = attempt.resumed(0), attempt.body["stop"]
        told = self.reference.post("/detokenize", {"ids": ids}).get("text", "") if ids else ""
        return any(told.endswith(stop[:size]) for size in range(2, len(stop)))

    # -- what must be true of each answer --

    def check(self, client, answer, undisturbed):
        kind = client.kind
        echoed = client.body["prompt"] if client.body.get("echo") else ""
        for choice in range(answer.choices):
            self.assertEqual(client.content(choice), echoed + answer.shown(choice, native.CONTENT), kind)
            self.assertEqual(client.arguments(choice), answer.shown(choice, native.TOOL_CALL), kind)
            self.assertEqual(len(client.finish(choice)), 1, kind)
            self.check_end(client, answer, choice)
        usage, = client.usage()
        ids = sum(len(ids) for ids in answer.ids)
        self.assertEqual(usage["completion_tokens"], ids, kind)
        self.assertEqual(usage["prompt_tokens"], undisturbed.usage()[0]["prompt_tokens"], kind)
        self.assertEqual({event["id"] for event in client.events}, {client.events[0]["id"]}, kind)
        self.told += ids
        self.unsaid += answer.lost
        if self.exact:
            self.check_same(client, undisturbed)
        else:
            self.check_margins(client, answer)

    def check_end(self, client, answer, choice):
        kind, finish, whole = client.kind, client.finish(choice)[0], answer.bytes(choice)
        if kind == "stop":
            stop = client.body["stop"][0].encode()
            self.assertEqual(finish == "stop", stop in whole, (stop, whole))
            self.assertEqual(client.content().encode(), whole[:whole.index(stop)] if stop in whole else whole)
        elif kind in ("penalties", "echo"):
            self.assertEqual("".join(client.tokens()).encode(), client.content().encode(), kind)
            self.assertEqual(len(answer.ids[choice]), TOKENS, kind)
        elif kind == "tools":
            self.assertIn(finish, ("tool_calls", "length"))
            self.check_schema(DAYS, client.arguments(), finish == "length")
        elif kind == "schema":
            self.assertIn(finish, ("stop", "length"))
            self.check_schema(PERSON, client.content(), finish == "length")
        elif kind in ("chat", "choices", "logprobs"):
            self.assertEqual((finish, len(answer.ids[choice])), ("length", TOKENS), kind)

    def check_schema(self, schema, text, cut):
        self.assertTrue(schemas.begins(schema, text), text)
        if not cut:
            self.assertEqual(set(json.loads(text)), set(schema["required"]))

    def check_same(self, client, undisturbed):
        """To the last byte, but for ids and times, and for how many tokens of the prompt were known."""
        def told(one, choice):
            parts = json.loads(json.dumps(one.parts(choice)))
            for part in parts:
                for call in part.get("delta", {}).get("tool_calls", []):
                    self.assertEqual("id" in call, "name" in call["function"])
                    call.pop("id", None)
            return parts, dict(one.usage()[0], prompt_tokens_details=None)

        for choice in range(client.body.get("n", 1)):
            self.assertEqual(told(client, choice), told(undisturbed, choice), client.kind)

    def prompt_of(self, kind, body):
        if kind not in self.prompts:
            asked = {name: body[name] for name in ("messages", "tools", "now") if name in body}
            asked = asked if "messages" in body else {"text": body["prompt"], "special": True, "begin": True}
            self.prompts[kind] = self.reference.post("/tokenize", asked)["ids"]
        return self.prompts[kind]

    def check_margins(self, client, answer):
        """Where it differs from what one engine would have written, it does so by near-ties."""
        if client.kind == "tools":
            return  # its grammar is made inside of the engine, and /score knows none of it
        body = answer.attempts[-1].body
        sampling = {name: body[name] for name in ("temperature", "top_k", "top_p", "min_p", "repeat_penalty",
                                                  "frequency_penalty", "presence_penalty", "penalty_last_n", "schema",
                                                  "ignore_end") if name in body}
        prompt = self.prompt_of(client.kind, body)
        for choice, ids in enumerate(answer.ids):
            if ids == self.expected[body["seed"]][choice]:
                continue
            found = self.reference.post("/score", {"ids": prompt + ids, "from": len(prompt),
                                                   "seed": body["seed"] + choice, **sampling})["positions"]
            margins = [max(one["margin"], 0) for one in found]
            self.assertEqual(len(margins), len(ids))
            mean = statistics.mean(min(margin, NEAR_TIE) for margin in margins)
            self.assertLessEqual(mean, MEAN_MAX, (client.kind, margins))
            self.parted += 1
            self.margins += margins

    # -- all of them --

    def test_rounds(self):
        rounds = ROUNDS // 2
        for number in range(rounds):
            self.round(number)
        model, log = self.node.model(), self.node.log()
        loads = [float(found) / 1000 for found in re.findall(r'"event":"model ready".*?"after_ms":([\d.]+)', log)]
        load = statistics.median(loads)
        print(f"{rounds} rounds of {len(KINDS)} streams, {self.kills} engines ended, {model['starts']} started; {self.told} "
              f"tokens told, {model['tokens_sampled']} sampled, {self.unsaid} said but not taken; {self.across} stop texts "
              f"across a cut; a load takes {load:.2f} s, reading {READ} tokens {statistics.median(self.readings):.2f} s")
        for fault, pauses in self.pauses.items():
            print(f"{signal.Signals(fault).name}: pauses of {len(pauses)} streams, median "
                  f"{statistics.median(pauses):.2f} s, 99 of 100 within {most_of(pauses):.2f} s")
        if self.margins:
            over = sum(margin > NEAR_TIE for margin in self.margins)
            print(f"{self.parted} choices part from their undisturbed run; margins of {len(self.margins)} tokens: mean "
                  f"{statistics.mean(self.margins):.4f}, most {max(self.margins):.3f}, {over} over {NEAR_TIE}", flush=True)
        self.assertEqual(model["deaths"], self.kills)
        self.assertGreater(self.across, 0)
        most = STEPS_LOST_MAX * self.kills * CHOICES
        self.assertTrue(0 <= model["tokens_sampled"] - self.told <= most, most)
        reading = 2 * statistics.median(self.readings)
        for fault, more in ((signal.SIGKILL, 0), (signal.SIGSEGV, 0), (signal.SIGSTOP, STALL_S)):
            limit = more + max(BUSY * (PAUSE_S + load), PAUSE_S + load + reading)
            self.assertLessEqual(most_of(self.pauses[fault]), limit, fault)
