"""tests/lib/weft.py - starts the real `weft` with a fresh home on free ports, and holds it to a clean end.

    with Weft("--upstream", url, tls=True, unix=True) as weft:
        ... weft.tcp_port, weft.tls_port, weft.unix_path, weft.ca_file, weft.log() ...
        ... weft.ask("GET", "/health").status, json.load(weft.post("/v1/completions", {...})), weft.model()["state"] ...

Nothing sleeps: the program says on stdout where it listens and that it is ready, and this waits for those lines.
The binary is WEFT_BINARY (ctest sets it), else build/release/weft.
"""

import http.client
import json
import os
import queue
import re
import resource
import signal
import subprocess
import threading

from lib.program import HOUSE, Program

WAIT_S = 60  # for anything that a busy machine does in a second
LISTENING = "listening on "
MESH = "listening for other nodes on "


def binary_path():
    return os.environ.get("WEFT_BINARY") or os.path.join(HOUSE, "build", "release", "weft")


def environment(home):
    """Of this process, with that home, and nothing else that Weft would heed."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith(("WEFT_", "JIMBOMESH_"))}, "WEFT_HOME": home}


class Lines:
    """Lines of a pipe, read by a thread, so that waiting for one has an end."""

    def __init__(self, pipe):
        self._queue = queue.Queue()
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe):
        with pipe:
            for line in pipe:
                self._queue.put(line)
        self._queue.put(None)

    def next(self, wait_s=WAIT_S):
        """The next line without its end; None at the end of the pipe. queue.Empty when it takes too long."""
        line = self._queue.get(timeout=wait_s)
        if line is None:
            self._queue.put(None)
            return None
        return line.rstrip("\r\n")

    def rest(self, wait_s=WAIT_S):
        lines = []
        while (line := self.next(wait_s)) is not None:
            lines.append(line)
        return lines


def make_certificate(folder, name="cert"):
    """A certificate for localhost and the loopback addresses, signed by itself. Returns (certificate, key) paths."""
    cert, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + "-key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
         "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


class Refused(AssertionError):
    """An answer that is no 200."""

    def __init__(self, path, status, said):
        super().__init__(f"{path}: {status} {said}")
        self.status = status


class Weft(Program):
    """One running node. `tcp`, `tls` and `unix` say which listeners it gets; `args` are more flags of `weft up`;
    `descriptors` is how many it may have open; `place` is a machine of lib/netlab.py to run on."""

    def __init__(self, *args, env=None, binary=None, tcp=True, tls=False, unix=False, descriptors=None, place=None):
        super().__init__("weft")
        self.place = place
        self.binary = binary or binary_path()
        self.home = os.path.join(self.folder, "home")
        self.ca_file = None
        self._descriptors = descriptors
        self._forget()
        self._args = list(args)
        if tcp:
            self._args += ["--listen", "tcp:127.0.0.1:0"]
        if tls:
            self.ca_file, key = make_certificate(self.folder)
            self._args += ["--listen", "tls:127.0.0.1:0", "--cert", self.ca_file, "--key", key]
        if unix:
            self._args += ["--listen", "unix:" + os.path.join(self.folder, "socket")]
        self._env = {**environment(self.home), **(env or {})}

    def _forget(self):
        self.addresses = []  # as the node printed them
        self.tcp_port = self.tls_port = self.mesh_port = self.unix_path = None
        self.terminated = False

    def start(self):
        """Once more, too, when it has ended."""
        self._forget()
        where = self.place.inside if self.place else []
        with open(self._log_path, "ab") as log:  # it may be started again
            self.process = subprocess.Popen([*where, self.binary, "up", *self._args], env=self._env, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, text=True, cwd=self.folder,
                                            preexec_fn=self._limit if self._descriptors else None)
        self.lines = Lines(self.process.stdout)
        return self

    def _limit(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._descriptors, self._descriptors))

    def wait_ready(self, wait_s=WAIT_S):
        """Reads where the node listens, until it says that it is ready."""
        while (line := self.lines.next(wait_s)) is not None:
            if line.startswith(LISTENING):
                self._take_address(line[len(LISTENING):].split()[0])
            elif line.startswith(MESH):
                self.mesh_port = int(line.rsplit(":", 1)[1])
            elif line.startswith("ready"):
                return self
        code = self.process.wait(wait_s)
        raise AssertionError(f"weft ended with {code} before it was ready:\n{self.log()}")

    def _take_address(self, address):
        self.addresses.append(address)
        if address.startswith("unix:"):
            self.unix_path = self.unix_path or address[len("unix:"):]
            return
        port = int(re.search(r":(\d+)/?$", address).group(1))
        if address.startswith("https:"):
            self.tls_port = self.tls_port or port
        else:
            self.tcp_port = self.tcp_port or port

    def url(self, path="/", tls=False):
        return f"https://localhost:{self.tls_port}{path}" if tls else f"http://127.0.0.1:{self.tcp_port}{path}"

    # -- asking, as the official clients do not --

    def ask(self, method, path, body=None, token=None, wait_s=WAIT_S, headers=None):
        """An answer of http.client, whatever its status, on a connection of its own; a streamed one is read line by line.
        `body` is sent as JSON; `token` is an API key, or the owner's."""
        connection = http.client.HTTPConnection("127.0.0.1", self.tcp_port, timeout=wait_s)
        if self.place:
            connection.sock = self.place.connect("127.0.0.1", self.tcp_port, wait_s)
        says = {"Connection": "close", **(headers or {})}  # so that it goes with its answer
        if body is not None:
            says["Content-Type"] = "application/json"
        if token:
            says["Authorization"] = "Bearer " + token
        connection.request(method, path, None if body is None else json.dumps(body), says)
        return connection.getresponse()

    def post(self, path, body, **more):
        """The answer to what must be served: Refused, if it is not."""
        answer = self.ask("POST", path, body, **more)
        if answer.status != 200:
            raise Refused(path, answer.status, answer.read().decode())
        return answer

    def told(self, path):
        """What its owner is told there."""
        with open(os.path.join(self.home, "owner.token"), encoding="utf-8") as file:
            return json.load(self.ask("GET", path, token=file.read().strip()))

    def status(self):
        return self.told("/weft/v1/status")

    def model(self, name=None):
        """What its owner is told of a model; without a name, of the first."""
        return next(model for model in self.status()["models"] if name in (None, model["name"]))

    # -- the end --

    def terminate(self):
        """SIGTERM, once: it drains, and ends when nothing runs any more."""
        if not self.terminated and self.process.poll() is None:
            self.terminated = True
            self.process.send_signal(signal.SIGTERM)

    def stop(self, wait_s=WAIT_S):
        """SIGTERM, then the end: it must be a clean one."""
        self.terminate()
        try:
            code = self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"weft did not end {wait_s} s after SIGTERM:\n{self.log()}") from None
        self.lines.rest(wait_s)
        self.check_end(code)
