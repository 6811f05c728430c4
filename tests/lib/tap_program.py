#!/usr/bin/env -S python3 -S -E
"""tests/lib/tap_program.py - what a node takes for its engine, where a test listens (lib/tap.py).

It starts the real one, hands every byte on and keeps a copy of it, and ends as that one ends. When the node kills it, the
kernel kills the engine with it. It starts at once: nothing but the system is imported.
"""

import os
import resource
import select
import signal
import socket
import sys

NODE, PAGE = 3, 4  # descriptors that an engine is started with
PIECE = 65536
UP, DOWN, PID = ".up", ".down", ".pid"  # files of one engine's life: from the node, to it, who it is


class Relay:
    def __init__(self):
        self.folder = os.environ["TAP_FOLDER"]
        lives = sum(name.endswith(PID) for name in os.listdir(self.folder))
        self.path = os.path.join(self.folder, f"{lives:05d}")
        self.node = socket.socket(fileno=NODE)
        self.engine, theirs = socket.socketpair()
        self.child = os.fork()
        if self.child == 0:
            os.dup2(theirs.fileno(), NODE)
            binary = os.environ["TAP_ENGINE"]
            os.execv(binary, [binary, *sys.argv[1:]])
        theirs.close()
        os.close(PAGE)
        signal.signal(signal.SIGTERM, lambda number, _: os.kill(self.child, number))
        self.copies = {self.node: open(self.path + UP, "wb", 0), self.engine: open(self.path + DOWN, "wb", 0)}
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write(str(self.child))
        os.rename(self.path + ".new", self.path + PID)

    def hand_on(self):
        """Until the engine hangs up."""
        others = {self.node: self.engine, self.engine: self.node}
        readable = [self.node, self.engine]
        while self.engine in readable:
            for one in select.select(readable, [], [])[0]:
                try:
                    data = one.recv(PIECE)
                except ConnectionError:
                    data = b""
                self.copies[one].write(data)
                try:
                    if data:
                        others[one].sendall(data)
                    else:
                        readable.remove(one)
                        others[one].shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # the other one has gone: its own end is read next

    def end(self):
        _, status = os.waitpid(self.child, 0)
        if os.WIFSIGNALED(status):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            number = os.WTERMSIG(status)
            if number != signal.SIGKILL:
                signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        os._exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    relay = Relay()
    relay.hand_on()
    relay.end()
