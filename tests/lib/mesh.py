"""tests/lib/mesh.py - what people do at the nodes of a mesh (lib/weft.py): commands, joining, waiting for what comes of it.

    mesh.join(node, gateway, "client")
    took = mesh.wait("it is attached", lambda: mesh.told(node)["gateways"])
    mesh.end(node)          # clean, whatever was done to it

A node on a machine of lib/netlab.py has its commands run there.
"""

import json
import signal
import socket
import subprocess
import time

from lib import weft

GATEWAY = ("--gateway", "--mesh-listen", "127.0.0.1:0")
POLL_S = 0.05


def free_port():
    """For a gateway that is to be found where it was when it starts again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(node, *words, given=""):
    """A command with the home of `node`, however it ends."""
    where = node.place.inside if node.place else []
    return subprocess.run([*where, node.binary, *words], env=weft.environment(node.home), input=given, capture_output=True,
                          text=True, timeout=weft.WAIT_S, check=False)


def say(node, *words, given=""):
    """One that must succeed: what it prints."""
    done = run(node, *words, given=given)
    if done.returncode != 0:
        raise AssertionError((words[0], done.stderr, node.log()))
    return done.stdout


def ask(node, *words, given=""):
    return json.loads(say(node, *words, "--json", given=given))


def id_of(node):
    return ask(node, "id")["id"]


def told(node):
    """All that its owner is told of the mesh, without a command's cost."""
    return node.told("/weft/v1/mesh")


def peers(node):
    """What it knows of others, by their ids."""
    return {peer["id"]: peer for peer in told(node)["peers"]}


def attached(node):
    """The ids of the gateways that it is attached to."""
    return {gateway["id"] for gateway in told(node)["gateways"]}


def join(node, gateway, role="peer"):
    say(node, "join", "-", given=say(gateway, "invite", "--role", role))


def wait(what, is_so, most_s=weft.WAIT_S):
    """Until is_so(): how long that took, which is printed and held to `most_s`."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > most_s:
            raise AssertionError(f"not within {most_s} s: {what}")
        time.sleep(POLL_S)
    took = time.monotonic() - began
    print(f"# {what}: {took:.2f} s", flush=True)
    return took


def end(node):
    """A node that was not killed must end cleanly, even one that stands still, or has ended by itself."""
    try:
        if node.process and node.process.poll() != -signal.SIGKILL:
            if node.process.poll() is None:
                node.process.send_signal(signal.SIGCONT)
            node.stop()
    finally:
        node.give_up()
