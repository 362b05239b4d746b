"""A network for the calling thread alone, and for threads and processes that it starts: a loopback interface of its own that loses
packets, is narrow, or swallows everything without a word.

    with BadNetwork() as network:
        network.lose(25)          # percent of all packets
        network.narrow("512kbit")
        network.swallow()         # all of them
        network.heal()

Nothing outside of it is touched. It needs root, or the right to make network namespaces, and nft and tc."""
import contextlib
import ctypes
import os
import re
import shutil
import subprocess

from running import Missing

CLONE_NEWNET = 0x40000000
TABLE = "inet bad_network"
libc = ctypes.CDLL(None, use_errno=True)


class NotPermitted(Exception):
    """This machine does not let us make one."""


def run(*command, text=None):
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


class BadNetwork:
    def __init__(self):
        for tool in ("nft", "tc", "ip"):
            if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
                raise Missing(f"no {tool}: run tests/parts/install")
        self.before = None

    def command(self, *command, text=None):
        tool = shutil.which(command[0], path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        done = run(tool, *command[1:], text=text)
        if done.returncode != 0:
            raise NotPermitted(f"{' '.join(command)} is not permitted here: {done.stderr.strip()[:200]}")
        return done.stdout

    def __enter__(self):
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        if libc.unshare(CLONE_NEWNET) != 0:
            os.close(self.before)
            raise NotPermitted("cannot make a network here")
        try:
            self.command("ip", "link", "set", "lo", "up", "mtu", "1500")
            self.heal()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        """What is in it keeps it alive."""
        if libc.setns(self.before, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "cannot go back to the network that was")
        os.close(self.before)

    def _rule(self, rule):
        self.command("nft", "-f", "-", text=f"add table {TABLE}\ndelete table {TABLE}\nadd table {TABLE}\n"
                     f"add chain {TABLE} in {{ type filter hook input priority 0; }}\nadd rule {TABLE} in {rule}\n")

    def lose(self, percent):
        self._rule(f"numgen random mod 100 < {percent} counter drop")

    def swallow(self):
        self._rule("counter drop")

    def dropped(self):
        """Packets since the last lose() or swallow()."""
        return int(re.search(r"counter packets (\d+)", self.command("nft", "list", "table", *TABLE.split()))[1])

    def narrow(self, rate):
        self.command("tc", "qdisc", "replace", "dev", "lo", "root", "tbf", "rate", rate, "burst", "16kb", "latency", "400ms")

    def held_back(self):
        """How often a packet was, or was dropped since too many were."""
        overlimits, dropped = (re.search(pattern, self.command("tc", "-s", "qdisc", "show", "dev", "lo")) for pattern in
                               (r"overlimits (\d+)", r"dropped (\d+)"))
        return int(overlimits[1]) + int(dropped[1])

    def heal(self):
        self._rule("counter accept")
        with contextlib.suppress(NotPermitted):   # there is none
            self.command("tc", "qdisc", "del", "dev", "lo", "root")
