"""Calls that fail: a sync or a write that fails once, and a file system that is read-only for a while, in a running program."""
import errno
import random
import time

from faults import ALL_CALLS, CALLS, DISK, WHATS, Faults
from outcome import from_verdict, part
from subject import Subject, new_folder, wait_until

# What can fail once: (what, calls, error).
ONCE = [("wal", "sync", errno.EIO), ("wal", "write", errno.EIO), ("database", "sync", errno.EIO), ("database", "write", errno.EIO),
        ("output", "sync", errno.EIO), ("output", "write", errno.EIO), ("output", "write", errno.ENOSPC),
        ("wal", "write", errno.ENOSPC)]
RARE_SECONDS = 3    # the database itself is written now and then only
DUPLICATES_EACH = 400


def under_faults(context, inject, count):
    """A run under traffic, into which `inject(subject, faults, chance)` puts one fault after another; it must not end by itself."""
    faults = Faults(context.folder / "control")
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed, environment=faults.environment)
    chance, failed = random.Random(context.seed), 0
    subject.begin_traffic()
    subject.start_and_flow()
    for _ in range(count):
        inject(subject, faults, chance)
        failed += subject.process.poll() is not None
        if failed:
            break
    faults.heal()
    wrong = f"the process ended: {subject.last_words()[-300:]}" if failed else subject.settle()
    return subject, faults.injected(), wrong


def fail_once(subject, faults, chance):
    what, calls, number = chance.choice(ONCE)
    subject.web.mode = chance.choice(["up", "busy"])   # busy: blocks go to the spool
    before = faults.injected()
    faults.set(WHATS[what], CALLS[calls], number, skip=chance.randint(0, 3))
    faults.hit(before, RARE_SECONDS)
    faults.heal()


@part("sync")
def run(context):
    """One failed sync or write of store or output each time: what was acknowledged is delivered, the process goes on."""
    subject, injected, wrong = under_faults(context, fail_once, context.amount(6, 400))
    verdict = subject.verdict(duplicates_allowed=injected * DUPLICATES_EACH, whole=False)
    return from_verdict(verdict, injected, wrong, **{"failed syncs and writes survived": injected,
                                                     "acknowledged records lost": verdict.figures["missing"]})


@part("readonly")
def read_only(context):
    """Every change of the disk is refused for a while: the run waits, accepts nothing it cannot keep, and goes on afterwards."""
    waits = []

    def refuse(subject, faults, chance):
        subject.web.mode = chance.choice(["up", "busy"])
        before = faults.injected()
        faults.set(DISK, ALL_CALLS, errno.EROFS, times=-1)
        assert faults.hit(before), "nothing was written"
        faults.heal()
        subject.web.mode = "up"
        waits.append(time_until_accepted(subject))

    subject, injected, wrong = under_faults(context, refuse, context.amount(2, 50))
    verdict = subject.verdict(duplicates_allowed=len(waits) * DUPLICATES_EACH, whole=False)
    return from_verdict(verdict, len(waits), wrong, **{
        "times read-only": len(waits), "calls refused": injected, "longest until accepted again, s": round(max(waits, default=0), 2),
        "acknowledged records lost": verdict.figures["missing"]})


def time_until_accepted(subject):
    began = time.monotonic()
    assert wait_until(lambda: (subject.post(1) == 1, None), 60), "accepts nothing any more"
    return time.monotonic() - began
