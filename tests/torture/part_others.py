"""The same kills and power cuts for rsyslog and syslog-ng: a file in, a file out, all set to be as careful as they can be."""
import dataclasses
import functools
import os
import random
import shutil
import signal
import subprocess
import time
import typing

import judge
from disks import Disk
from journal import Journal
from outcome import LeftOut, Outcome, part
from running import Missing
from subject import wait_until
from syslog_servers import unpacked_syslog_ng

# The output is synced, the place in the file is written after each batch that was handed on: to QUEUE, which is synced too, or,
# without a queue (DIRECT), to the output itself. With persistStateInterval it would be written before the batch is handed on.
RSYSLOG = """global(workDirectory="{work}" maxMessageSize="64k")
module(load="imfile" mode="inotify")
module(load="builtin:omfile")
template(name="line" type="string" string="%msg%\\n")
ruleset(name="all" @QUEUE@) {{
    action(type="omfile" file="{out}" template="line" sync="on" flushOnTXEnd="on" asyncWriting="off" action.resumeRetryCount="-1")
}}
input(type="imfile" file="{feed}/*.log" tag="feed:" ruleset="all" persistStateAfterSubmission="on" freshStartTail="off")
"""
QUEUE = ('queue.type="Disk" queue.filename="spool" queue.syncQueueFiles="on" queue.checkpointInterval="1" '
         'queue.saveOnShutdown="on"')
DIRECT = 'queue.type="Direct"'
# No disk buffer: it would acknowledge a line before that is in the output. So the place in the file moves on only behind a line
# that was written and synced (flow-control, flush-lines, fsync).
SYSLOG_NG = """@version: 3.38
options {{ stats-freq(0); log-msg-size(65536); chain-hostnames(no); use-dns(no); time-reopen(1); }};
source feed {{ file("{feed}/app.log" follow-freq(0.1) flags(no-parse)); }};
destination out {{ file("{out}" template("${{MSG}}\\n") fsync(yes) flush-lines(1)); }};
log {{ source(feed); destination(out); flags(flow-control); }};
"""
LINES_EACH = 8
FLOW_SECONDS = 10
SETTLE_SECONDS = 60   # without a new line: what has not come by then is missing


def rsyslog_command(config, _work):
    program = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin:/sbin")
    if program is None:
        raise LeftOut("no rsyslogd here")
    return [program, "-n", "-f", config, "-i", "NONE"], {}


def syslog_ng_command(config, work):
    try:
        command, environment = unpacked_syslog_ng()
    except Missing as missing:
        raise LeftOut(str(missing)) from missing
    own = {"-f": config, "-R": work / "persist", "-p": config.with_suffix(".pid"), "-c": config.with_suffix(".ctl")}
    return [*command, "-F", "--no-caps", *(word for pair in own.items() for word in pair)], environment


@dataclasses.dataclass
class Kind:
    config: str                # its work, out and feed are filled in
    command: typing.Callable   # (configuration, its own files on disk) -> (command line, environment beside ours)


KINDS = {"rsyslog": Kind(RSYSLOG.replace("@QUEUE@", QUEUE), rsyslog_command),
         "rsyslog-direct": Kind(RSYSLOG.replace("@QUEUE@", DIRECT), rsyslog_command),
         "syslog-ng": Kind(SYSLOG_NG, syslog_ng_command)}


class Other:
    """Lines go into one file, and it is killed under them."""

    def __init__(self, kind, context, folder):
        work, self.out, self.feed = folder / "work", folder / "out.log", context.folder / "feed"
        config = context.folder / "other.conf"
        self.command, environment = kind.command(config, work)
        self.environment = {**os.environ, **environment}
        work.mkdir()
        self.feed.mkdir()
        config.write_text(kind.config.format(work=work, out=self.out, feed=self.feed))
        self.log = open(context.folder / "log", "ab")   # noqa: SIM115 -- as long as the object
        self.journal = Journal(context.folder / "journal", context.seed)
        self.forget()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log, env=self.environment)

    def start_and_flow(self):
        """Whether a line of this life has arrived; waits until one has, or nothing comes."""
        before = len(self.copies())
        self.start()
        self.write_for(0.1)
        return wait_until(lambda: (len(self.copies()) > before, None), FLOW_SECONDS)

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
        """How often each line is in the output, which only grows until forget()."""
        data = b""
        if self.out.exists():
            with open(self.out, "rb") as file:
                file.seek(self.read_to)
                data = file.read()
        whole = data.rfind(b"\n") + 1
        self.read_to += whole
        for line in data[:whole].decode(errors="replace").splitlines():
            match = judge.IDENT.search(line)
            if match:
                self.found[match.group()] = self.found.get(match.group(), 0) + 1
        return self.found

    def forget(self):
        self.read_to, self.found = 0, {}

    def recount(self):
        """(owed, lost, duplicates) after a last life without a fault."""
        self.start()
        self.write_for(0.2)
        wait_until(lambda: (not self.journal.owed - self.copies().keys(), sum(self.copies().values())), SETTLE_SECONDS)
        self.kill()
        self.forget()
        found = self.copies()
        return len(self.journal.owed), len(self.journal.owed - found.keys()), sum(found.values()) - len(found)


def figures(name, count, flowed, counted):
    owed, lost, duplicates = counted
    return {name: count, f"lives in which lines came, {name}": flowed, f"lines owed, {name}": owed,
            f"missing at the end, {name}": lost, f"duplicates each, {name}": round(duplicates / count, 2)}


def kills(kind, context, count, chance):
    other, flowed = Other(kind, context, context.folder), 0
    for _ in range(count):
        flowed += other.start_and_flow()
        other.write_for(chance.uniform(0, 0.7))
        other.kill()
    return figures("kills", count, flowed, other.recount())


def power_cuts(kind, context, count, chance):
    disk = Disk(context.folder / "disk", "ext4", 256)
    try:
        other, flowed = Other(kind, context, disk.folder), 0
        for _ in range(count):
            flowed += other.start_and_flow()
            other.write_for(chance.uniform(0, 0.7))
            disk.cut_power()
            other.kill()
            disk.unmount()
            disk.mount()
            other.forget()
        return figures("power cuts", count, flowed, other.recount())
    finally:
        disk.release()


def run(kind, context):
    """Figures to compare with; nothing of it can fail but the injection."""
    chance = random.Random(context.seed)
    ways = {"kills": (kills, context.amount(3, 200)), "power": (power_cuts, context.amount(2, 100))}
    found, faults = {}, 0
    for name, (function, count) in ways.items():
        inner = dataclasses.replace(context, folder=context.folder / name)
        inner.folder.mkdir()
        found.update(function(kind, inner, count, chance))
        faults += count
    return Outcome(faults, found)


for other_name, other_kind in KINDS.items():
    part(other_name)(functools.partial(run, other_kind))
