"""The same kills and power cuts for rsyslog: files in, a file out, a queue on disk, all set to be as careful as it can be."""
import random
import shutil
import signal
import subprocess
import time

import judge
from disks import Disk
from journal import Journal
from outcome import LeftOut, Outcome, part
from subject import wait_until

CONFIG = """global(workDirectory="{work}" maxMessageSize="64k")
module(load="imfile" mode="inotify")
module(load="builtin:omfile")
template(name="line" type="string" string="%msg%\\n")
ruleset(name="all" queue.type="Disk" queue.filename="spool" queue.syncQueueFiles="on" queue.checkpointInterval="1"
        queue.saveOnShutdown="on") {{
    action(type="omfile" file="{out}" template="line" sync="on" flushOnTXEnd="on" asyncWriting="off" action.resumeRetryCount="-1")
}}
input(type="imfile" file="{feed}/*.log" tag="feed:" ruleset="all" persistStateInterval="1" freshStartTail="off")
"""
LINES_EACH = 8
FLOW_SECONDS = 10
SETTLE_SECONDS = 60   # without a new line: what has not come by then is missing


class Rsyslog:
    """Lines go into one file, and it is killed under them."""

    def __init__(self, context, folder):
        if shutil.which("rsyslogd") is None:
            raise LeftOut("no rsyslogd here")
        self.work, self.out, self.feed = folder / "work", folder / "out.log", context.folder / "feed"
        self.work.mkdir()
        self.feed.mkdir()
        self.config = context.folder / "rsyslog.conf"
        self.config.write_text(CONFIG.format(work=self.work, out=self.out, feed=self.feed))
        self.log = open(context.folder / "log", "ab")   # noqa: SIM115 -- as long as the object
        self.journal = Journal(context.folder / "journal", context.seed)

    def start(self):
        self.process = subprocess.Popen(["rsyslogd", "-n", "-f", self.config, "-i", "NONE"], stdout=self.log, stderr=self.log)

    def start_and_flow(self):
        """Returns when a line of this life has arrived, or nothing comes."""
        before = len(self.copies())
        self.start()
        self.write_for(0.1)
        wait_until(lambda: (len(self.copies()) > before, None), FLOW_SECONDS)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=60)

    def write_for(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            made = self.journal.issue("file0", LINES_EACH, ["text"])
            with open(self.feed / "app.log", "ab") as file:
                file.write("".join(r.line + "\n" for r in made).encode())
            self.journal.oblige(made)
            time.sleep(0.02)

    def copies(self):
        found = {}
        data = self.out.read_bytes() if self.out.exists() else b""
        for line in data.decode(errors="replace").splitlines():
            match = judge.IDENT.search(line)
            if match:
                found[match.group()] = found.get(match.group(), 0) + 1
        return found

    def recount(self):
        """(owed, lost, duplicates) after a last life without a fault."""
        self.start()
        self.write_for(0.2)
        wait_until(lambda: (not self.journal.owed - self.copies().keys(), sum(self.copies().values())), SETTLE_SECONDS)
        self.kill()
        found = self.copies()
        return len(self.journal.owed), len(self.journal.owed - found.keys()), sum(found.values()) - len(found)


def figures(name, count, counted):
    owed, lost, duplicates = counted
    return {f"rsyslog: {name}": count, f"rsyslog: lines owed, {name}": owed, f"rsyslog: missing at the end, {name}": lost,
            f"rsyslog: duplicates each, {name}": round(duplicates / count, 2)}


def kills(context, count, chance):
    rsyslog = Rsyslog(context, context.folder)
    for _ in range(count):
        rsyslog.start_and_flow()
        rsyslog.write_for(chance.uniform(0, 0.7))
        rsyslog.kill()
    return figures("kills", count, rsyslog.recount())


def power_cuts(context, count, chance):
    disk = Disk(context.folder / "disk", "ext4", 256)
    try:
        rsyslog = Rsyslog(context, disk.folder)
        for _ in range(count):
            rsyslog.start_and_flow()
            rsyslog.write_for(chance.uniform(0, 0.7))
            disk.cut_power()
            rsyslog.kill()
            disk.unmount()
            disk.mount()
        return figures("power cuts", count, rsyslog.recount())
    finally:
        disk.release()


@part("rsyslog")
def run(context):
    """Figures to compare with; nothing of it can fail but the injection."""
    chance = random.Random(context.seed)
    parts = {"kills": (kills, context.amount(3, 200)), "power": (power_cuts, context.amount(2, 100))}
    found, faults = {}, 0
    for name, (function, count) in parts.items():
        inner = type(context)(context.folder / name, context.scale, context.seed)
        inner.folder.mkdir()
        found.update(function(inner, count, chance))
        faults += count
    return Outcome(faults, found)
