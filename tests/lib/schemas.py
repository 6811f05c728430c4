"""tests/lib/schemas.py - JSON schemas drawn from a seed, and whether a text that was cut is the beginning of an answer.

Whole answers are judged by a validator from PyPI; only for beginnings, which none judges, is there a reader here."""

import json
import random
import re

import fastjsonschema

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
NUMBER_BEGUN = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]*)?)?\Z")
SPACE = re.compile(r"[ \t\r\n]*")
WORDS = ("name", "city", "age", "color", "price", "open", "tags", "size", "year", "note", "kind", "first name", "größe")
COLORS = ("red", "green", "blue", "dark blue", "gelb", "赤")


# -- drawing --

class Drawer:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def string(self):
        schema = {"type": "string"}
        kind = self.random.randrange(5)
        if kind == 0:
            return {"enum": self.random.sample(COLORS, self.random.randint(1, 4))}
        if kind == 1:
            schema["pattern"] = self.random.choice(["^[a-z]{2,5}$", "^[A-Z][a-z]+$", "^[0-9]{4}-[0-9]{2}$"])
        elif kind < 4:
            schema["maxLength"] = self.random.randint(3, 16)
            schema["minLength"] = self.random.randint(0, 3)
        return schema

    def integer(self):
        schema = {"type": "integer"}
        if self.random.random() < 0.5:
            schema["minimum"] = self.random.randint(-20, 20)
            schema["maximum"] = schema["minimum"] + self.random.randint(0, 1000)
        return schema

    def scalar(self):
        return self.random.choice([self.string, self.string, self.integer, lambda: {"type": "number"},
                                   lambda: {"type": "boolean"}, lambda: {"type": "null"},
                                   lambda: {"const": self.random.choice([7, "seven", True, None, [1, 2]])}])()

    def array(self, depth):
        least = self.random.randint(0, 2)
        return {"type": "array", "items": self.any(depth + 1), "minItems": least,
                "maxItems": least + self.random.randint(0 if least else 1, 2)}

    def object(self, depth):
        names = self.random.sample(WORDS, self.random.randint(1, 4))
        required = [name for name in names if self.random.random() < 0.7]
        return {"type": "object", "properties": {name: self.any(depth + 1) for name in names}, "required": required,
                "additionalProperties": False}

    def any(self, depth):
        kind = self.random.random()
        if depth >= 3 or kind < 0.5:
            return self.scalar()
        if kind < 0.65:
            return self.array(depth)
        if kind < 0.75:
            return {"anyOf": [self.scalar(), self.any(depth + 1)]}
        return self.object(depth)


def draw(seed):
    """An object, as chat clients ask for; one in five shares a definition by reference."""
    drawer = Drawer(seed)
    schema = drawer.object(0)
    if seed % 5 == 0:
        schema["$defs"] = {"thing": drawer.object(2)}
        schema["properties"]["thing"] = {"$ref": "#/$defs/thing"}
        schema["required"].append("thing")
    return schema


# -- beginnings --

def skip(text, at):
    return SPACE.match(text, at).end()


