"""tests/lib/frames.py - HTTP/2 frames by hand, right or wrong as the test wants them (RFC 9113; header blocks without compression)."""
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(values=(), flags=0):
    return frame(SETTINGS, flags, 0, b"".join(struct.pack(">HI", name, value) for name, value in values))


def window_update(stream, size):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size))


def reset(stream, code=8):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def text(value):
    """A string literal of HPACK, not Huffman coded (RFC 7541, 5.2)."""
    value = value.encode("latin-1")
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, size = len(value) - 127, b"\x7f"
    while rest >= 128:
        size, rest = size + bytes([rest % 128 + 128]), rest // 128
    return size + bytes([rest]) + value


def block(fields):
    """Each field as a literal that is not indexed (RFC 7541, 6.2.2)."""
    return b"".join(b"\x00" + text(name) + text(value) for name, value in fields)


def request(stream, method="GET", path="/health", fields=(), body=None):
    head = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "localhost"), *fields]
    frames = frame(HEADERS, END_HEADERS | (END_STREAM if body is None else 0), stream, block(head))
    return frames if body is None else frames + frame(DATA, END_STREAM, stream, body)


def split(data):
    """Whole frames at the front of `data` as (kind, flags, stream, payload), and the rest."""
    frames = []
    while len(data) >= 9:
        size = int.from_bytes(data[:3], "big")
        if len(data) < 9 + size:
            break
        frames.append((data[3], data[4], int.from_bytes(data[5:9], "big") & 0x7FFFFFFF, data[9:9 + size]))
        data = data[9 + size:]
    return frames, data
