"""tests/lib/native.py - the native stream (docs/ENGINE.md, "Frames"), decoded by hand: none of weft's own code."""

import struct
from types import SimpleNamespace

TOKEN, DELTA, FINISH, USAGE, PROGRESS, ERROR, END = 1, 2, 3, 4, 6, 7, 8
CONTENT, REASONING, TOOL_CALL = range(3)
REASONS = ("stop", "length", "tool_calls")
PHASES = ("waiting", "prefill", "decode")
PROMPT, LOGPROB = 1, 2


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        layout = "<" + layout
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values if len(values) > 1 else values[0]

    def text(self, size_layout):
        size = self.take(size_layout)
        value = self.data[self.at:self.at + size]
        if len(value) != size:
            raise AssertionError("a text of a frame is longer than the frame")
        self.at += size
        return value


def frame(payload):
    """One frame after its length."""
    cursor = Cursor(payload)
    kind = cursor.take("B")
    one = SimpleNamespace(kind=kind)
    if kind == TOKEN:
        one.choice, one.id, one.deltas, flags = cursor.take("HIHB")
        one.prompt, one.bytes = bool(flags & PROMPT), cursor.text("H")
        one.logprob, one.top = None, []
        if flags & LOGPROB:
            one.logprob, count = cursor.take("fB")
            for _ in range(count):
                number, logprob = cursor.take("If")
                one.top.append((number, logprob, cursor.text("H")))
    elif kind == DELTA:
        one.choice, one.part = cursor.take("HB")
        if one.part == TOOL_CALL:
            one.call = cursor.take("H")
            one.id, one.name = cursor.text("B").decode(), cursor.text("H").decode()
        one.text = cursor.text("I").decode()  # not UTF-8: the test fails here
    elif kind == FINISH:
        one.choice, reason = cursor.take("HB")
        one.reason, one.stop = REASONS[reason], cursor.text("H").decode()
    elif kind == USAGE:
        one.prompt_tokens, one.cached_tokens, one.completion_tokens = cursor.take("III")
        one.waited_us, one.prefill_us, one.decode_us = cursor.take("QQQ")
    elif kind == PROGRESS:
        phase, one.done, one.total = cursor.take("BII")
        one.phase = PHASES[phase]
    elif kind == ERROR:
        one.status, one.code, one.message = cursor.take("H"), cursor.text("B").decode(), cursor.text("H").decode()
    elif kind != END:
        raise AssertionError(f"frame kind {kind} is none that this engine should send")
    if cursor.at != len(payload):
        raise AssertionError(f"{len(payload) - cursor.at} bytes too many in a frame of kind {kind}")
    return one


def split(data):
    """Whole frames at the front of `data`, and the rest."""
    found = []
    while len(data) >= 4:
        size = int.from_bytes(data[:4], "little")
        if len(data) < 4 + size:
            break
        found.append(frame(data[4:4 + size]))
        data = data[4 + size:]
    return found, data


class Answer:
    """What the frames of a stream make up; `add` them in order. Holds them to the rules: a token's deltas follow it at once
    and are as many as it says, nothing follows a choice's finish or the stream's end."""

    def __init__(self):
        self.frames, self.choices = [], {}
        self.prompt, self.progress = [], []  # echoed tokens; progress frames
        self.usage = self.error = None
        self.ended = False
        self._owed, self._owed_choice = 0, None

    def choice(self, number):
        return self.choices.setdefault(number, SimpleNamespace(ids=[], tokens=[], content="", reasoning="", calls=[],
                                                               reason=None, stop="", steps=[]))

    def add(self, one):
        if self.ended:
            raise AssertionError("a frame after the last one")
        if self._owed and (one.kind != DELTA or one.choice != self._owed_choice):
            raise AssertionError(f"{self._owed} deltas of a token are missing")
        if one.kind == DELTA and not self._owed:
            raise AssertionError("a delta that belongs to no token")
        self.frames.append(one)
        if one.kind == TOKEN:
            self._add_token(one)
        elif one.kind == DELTA:
            self._owed -= 1
            self._add_delta(one)
        elif one.kind == FINISH:
            choice = self._open(one.choice)
            choice.reason, choice.stop = one.reason, one.stop
        elif one.kind == USAGE:
            self.usage = one
        elif one.kind == PROGRESS:
            self.progress.append(one)
        elif one.kind == ERROR:
            self.error, self.ended = one, True
        elif one.kind == END:
            self.ended = True

    def _open(self, number):
        choice = self.choice(number)
        if choice.reason is not None:
            raise AssertionError(f"choice {number} goes on after its finish")
        return choice

    def _add_token(self, one):
        self._owed, self._owed_choice = one.deltas, one.choice
        choice = self._open(one.choice)
        if one.prompt:
            self.prompt.append(one)
            choice.steps.append([])
            return
        choice.ids.append(one.id)
        choice.tokens.append(one)
        choice.steps.append([])

    def _add_delta(self, one):
        choice = self._open(one.choice)
        if one.part == TOOL_CALL:
            if one.call == len(choice.calls):
                choice.calls.append(SimpleNamespace(id=one.id, name=one.name, arguments=""))
            elif one.id or one.name or one.call > len(choice.calls):
                raise AssertionError("a tool call's id and name come with its first delta, calls in order")
            choice.calls[one.call].arguments += one.text
            choice.steps[-1].append((one.part, one.call, one.text))
        elif one.part == REASONING:
            choice.reasoning += one.text
            choice.steps[-1].append((one.part, None, one.text))
        else:
            choice.content += one.text
            choice.steps[-1].append((one.part, None, one.text))
