"""tests/lib/netlab.py - networks of this machine's own: an internet, houses behind NAT, and who cannot reach whom.

    netlab.enter(__file__)                  # first of all: the test goes on in a network namespace of its own, as root
    with netlab.Internet() as internet:
        gate = internet.place("gate")       # 203.0.113.x
        home = internet.house("home")       # 192.168.x.2, behind a router that lets nothing in by itself
        gate.run("weft", ...), gate.connect(address, port), home.cut(), home.mend()

A place is a network namespace, held by a process that ends with the test, whatever becomes of the test; with it goes
all that is in it. Needs root, and programs of util-linux, iproute2 and nftables.
"""

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import threading

INSIDE = "WEFT_NETLAB_INSIDE"
CLONE_NEWNET = 0x40000000
WAIT_S = 60

# What comes in from outside is dropped, unless somebody inside has asked for it; who goes out goes by one address.
ROUTER = """
table ip nat {
    chain out { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }
    chain through {
        type filter hook forward priority filter; policy drop;
        iifname "lan0" accept
        ct state established,related accept
    }
}
"""


def enter(file, programs=("unshare", "nsenter", "ip", "nft")):
    """Goes on in a namespace of its own; says why and ends with 77 (skipped) where that cannot be."""
    if os.environ.get(INSIDE):
        return
    missing = [name for name in programs if not shutil.which(name)]
    if missing or subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode != 0:
        print(f"SKIP: a network of its own needs {' and '.join(missing) or 'root'}")
        sys.exit(77)
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, os.path.abspath(file), *sys.argv[1:]])


def ip(*words):
    subprocess.run(["ip", *words], check=True, timeout=WAIT_S)


class Place:
    """A machine of its own, as far as networks go."""

    def __init__(self, name, address):
        self.name, self.address = name, address
        self._holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo here; exec cat"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self._holder.stdout.readline()
        self._net = f"/proc/{self._holder.pid}/ns/net"
        self.inside = ["nsenter", f"--net={self._net}"]  # in front of a command; it becomes that command
        self.pid = self._holder.pid
        self.ip("link", "set", "lo", "up")

    def shun(self, other):
        """From here nothing goes to that place any more, until it is unshunned."""
        self.ip("route", "add", "blackhole", other.address)

    def unshun(self, other):
        self.ip("route", "del", "blackhole", other.address)

    def end(self):
        self._holder.stdin.close()
        self._holder.wait(WAIT_S)
        self._holder.stdout.close()

    def run(self, *words, given=None):
        return subprocess.run([*self.inside, *words], input=given, text=True, check=True, capture_output=True,
                              timeout=WAIT_S).stdout

    def ip(self, *words):
        self.run("ip", *words)

    def link(self, other, name, address):
        """A cable to another place, or (None) to this test's own network; returns the other end's name."""
        there = f"{self.name}-{name}"[:15]
        where = ["netns", str(other.pid)] if other else []
        ip("link", "add", there, "type", "veth", "peer", "name", name, "netns", str(self.pid))
        if where:
            ip("link", "set", there, *where)
        self.ip("addr", "add", f"{address}/24", "dev", name)
        self.ip("link", "set", name, "up")
        return there

    def connect(self, address, port, wait_s=WAIT_S):
        """A TCP connection from there. A thread may live in another namespace than its process, and so may a socket."""
        made = []

        def enter_and_connect():
            try:
                with open(self._net, "rb") as net:
                    if ctypes.CDLL(None, use_errno=True).setns(net.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                made.append(socket.create_connection((address, port), timeout=wait_s))
            except OSError as error:
                made.append(error)

        thread = threading.Thread(target=enter_and_connect)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]


class Internet:
    """One network, 203.0.113.0/24, on which some have an address and others sit behind a router."""

    def __init__(self):
        self._places = []
        self._count = 0

    def __enter__(self):
        ip("link", "set", "lo", "up")
        ip("link", "add", "internet", "type", "bridge")
        ip("link", "set", "internet", "up")
        return self

    def __exit__(self, *_):
        for place in reversed(self._places):
            place.end()

    def _add(self, name, address):
        place = Place(name, address)
        self._places.append(place)
        return place

    def place(self, name):
        self._count += 1
        place = self._add(name, f"203.0.113.{self._count}")
        place.cable = place.link(None, "eth0", place.address)
        ip("link", "set", place.cable, "master", "internet")
        ip("link", "set", place.cable, "up")
        return place

    def house(self, name):
        """Behind a router of its own."""
        router = self.place(f"{name}-r")
        net = f"192.168.{self._count}"
        home = self._add(name, f"{net}.2")
        lan = home.link(router, "eth0", home.address)
        router.ip("link", "set", lan, "name", "lan0")
        router.ip("addr", "add", f"{net}.1/24", "dev", "lan0")
        router.ip("link", "set", "lan0", "up")
        router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        router.run("nft", "-f", "-", given=ROUTER)
        home.router, home.cable, home.way_out = router, router.cable, f"{net}.1"
        home.ip("route", "add", "default", "via", home.way_out)
        return home

    @staticmethod
    def renumber(home, address):
        """It has another address in its house from now on; what it had open is of the old one."""
        home.ip("addr", "del", f"{home.address}/24", "dev", "eth0")
        home.ip("addr", "add", f"{address}/24", "dev", "eth0")
        home.ip("route", "add", "default", "via", home.way_out)  # the old one went with the address
        home.address = address

    @staticmethod
    def cut(place):
        """Its cable is out: what it sends, and what is sent to it, is gone without a word."""
        ip("link", "set", place.cable, "nomaster")

    @staticmethod
    def mend(place):
        ip("link", "set", place.cable, "master", "internet")
