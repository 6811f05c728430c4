"""tests/engine/hostile_gguf.py - makes files that look like a model and are not, out of one that is.

Each case is a function that gets the parts of the real file and returns what to write; its docstring says what is wrong.
"""

import os
import struct

UINT8, INT8, UINT16, INT16, UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64, INT64, FLOAT64 = range(13)
FORMATS = {UINT8: "B", INT8: "b", UINT16: "H", INT16: "h", UINT32: "I", INT32: "i", FLOAT32: "f", BOOL: "B", UINT64: "Q",
           INT64: "q", FLOAT64: "d"}
F32, F16, Q4_1 = 0, 1, 3
COPIED = 1 << 20  # bytes of a file that are copied at once


class Gguf:
    """The head of a file, taken apart; its tensors' data stay where they are."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            head = file.read(16 << 20)
        self.at, self.head = 4, head
        self.magic = head[:4]
        self.version = self.take("I")
        count, keys = self.take("Q"), self.take("Q")
        self.keys = [self.take_key() for _ in range(keys)]
        self.tensors = [self.take_tensor() for _ in range(count)]
        self.data_at = (self.at + 31) // 32 * 32
        self.size = os.path.getsize(path)
        self.tensor_count = self.key_count = None  # what the head claims, where it is not the truth
        self.patches = []  # (offset into the data, bytes)
        self.cut = None  # bytes of the file that are written
        self.tail = b""

    def take(self, form):
        value, = struct.unpack_from("<" + form, self.head, self.at)
        self.at += struct.calcsize("<" + form)
        return value

    def take_text(self):
        size = self.take("Q")
        self.at += size
        return self.head[self.at - size:self.at]

    def take_value(self, kind):
        if kind == STRING:
            return self.take_text()
        if kind == ARRAY:
            inner, count = self.take("I"), self.take("Q")
            return [inner, [self.take_value(inner) for _ in range(count)]]
        return self.take(FORMATS[kind])

    def take_key(self):
        name, kind = self.take_text(), self.take("I")
        return [name, kind, self.take_value(kind)]

    def take_tensor(self):
        name, dimensions = self.take_text(), self.take("I")
        shape = [self.take("Q") for _ in range(dimensions)]
        return {"name": name, "shape": shape, "type": self.take("I"), "offset": self.take("Q")}

    # -- what cases change --

    def key(self, name):
        return next(key for key in self.keys if key[0] == name.encode())

    def set(self, name, value, kind=None):
        for key in self.keys:
            if key[0] == name.encode():
                key[1:] = [key[1] if kind is None else kind, value]
                return
        self.keys.append([name.encode(), kind, value])

    def drop(self, name):
        self.keys.remove(self.key(name))

    def tensor(self, name):
        return next(tensor for tensor in self.tensors if tensor["name"] == name.encode())

    # -- writing --

    def text(self, text):
        if isinstance(text, tuple):  # (claimed size, bytes)
            return struct.pack("<Q", text[0]) + text[1]
        return struct.pack("<Q", len(text)) + text

    def value(self, kind, value):
        if isinstance(value, bytes) and kind != STRING:
            return value  # as it is
        if kind == STRING:
            return self.text(value)
        if kind == ARRAY:
            inner, entries = value[:2]
            count = value[2] if len(value) > 2 else len(entries)
            return struct.pack("<IQ", inner, count) + b"".join(self.value(inner, entry) for entry in entries)
        return struct.pack("<" + FORMATS[kind], value)

    def make_head(self):
        tensors = len(self.tensors) if self.tensor_count is None else self.tensor_count
        keys = len(self.keys) if self.key_count is None else self.key_count
        parts = [self.magic, struct.pack("<IQQ", self.version, tensors, keys)]
        for name, kind, value in self.keys:
            parts += [self.text(name), struct.pack("<I", kind), self.value(kind, value)]
        for tensor in self.tensors:
            shape = tensor["shape"]
            parts += [self.text(tensor["name"]), struct.pack("<I", tensor.get("dimensions", len(shape))),
                      struct.pack(f"<{len(shape)}Q", *shape), struct.pack("<IQ", tensor["type"], tensor["offset"])]
        head = b"".join(parts)
        return head + bytes(-len(head) % 32)

    def write(self, path):
        head = self.make_head()
        with open(self.path, "rb") as source, open(path, "wb") as out:
            out.write(head)
            source.seek(self.data_at)
            left = self.size - self.data_at if self.cut is None else max(0, self.cut - len(head))
            while left > 0 and (data := source.read(min(COPIED, left))):
                out.write(data)
                left -= len(data)
            for offset, data in self.patches:
                out.seek(len(head) + offset)
                out.write(data)
            out.seek(0, os.SEEK_END)
            out.write(self.tail)
            if self.cut is not None:
                out.truncate(self.cut)


# -- the cases: (name, what to do with a Gguf) --

def bytes_only(data):
    def write(gguf):
        gguf.write = lambda path: open(path, "wb").write(data)
    return write


def change(**fields):
    def apply(gguf):
        for name, value in fields.items():
            setattr(gguf, name, value)
    return apply


def setting(name, value, kind=None):
    return lambda gguf: gguf.set(name, value, kind)


def of_tensor(name, **fields):
    return lambda gguf: gguf.tensor(name).update(fields)


def swapped_offsets(gguf):
    first, second = gguf.tensors[0], gguf.tensors[1]
    first["offset"], second["offset"] = second["offset"], first["offset"]


def overlapping(gguf):
    gguf.tensors[5]["offset"] = gguf.tensors[4]["offset"]


def fewer_tokens(gguf):
    tokens = gguf.key("tokenizer.ggml.tokens")[2]
    tokens[1] = tokens[1][:1000]


def broken_merges(gguf):
    gguf.key("tokenizer.ggml.merges")[2][1][:2000] = [b"nospace"] * 2000


def foreign_merges(gguf):
    gguf.key("tokenizer.ggml.merges")[2][1][:2000] = [b"\xff\xfe zz%d" % i for i in range(2000)]


def twin_key(gguf):
    gguf.keys.append(list(gguf.key("llama.block_count")))


def twin_tensor(gguf):
    gguf.tensors[3]["name"] = gguf.tensors[2]["name"]


def without_tensor(gguf):
    """The last one, so that the others still lie where they should."""
    gguf.tensors.pop()


def nan_weights(gguf):
    norm = gguf.tensor("blk.0.attn_norm.weight")
    gguf.patches.append((norm["offset"], struct.pack("<f", float("nan")) * norm["shape"][0]))


def infinite_weights(gguf):
    norm = gguf.tensor("blk.0.attn_norm.weight")
    gguf.patches.append((norm["offset"], struct.pack("<f", float("inf")) * norm["shape"][0]))


def random_weights(gguf):
    """Every byte of the weights is 0x7f: quantised scales become NaN or huge."""
    gguf.patches.append((gguf.tensors[1]["offset"], b"\x7f" * (1 << 20)))


def empty_tokens(gguf):
    gguf.key("tokenizer.ggml.tokens")[2][1][:] = [b""] * len(gguf.key("tokenizer.ggml.tokens")[2][1])


def long_token(gguf):
    gguf.key("tokenizer.ggml.tokens")[2][1][7] = b"x" * (1 << 20)


def token_not_utf8(gguf):
    gguf.key("tokenizer.ggml.tokens")[2][1][400:500] = [b"\xff\xfe\x00%d" % i for i in range(100)]


def nested_list(gguf):
    gguf.keys.append([b"general.nested", ARRAY, struct.pack("<IQ", ARRAY, 1 << 20) + b"\x09\x00\x00\x00" * 64])


def template(text):
    return setting("tokenizer.chat_template", text.encode(), STRING)


LOOP = "{% for a in range(100000) %}{% for b in range(100000) %}{% set c = a * b %}{% endfor %}{% endfor %}"
GROW = "{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for a in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}"

CASES = {
    "empty": bytes_only(b""),
    "text": bytes_only(b"This is a poem about a model.\n" * 100),
    "web-page": bytes_only(b"<!DOCTYPE html><html><body>Please log in</body></html>"),
    "zip": bytes_only(b"PK\x03\x04" + bytes(1000)),
    "magic-alone": bytes_only(b"GGUF"),
    "zeros": bytes_only(bytes(4096)),
    "random-after-magic": bytes_only(b"GGUF\x03\0\0\0" + bytes(range(256)) * 64),
    "cut-in-keys": change(cut=1000),
    "cut-in-tokens": change(cut=400_000),
    "cut-in-tensors": change(cut=1_740_000),
    "cut-in-data": change(cut=12_000_000),
    "cut-by-a-byte": change(cut=98_362_431),
    "version-0": change(version=0),
    "version-1": change(version=1),
    "version-big-endian": change(version=0x03000000),
    "huge-tensor-count": change(tensor_count=1 << 40),
    "negative-tensor-count": change(tensor_count=(1 << 64) - 1),
    "huge-key-count": change(key_count=1 << 60),
    "more-tensors-than-there-are": change(tensor_count=20_000),
    "alignment-0": setting("general.alignment", 0, UINT32),
    "alignment-24": setting("general.alignment", 24, UINT32),
    "alignment-2-31": setting("general.alignment", 1 << 31, UINT32),
    "alignment-is-a-text": setting("general.alignment", b"32", STRING),
    "text-longer-than-file": setting("general.name", (1 << 62, b"x"), STRING),
    "list-longer-than-file": setting("tokenizer.ggml.tokens", [STRING, [], 1 << 61], ARRAY),
    "list-of-lists": nested_list,
    "value-of-type-99": setting("general.name", b"\0\0\0\0", 99),
    "same-key-twice": twin_key,
    "same-tensor-twice": twin_tensor,
    "overlapping-tensors": overlapping,
    "swapped-tensors": swapped_offsets,
    "offset-behind-the-end": lambda gguf: gguf.tensors[-1].update(offset=1 << 40),
    "offset-not-aligned": lambda gguf: gguf.tensors[-1].update(offset=gguf.tensors[-1]["offset"] + 7),
    "five-dimensions": of_tensor("blk.0.attn_norm.weight", shape=[576, 1, 1, 1, 1]),
    "dimension-0": of_tensor("blk.0.attn_norm.weight", shape=[0]),
    "dimensions-overflow": of_tensor("blk.0.attn_norm.weight", shape=[1 << 32, 1 << 32]),
    "wrong-dimensions": of_tensor("blk.0.attn_norm.weight", shape=[288, 2]),
    "rows-no-block-fits": of_tensor("token_embd.weight", shape=[577, 49152]),
    "type-200": of_tensor("token_embd.weight", type=200),
    "type-that-was-removed": of_tensor("token_embd.weight", type=4),
    "tensor-missing": without_tensor,
    "no-architecture": lambda gguf: gguf.drop("general.architecture"),
    "unknown-architecture": setting("general.architecture", b"perceptron"),
    "architecture-of-another": setting("general.architecture", b"mamba"),
    "no-vocabulary": lambda gguf: [gguf.drop(key) for key in ("tokenizer.ggml.model", "tokenizer.ggml.tokens")],
    "unknown-vocabulary": setting("tokenizer.ggml.model", b"runes"),
    "fewer-tokens-than-rows": fewer_tokens,
    "empty-tokens": empty_tokens,
    "token-of-a-megabyte": long_token,
    "tokens-not-utf8": token_not_utf8,
    "merges-without-space": broken_merges,
    "merges-of-no-tokens": foreign_merges,
    "no-merges": lambda gguf: gguf.drop("tokenizer.ggml.merges"),
    "begin-token-out-of-range": setting("tokenizer.ggml.bos_token_id", 1 << 30),
    "end-token-out-of-range": setting("tokenizer.ggml.eos_token_id", 0xfffffff0),
    "heads-0": setting("llama.attention.head_count", 0),
    "heads-7": setting("llama.attention.head_count", 7),
    "kv-heads-0": setting("llama.attention.head_count_kv", 0),
    "kv-heads-2-31": setting("llama.attention.head_count_kv", 1 << 31),
    "layers-0": setting("llama.block_count", 0),
    "layers-2-31": setting("llama.block_count", 1 << 31),
    "layers-31": setting("llama.block_count", 31),
    "embedding-0": setting("llama.embedding_length", 0),
    "embedding-2-31": setting("llama.embedding_length", 1 << 31),
    "feed-forward-7": setting("llama.feed_forward_length", 7),
    "context-0": setting("llama.context_length", 0),
    "rope-dimensions-2-31": setting("llama.rope.dimension_count", 1 << 31),
    "rope-dimensions-63": setting("llama.rope.dimension_count", 63),
    "epsilon-nan": setting("llama.attention.layer_norm_rms_epsilon", float("nan")),
    "layers-is-a-text": setting("llama.block_count", b"thirty", STRING),
    "experts-2-31": setting("llama.expert_count", 1 << 31, UINT32),
    "experts-8": setting("llama.expert_count", 8, UINT32),
    "an-adapter": setting("general.type", b"adapter", STRING),
    "split-alone": lambda gguf: (gguf.set("split.count", 3, UINT16), gguf.set("split.no", 0, UINT16)),
    "weights-nan": nan_weights,
    "weights-infinite": infinite_weights,
    "weights-noise": random_weights,
    "template-does-not-parse": template("{% for %}{{ unclosed"),
    "template-loops": template(LOOP),
    "template-grows": template(GROW),
    "template-nests": template("{% if 1 %}" * 20000),
    "template-unknown-filter": template("{{ messages | detonate }}"),
}
