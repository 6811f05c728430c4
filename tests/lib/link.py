"""tests/lib/link.py - an HTTP/2 client over a socket that is already connected: many requests at once, from any thread.

    link = Link(sock)
    stream = link.ask("POST", "/generate", b"{...}")
    stream.wait_head(); stream.status; stream.read()...; stream.cancel()

Field blocks are decoded by libnghttp2, which weft itself is built with.
"""

import collections
import ctypes
import ctypes.util
import socket
import struct
import threading
import time

from lib import frames

WAIT_S = 120  # for anything that a busy machine does in a second
DATA_MAX = 16384  # bytes of one DATA frame, unless a peer says more
WINDOW_MAX = (1 << 31) - 1
WINDOW_FIRST = 65535
INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS = 4, 3


class Field(ctypes.Structure):
    _fields_ = [("name", ctypes.POINTER(ctypes.c_uint8)), ("value", ctypes.POINTER(ctypes.c_uint8)),
                ("namelen", ctypes.c_size_t), ("valuelen", ctypes.c_size_t), ("flags", ctypes.c_uint8)]


class Inflater:
    """HPACK (RFC 7541), by libnghttp2."""

    FINAL, EMIT = 1, 2

    def __init__(self):
        self._library = ctypes.CDLL(ctypes.util.find_library("nghttp2") or "libnghttp2.so.14")
        self._library.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
        self._inflater = ctypes.c_void_p()
        if self._library.nghttp2_hd_inflate_new(ctypes.byref(self._inflater)) != 0:
            raise MemoryError

    def fields(self, block):
        found, rest = [], block
        while True:
            field, flags = Field(), ctypes.c_int(0)
            used = self._library.nghttp2_hd_inflate_hd2(self._inflater, ctypes.byref(field), ctypes.byref(flags), rest,
                                                        ctypes.c_size_t(len(rest)), 1)
            if used < 0:
                raise AssertionError(f"the field block breaks HPACK ({used})")
            rest = rest[used:]
            if flags.value & self.EMIT:
                found.append((bytes(field.name[:field.namelen]).decode(), bytes(field.value[:field.valuelen]).decode()))
            if flags.value & self.FINAL:
                self._library.nghttp2_hd_inflate_end_headers(self._inflater)
                return found


class Stream:
    """One request and its answer, as far as it has come."""

    def __init__(self, link, number):
        self.link, self.number = link, number
        self.status, self.fields = None, {}
        self.ended, self.reset = False, None  # reset: the code
        self.window = link.first_window
        self._pieces = collections.deque()

    def _wait(self, ready, wait_s=WAIT_S):
        with self.link.changed:
            if not self.link.changed.wait_for(lambda: ready() or self.over(), wait_s):
                raise AssertionError(f"nothing came on stream {self.number} in {wait_s} s")

    def over(self):
        return self.ended or self.reset is not None or self.link.lost is not None

    def wait_head(self, wait_s=WAIT_S):
        """The status; None if the stream was reset, or the connection ended, before there was one."""
        self._wait(lambda: self.status is not None, wait_s)
        return self.status

    def read(self, wait_s=WAIT_S):
        """The next bytes of the body; b"" at its end, whatever that was (see ended, reset)."""
        self._wait(lambda: self._pieces, wait_s)
        with self.link.changed:
            return self._pieces.popleft() if self._pieces else b""

    def body(self, wait_s=WAIT_S):
        pieces = []
        while piece := self.read(wait_s):
            pieces.append(piece)
        return b"".join(pieces)

    def cancel(self):
        self.link.send(frames.reset(self.number))
        with self.link.changed:
            self.reset = 8
            self.link.streams.pop(self.number, None)
            self.link.changed.notify_all()

    def took(self, piece):
        self._pieces.append(piece)


