#!/usr/bin/env python3
"""tests/lib/upstream.py - a small HTTP/1.1 server for the other side of a relay, in a thread of the test.

    with Upstream() as upstream:
        ... upstream.url, upstream.step(), upstream.counts() ...

/v1/echo     the request's body, streamed back in chunks; its trailers come back as trailers
/v1/events   ?n=3&ms=0: that many server-sent events, so far apart; &gated=1: each waits for a step() of the test
/v1/slow     answers after ?ms=, or never without it
/v1/abort    dies in the middle of its body; &gated=1: at a step()
/v1/headers  the request's head as JSON
/v1/count    requests so far, as JSON: open, done, cancelled; ?cancelled=1: as soon as it is so
/v1/models, /v1/chat/completions
             a fixed text in OpenAI's shapes; the name of the model says what becomes of a stream: "whole",
             "endless" (stays after the first event), "dies" (between two events), "dies-inside" (of an event)
"""

import asyncio
import contextlib
import json
import threading
import urllib.parse

CHAT_WORDS = ["Grüße", " an", " alle", " 😀"]
CHAT_MODELS = ["whole", "endless", "dies", "dies-inside"]
HEAD_MAX = 64 * 1024
PIECE = 16 * 1024


class Gone(Exception):
    """The client closed before its answer was complete."""


class Request:
    def __init__(self, reader, head):
        lines = head.decode("latin-1").split("\r\n")
        self.method, target, self.version = lines[0].split(" ", 2)
        url = urllib.parse.urlsplit(target)
        self.path = url.path
        self.query = dict(urllib.parse.parse_qsl(url.query))
        self.fields = [(name.lower(), value.strip()) for name, _, value in
                       (line.partition(":") for line in lines[1:] if line)]
        self.trailers = []
        self._reader = reader

    def field(self, name, fallback=""):
        return next((value for key, value in self.fields if key == name), fallback)

    async def body(self):
        """Pieces of the body as they arrive."""
        if self.field("transfer-encoding").lower() == "chunked":
            while size := int((await self._reader.readline()).split(b";")[0], 16):
                while size > 0:
                    piece = await self._reader.read(min(size, PIECE))
                    if not piece:
                        raise Gone
                    size -= len(piece)
                    yield piece
                await self._reader.readline()
            while (line := await self._reader.readline()).strip():
                name, _, value = line.decode("latin-1").partition(":")
                self.trailers.append((name.lower(), value.strip()))
            return
        left = int(self.field("content-length", "0"))
        while left > 0:
            piece = await self._reader.read(min(left, PIECE))
            if not piece:
                raise Gone
            left -= len(piece)
            yield piece


