"""A bench's servers of the chat API, and the clients that ask them for many streams at once."""
import json
import os
import signal
import subprocess
import time

from report import BUILD, ROOT
from servers import WEFT, cpu_ns, free_port

ASKER = os.path.join(BUILD, "bench_asker")
MODEL = os.path.join(ROOT, "models", "SmolLM2-135M-Instruct-Q4_1.gguf")
CONTEXT = 1024
REST_S = 1  # between runs: a server's threads look for more work for some 0.2 s after its last answer, on all cores


class Server:
    """A server that answers the chat API on a port; ended by its id."""

    def __init__(self, command, **options):
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)

    def cpu_ns(self):
        return cpu_ns(self.child.pid)

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Node(Server):
    """A `weft` of any commit; `home` is its alone."""

    model = os.path.basename(MODEL).removesuffix(".gguf")

    def __init__(self, home, name, *flags, program=WEFT, log=None):
        self.name, self.home, self.port = name, home, free_port()
        super().__init__([program, "up", "--port", str(self.port), "--log-level", "info" if log else "warn", *flags],
                         stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, "WEFT_HOME": home})
        if not any(line.startswith("ready") for line in iter(self.child.stdout.readline, "")):
            raise SystemExit(f"{name} did not start")

    def stop(self):
        super().stop()
        self.child.stdout.close()


class Weft(Node):
    """One that answers; `engine`, where it is not the one beside it."""

    def __init__(self, home, threads, slots, name="weft", program=WEFT, engine=None):
        super().__init__(home, name, "--model", MODEL, "--slots", str(slots), "--context", str(CONTEXT), "--threads",
                         str(threads), *(["--engine", engine] if engine else []), program=program)


def ask(server, streams, tokens, words, seed, temperature=0.8):
    """What the clients saw of `streams` streams at once; nothing is asked twice where no seed is given twice."""
    time.sleep(REST_S)
    done = subprocess.run([ASKER, "--port", str(server.port), "--model", server.model, "--streams", str(streams),
                           "--tokens", str(tokens), "--words", str(words), "--seed", str(seed),
                           "--temperature", str(temperature)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{server.name}: {done.stderr}")
    figures = json.loads(done.stdout)
    if figures["tokens"] != streams * tokens:
        raise SystemExit(f"{server.name} made {figures['tokens']} tokens of {streams * tokens}")
    return figures
