"""tests/lib/strict.py - a strict HTTP/1.1 server to relay to. Whatever comes in that is not plainly well formed is kept in `anomalies`: the
relay must have framed it anew, so nothing a client sends may show up here as anything but one request.

/v1/flood?bytes=N answers N bytes as fast as they are taken; /v1/hang never answers; all else answers "ok"."""
import re
import socket
import threading

REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP/1\.1")
FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[\x20-\x7e\x80-\xff\t]*")
CHUNK_LINE = re.compile(rb"[0-9a-fA-F]{1,15}")
PIECE = b"x" * 65536


class StrictUpstream:
    def __init__(self):
        self.anomalies, self.requests, self.flooded = [], 0, 0
        self.gone = threading.Event()  # a client left while it was being answered
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return  # closed: the test is over
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while self._one(connection, stream):
                    pass
            except OSError:
                self.gone.set()  # the relay let go in the middle, which it may

    def _one(self, connection, stream):
        line = stream.readline().removesuffix(b"\r\n")
        if not line:
            return False
        if not REQUEST_LINE.fullmatch(line):
            self.anomalies.append(line)
            return False
        fields = self._fields(stream)
        if fields is None or not self._body(stream, fields):
            return False
        self.requests += 1
        path = line.split(b" ")[1]
        if path.startswith(b"/v1/hang"):
            self.gone.set() if not stream.read(1) else self.anomalies.append(b"bytes behind /v1/hang")
            return False
        if path.startswith(b"/v1/flood?bytes="):
            self._flood(connection, int(path.rpartition(b"=")[2]))
            return True
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n"
                           + (b"" if line.startswith(b"HEAD ") else b"ok"))
        return True

    def _fields(self, stream):
        """The fields of a head or of trailers, or None if the relay let go or said something odd."""
        fields = {}
        while True:
            line = stream.readline()
            if line == b"\r\n":
                return fields
            if not line.endswith(b"\r\n"):
                return None
            name, _, value = line[:-2].partition(b":")
            name = name.lower()
            if not FIELD.fullmatch(line[:-2]) or (name in fields and name in (b"host", b"content-length")):
                self.anomalies.append(line)
                return None
            fields[name] = value.strip()

    def _body(self, stream, fields):
        """Reads a body. False if the relay let go in the middle of it."""
        if b"content-length" in fields and b"transfer-encoding" in fields:
            self.anomalies.append(b"content-length with transfer-encoding")
            return False
        if b"transfer-encoding" not in fields:
            size = int(fields.get(b"content-length", b"0"))
            return len(stream.read(size)) == size
        while True:
            line = stream.readline()
            if not line.endswith(b"\r\n"):
                return False
            if not CHUNK_LINE.fullmatch(line[:-2]):
                self.anomalies.append(line)
                return False
            size = int(line, 16)
            if size == 0:
                return self._fields(stream) is not None
            if len(stream.read(size)) != size:
                return False
            end = stream.read(2)
            if end != b"\r\n":
                if len(end) == 2:
                    self.anomalies.append(b"chunk end " + end)
                return False

    def _flood(self, connection, size):
        self.flooded = 0
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % size)
        while self.flooded < size:
            self.flooded += connection.send(PIECE[:size - self.flooded])