class Upstream:
    def __init__(self, host="127.0.0.1", port=0):
        self._host, self._port = host, port
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.url = None
        self.open = self.done = self.cancelled = self.connections = 0

    # -- the test's side --

    def __enter__(self):
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *unused):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def step(self):
        """Lets one gated event go."""
        self._loop.call_soon_threadsafe(self._gate.release)

    def counts(self):
        return {"open": self.open, "done": self.done, "cancelled": self.cancelled}

    def wait_for(self, wait_s, **wanted):
        """Waits until the counts are as wanted; TimeoutError if they never are."""
        asyncio.run_coroutine_threadsafe(self._wait_for(wanted), self._loop).result(wait_s)

    # -- the server's side, all on its own loop --

    def _run(self):
        asyncio.run(self._serve())

    async def _serve(self):
        self._loop = asyncio.get_running_loop()
        self._stop, self._gate, self._changed = asyncio.Event(), asyncio.Semaphore(0), asyncio.Condition()
        server = await asyncio.start_server(self._connection, self._host, self._port, limit=HEAD_MAX, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"http://{self._host}:{self.port}"
        self._started.set()
        await self._stop.wait()
        server.close()

    async def _wait_for(self, wanted):
        async with self._changed:
            await self._changed.wait_for(lambda: all(self.counts()[name] == n for name, n in wanted.items()))

    async def _count(self, **changes):
        async with self._changed:
            for name, by in changes.items():
                setattr(self, name, getattr(self, name) + by)
            self._changed.notify_all()

    async def _connection(self, reader, writer):
        self.connections += 1
        with contextlib.suppress(Gone, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        request = Request(reader, head[:-2])
        counted = request.path != "/v1/count"
        await self._count(open=counted)
        try:
            if request.field("expect").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            more = await self.ROUTES.get(request.path, Upstream._missing)(self, request, reader, writer)
        except (Gone, OSError, asyncio.IncompleteReadError):
            await self._count(open=-counted, cancelled=counted)
            raise
        await self._count(open=-counted, done=counted)
        return more and request.field("connection").lower() != "close"

    async def _head(self, writer, status, fields):
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        await self._write(writer, "\r\n".join(lines).encode("latin-1"))

    async def _write(self, writer, data):
        if writer.is_closing():
            raise Gone
        writer.write(data)
        await writer.drain()

    async def _chunk(self, writer, data):
        await self._write(writer, b"%x\r\n%b\r\n" % (len(data), data))

    async def _whole(self, request, writer, status, kind, body):
        await self._head(writer, status, {"content-type": kind, "content-length": len(body)})
        if request.method != "HEAD":
            await self._write(writer, body)
        return True

    async def _until_gone(self, reader, awaitable):
        """Waits for something, but no longer than the client stays."""
        gone, wanted = asyncio.ensure_future(reader.read(1)), asyncio.ensure_future(awaitable)
        done, _ = await asyncio.wait({gone, wanted}, return_when=asyncio.FIRST_COMPLETED)
        if wanted not in done:
            wanted.cancel()
            raise Gone
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone

    async def _missing(self, request, reader, writer):
        return await self._whole(request, writer, "404 Not Found", "text/plain", b"no such path\n")

    async def _echo(self, request, reader, writer):
        fields = {"content-type": request.field("content-type", "application/octet-stream"),
                  "transfer-encoding": "chunked"}
        await self._head(writer, "200 OK", fields)
        async for piece in request.body():
            await self._chunk(writer, piece)
        trailers = "".join(f"{name}: {value}\r\n" for name, value in request.trailers)
        await self._write(writer, f"0\r\n{trailers}\r\n".encode("latin-1"))
        return True

    async def _events(self, request, reader, writer):
        async for _ in request.body():
            pass
        await self._head(writer, "200 OK", {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        if request.method == "HEAD":
            return True
        for i in range(int(request.query.get("n", "3"))):
            if request.query.get("gated"):
                await self._until_gone(reader, self._gate.acquire())
            elif i > 0 and float(request.query.get("ms", "0")) > 0:
                await self._until_gone(reader, asyncio.sleep(float(request.query["ms"]) / 1000))
            await self._chunk(writer, b'data: {"event": %d}\n\n' % i)
        await self._write(writer, b"0\r\n\r\n")
        return True

    async def _slow(self, request, reader, writer):
        ms = request.query.get("ms")
        await self._until_gone(reader, asyncio.sleep(float(ms) / 1000) if ms else asyncio.Event().wait())
        return await self._whole(request, writer, "200 OK", "text/plain", b"at last\n")

    async def _abort(self, request, reader, writer):
        await self._head(writer, "200 OK", {"content-type": "text/plain", "transfer-encoding": "chunked"})
        await self._chunk(writer, b"the first half of\n")
        if request.query.get("gated"):
            await self._until_gone(reader, self._gate.acquire())
        return False

    async def _headers(self, request, reader, writer):
        return await self._json(request, writer, "200 OK", {
            "method": request.method, "path": request.path, "fields": request.fields})

    async def _json(self, request, writer, status, body):
        return await self._whole(request, writer, status, "application/json", json.dumps(body).encode())

    async def _models(self, request, reader, writer):
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "upstream"} for name in CHAT_MODELS]
        return await self._json(request, writer, "200 OK", {"object": "list", "data": models})

    async def _chat(self, request, reader, writer):
        asked = json.loads(b"".join([piece async for piece in request.body()]))
        model = asked["model"]
        if model not in CHAT_MODELS:
            error = {"message": f"There is no model {model}.", "type": "invalid_request_error", "code": "model_not_found"}
            return await self._json(request, writer, "404 Not Found", {"error": error})
        answer = {"id": "chatcmpl-1", "created": 0, "model": model}
        if not asked.get("stream"):
            message = {"role": "assistant", "content": "".join(CHAT_WORDS)}
            answer |= {"object": "chat.completion", "usage": {"prompt_tokens": 1, "completion_tokens": len(CHAT_WORDS),
                                                              "total_tokens": 1 + len(CHAT_WORDS)},
                       "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
            return await self._json(request, writer, "200 OK", answer)
        await self._head(writer, "200 OK", {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        for i, word in enumerate([*CHAT_WORDS, None]):
            delta = {} if word is None else {"content": word} if i else {"role": "assistant", "content": word}
            choice = {"index": 0, "delta": delta, "finish_reason": "stop" if word is None else None}
            event = json.dumps(answer | {"object": "chat.completion.chunk", "choices": [choice]}, ensure_ascii=False)
            await self._chunk(writer, f"data: {event}\n\n".encode())
            if model == "endless":
                await self._until_gone(reader, asyncio.Event().wait())
            if model == "dies-inside":
                await self._chunk(writer, b'data: {"id"')
            if model.startswith("dies"):
                return False
        await self._chunk(writer, b"data: [DONE]\n\n")
        await self._write(writer, b"0\r\n\r\n")
        return True

    async def _counted(self, request, reader, writer):
        await self._wait_for({name: int(n) for name, n in request.query.items()})
        return await self._json(request, writer, "200 OK", self.counts())

    ROUTES = {"/v1/echo": _echo, "/v1/events": _events, "/v1/slow": _slow, "/v1/abort": _abort,
              "/v1/headers": _headers, "/v1/count": _counted, "/v1/models": _models,
              "/v1/chat/completions": _chat}


if __name__ == "__main__":
    with Upstream() as alone:
        print(f"listening on {alone.url}\nready", flush=True)
        threading.Event().wait()