class Reader:
    """read() tells where values of a schema may end, and whether the text ends inside one."""

    def __init__(self, root, text):
        self.root, self.text = root, text

    def read(self, schema, at):
        if at == len(self.text):
            return set(), True
        if "$ref" in schema:
            return self.read(self.root["$defs"][schema["$ref"].rpartition("/")[2]], at)
        if "anyOf" in schema:
            ways = [self.read(one, at) for one in schema["anyOf"]]
            return set().union(*[ends for ends, _ in ways]), any(cut for _, cut in ways)
        if "const" in schema or "enum" in schema:
            return self.literals(schema.get("enum", [schema.get("const")]), at)
        return getattr(self, schema["type"])(schema, at)

    def literals(self, values, at):
        ends, cut = set(), False
        for value in values:
            for spelled in {json.dumps(value, ensure_ascii=False), json.dumps(value, ensure_ascii=False,
                                                                             separators=(",", ":"))}:
                if self.text.startswith(spelled, at):
                    ends.add(at + len(spelled))
                cut = cut or spelled.startswith(self.text[at:])
        return ends, cut

    def boolean(self, _schema, at):
        return self.literals([True, False], at)

    def null(self, _schema, at):
        return self.literals([None], at)

    def number(self, schema, at, whole=False):
        cut = bool(NUMBER_BEGUN.match(self.text, at))
        found = NUMBER.match(self.text, at)
        if not found or (whole and not re.fullmatch(r"-?[0-9]+", found.group())):
            return set(), cut
        if found.end() < len(self.text) and not schema.get("minimum", -1e300) <= float(found.group()) <= schema.get(
                "maximum", 1e300):
            return set(), False
        return {found.end()}, cut

    def integer(self, schema, at):
        return self.number(schema, at, whole=True)

    def string(self, schema, at):
        if self.text[at] != '"':
            return set(), False
        end = at + 1
        while end < len(self.text) and self.text[end] != '"':
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            length = len(re.sub(r"\\(u.{4}|u.{0,3}\Z|.|\Z)", "x", self.text[at + 1:]))
            return set(), length <= schema.get("maxLength", 1 << 30)
        try:
            value = json.loads(self.text[at:end + 1])
        except json.JSONDecodeError:
            return set(), False
        fits = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 1 << 30)
        return ({end + 1} if fits and re.search(schema.get("pattern", ""), value) else set()), False

    def array(self, schema, at):
        if self.text[at] != "[":
            return set(), False
        at = skip(self.text, at + 1)
        if at == len(self.text):
            return set(), True
        if self.text[at] == "]":
            return ({at + 1} if schema["minItems"] == 0 else set()), False
        ends, cut = set(), False
        starts = {at}
        for count in range(1, schema["maxItems"] + 1):
            following = set()
            for start in starts:
                values, inside = self.read(schema["items"], start)
                cut = cut or inside
                for end in (skip(self.text, value) for value in values):
                    if end == len(self.text):
                        cut = True
                    elif self.text[end] == "]" and count >= schema["minItems"]:
                        ends.add(end + 1)
                    elif self.text[end] == ",":
                        following.add(skip(self.text, end + 1))
            starts = following
        return ends, cut

    def object(self, schema, at):
        if self.text[at] != "{":
            return set(), False
        return self.members(schema, skip(self.text, at + 1), frozenset(), True)

    def members(self, schema, at, seen, first):
        """`at`: behind the brace or a comma."""
        if at == len(self.text):
            return set(), first or bool(schema["properties"].keys() - seen)
        if self.text[at] == "}" and first:
            return ({at + 1} if not schema["required"] else set()), False
        ends, cut = set(), False
        for name in schema["properties"].keys() - seen:
            key = json.dumps(name, ensure_ascii=False)
            if key.startswith(self.text[at:]):
                cut = True
            if not self.text.startswith(key, at):
                continue
            colon = skip(self.text, at + len(key))
            if colon == len(self.text):
                return set(), True
            if self.text[colon] != ":":
                return set(), False
            values, inside = self.read(schema["properties"][name], skip(self.text, colon + 1))
            cut = cut or inside
            for end in (skip(self.text, value) for value in values):
                if end == len(self.text):
                    cut = True
                elif self.text[end] == "}" and set(schema["required"]) <= seen | {name}:
                    ends.add(end + 1)
                elif self.text[end] == ",":
                    more, inside = self.members(schema, skip(self.text, end + 1), seen | {name}, False)
                    ends, cut = ends | more, cut or inside
        return ends, cut


def begins(schema, text):
    """Could more text make this an answer that fits the schema? (One that is whole counts too.)"""
    at = skip(text, 0)
    ends, cut = Reader(schema, text).read(schema, at)
    return cut or any(skip(text, end) == len(text) for end in ends)


def judge(test, answers):
    """(seed, schema, text, finish) of each: what ended by itself fits, what was cut is a beginning. Returns how many ended
    by themselves."""
    whole = 0
    for seed, schema, text, finish in answers:
        if finish == "stop":
            whole += 1
            fastjsonschema.compile(schema)(json.loads(text))
        else:
            test.assertEqual(finish, "length", seed)
            test.assertTrue(begins(schema, text), f"schema {seed} was cut wrongly")
    print(f"{whole} ended by themselves", flush=True)
    return whole