class Link:
    def __init__(self, sock):
        self.sock = sock
        self.changed = threading.Condition()
        self.streams = {}
        self.lost = None  # why nothing comes any more
        self.first_window, self.window = WINDOW_FIRST, WINDOW_FIRST
        self.streams_max = None  # as the peer says
        self._next, self._settled = 1, False
        self._inflater, self._sending = Inflater(), threading.Lock()
        self.send(frames.PREFACE + frames.settings([(INITIAL_WINDOW_SIZE, WINDOW_MAX)]) +
                  frames.window_update(0, WINDOW_MAX - WINDOW_FIRST))
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def send(self, data):
        with self._sending:
            self.sock.sendall(data)

    def ask(self, method, path, body=None):
        """Sends a request whole, as fast as the peer takes it."""
        with self.changed:
            if not self.changed.wait_for(lambda: self._settled or self.lost is not None, WAIT_S) or self.lost is not None:
                raise AssertionError(f"the peer is not there: {self.lost}")
            head = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "engine")]
            stream = Stream(self, self._next)
            self._next += 2
            self.streams[stream.number] = stream
            flags = frames.END_HEADERS | (frames.END_STREAM if body is None else 0)
            self.send(frames.frame(frames.HEADERS, flags, stream.number, frames.block(head)))  # in order of its number
        if body is not None:
            self._send_body(stream, body)
        return stream

    def _send_body(self, stream, body):
        body = memoryview(body)
        while True:
            with self.changed:
                if not self.changed.wait_for(
                        lambda: not body or min(self.window, stream.window) > 0 or stream.over(), WAIT_S):
                    raise AssertionError("the peer takes no more of a request's body")
                if stream.over():
                    return
                size = min(len(body), DATA_MAX, self.window, stream.window) if body else 0
                self.window -= size
                stream.window -= size
            piece, body = body[:size], body[size:]
            try:
                self.send(frames.frame(frames.DATA, 0 if body else frames.END_STREAM, stream.number, bytes(piece)))
            except OSError:
                return  # the receiver finds out why
            if not body:
                return

    # -- the receiving thread --

    def _reply(self, data):
        try:
            self.send(data)
        except OSError:
            pass  # a peer that is gone has perhaps left more to read

    def _receive(self):
        data, why = b"", "the peer closed the connection"
        try:
            while piece := self.sock.recv(1 << 20):
                found, data = frames.split(data + piece)
                with self.changed:
                    for one in found:
                        self._took(*one)
                    self.changed.notify_all()
        except OSError as error:
            why = str(error)
        with self.changed:
            self.lost = self.lost or why
            self.changed.notify_all()

    def _took(self, kind, flags, number, payload):
        stream = self.streams.get(number)
        if kind == frames.SETTINGS and not flags & frames.ACK:
            self._took_settings(payload)
        elif kind == frames.PING and not flags & frames.ACK:
            self._reply(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.WINDOW_UPDATE:
            self._took_window(stream, number, struct.unpack(">I", payload)[0])
        elif kind == frames.GOAWAY:
            self.lost = f"GOAWAY {payload[4:8].hex()} {payload[8:]!r}"
        elif kind == frames.HEADERS:
            self._took_head(stream, flags, payload)
        elif kind == frames.DATA and payload:
            self._reply(frames.window_update(0, len(payload)))
            if stream:
                self._reply(frames.window_update(number, len(payload)))
                stream.took(payload)
        elif kind == frames.RST_STREAM and stream:
            stream.reset = struct.unpack(">I", payload)[0]
        if stream and kind in (frames.HEADERS, frames.DATA) and flags & frames.END_STREAM:
            stream.ended = True
        if stream and stream.over():
            self.streams.pop(number, None)

    def _took_settings(self, payload):
        values = dict(struct.iter_unpack(">HI", payload))
        first = values.get(INITIAL_WINDOW_SIZE, self.first_window)
        for stream in self.streams.values():
            stream.window += first - self.first_window
        self.first_window = first
        self.streams_max = values.get(MAX_CONCURRENT_STREAMS, self.streams_max)
        self._settled = True
        self._reply(frames.settings(flags=frames.ACK))

    def _took_window(self, stream, number, size):
        if number == 0:
            self.window += size
        elif stream:
            stream.window += size

    def _took_head(self, stream, flags, payload):
        if not flags & frames.END_HEADERS:
            raise AssertionError("a field block in two frames: this client does not expect one so large")
        fields = self._inflater.fields(payload)
        if stream and stream.status is None:
            stream.status = int(dict(fields)[":status"])
            stream.fields = dict(fields)

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed already
        self._thread.join(WAIT_S)
        self.sock.close()

    def wait_lost(self, wait_s=WAIT_S):
        deadline = time.monotonic() + wait_s
        with self.changed:
            while self.lost is None and time.monotonic() < deadline:
                self.changed.wait(deadline - time.monotonic())
        return self.lost
