"""Signals and clocks: a storm of reloads, a process that is stopped and goes on, an end that is asked for twice, and a clock that jumps."""
import pathlib
import random
import signal
import time

from outcome import LeftOut, from_verdict, part
from subject import ANEW, Subject, new_folder, wait_until

STORM_SECONDS = 1        # of a storm of reloads,
RELOADS_EACH_SECOND = 100
CHANGED_EACH = 30        # one reload of so many meets another configuration, and begins a new run in the same process
STOPPED_SECONDS = 2      # that the process stands still
DUPLICATES_EACH = 4000   # what is in memory when a sink that stands still ends the process before its time
ALIVE_SECONDS = 60       # until a fresh record must have come to both sinks


def behind(path, size):
    with open(path, "rb") as file:
        file.seek(size)
        return file.read()


def time_until_delivered(subject):
    """Seconds until a record that is written now is at both sinks; None: it does not come."""
    outputs = subject.folder / "out/disk.jsonl", subject.web.path
    sizes = [path.stat().st_size for path in outputs]
    began = time.monotonic()
    ident = subject.write_lines(1)[0].ident
    if subject.journal.issued[ident] is None:
        return 0.0   # must be withheld
    arrived = wait_until(lambda: (all(ident.encode() in behind(path, size) for path, size in zip(outputs, sizes)), None), ALIVE_SECONDS, 0.01)
    return time.monotonic() - began if arrived else None


def storm(subject, _):
    """Reloads, a hundred a second; how many."""
    end, sent, texts = time.monotonic() + STORM_SECONDS, 0, [subject.config.read_text()]
    texts.append(texts[0].replace("poll: 20ms", "poll: 30ms"))
    while time.monotonic() < end:
        if sent % CHANGED_EACH == 0:
            texts.reverse()
            subject.config.write_text(texts[0])
        subject.process.send_signal(signal.SIGHUP)
        sent += 1
        time.sleep(1 / RELOADS_EACH_SECOND)
    return sent


def stand_still(subject, chance):
    subject.process.send_signal(signal.SIGSTOP)
    subject.web.mode = chance.choice(["up", "busy"])
    time.sleep(STOPPED_SECONDS)
    subject.process.send_signal(signal.SIGCONT)
    subject.web.mode = "up"
    return 2


def end_twice(subject, chance):
    """Two SIGTERM, while the receiver answers or does not; the process starts again."""
    subject.web.mode = chance.choice(["up", "mute"])
    for _ in range(2):
        subject.process.send_signal(signal.SIGTERM)
        time.sleep(chance.uniform(0, 0.05))
    subject.process.wait(timeout=120)
    subject.web.mode = "up"
    subject.start()
    return 2


def still_there(subject, waits, what):
    """'' or what is wrong; notes how long a fresh record took."""
    if subject.process.poll() is not None:
        return f"{what}: the process ended: {subject.last_words()[-300:]}"
    waits.append(time_until_delivered(subject))
    return "" if waits[-1] is not None else f"{what}: nothing is delivered any more"


@part("signals")
def signals(context):
    rounds, chance = context.amount(3, 60), random.Random(context.seed)
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed, rotate="1G")
    subject.begin_traffic()
    subject.start_and_flow()
    waits, sent, wrong, ends = [], 0, "", 0
    for number in range(rounds):
        what = (storm, stand_still, end_twice)[number % 3]
        ends += what is end_twice
        sent += what(subject, chance)
        wrong = wrong or still_there(subject, waits, what.__name__)
    wrong = wrong or subject.settle()
    verdict = subject.verdict(whole=False, duplicates_allowed=ends * DUPLICATES_EACH)
    return from_verdict(verdict, sent, wrong, **{
        "storms of reloads, pauses, double ends": rounds, "signals sent": sent,
        "reloads of policies, of all": f"{subject.count_said(ANEW)}, {subject.count_said('starting again with the new one')}",
        "longest until a fresh record is delivered, s": round(max((w for w in waits if w is not None), default=0), 2),
        "acknowledged records lost": verdict.figures["missing"]})


LIBRARIES = [pathlib.Path(f"/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1") for machine in ("x86_64", "aarch64")]
JUMPS = ["+1d", "-1d", "-20y", "@2038-01-19 03:14:06", "@1970-01-02 00:00:00", "@2028-02-29 23:59:58", "+0 x0.01", "+0"]


@part("clock")
def clock(context):
    """The time of day jumps, under traffic; what waits must not wait for it."""
    library = next((path for path in LIBRARIES if path.exists()), None)
    if library is None:
        raise LeftOut("libfaketime is not installed: package faketime")
    now = context.folder / "time"
    now.write_text("+0\n")
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed, rotate="1G", environment={
        "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(now), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    subject.begin_traffic()
    subject.start_and_flow()
    jumps, waits, wrong = (JUMPS * 10)[:context.amount(4, 40)], [], ""
    for jump in jumps:
        now.write_text(jump + "\n")
        subject.reload()   # is logged, with the time
        wrong = wrong or still_there(subject, waits, jump)
    shown = {line[9:13] for line in subject.log.read_text().splitlines() if ANEW in line}
    wrong = wrong or subject.settle()
    for left in pathlib.Path("/dev/shm").glob(f"*faketime_*_{subject.process.pid}"):   # the sandbox keeps the library from it
        left.unlink()
    verdict = subject.verdict(duplicates_allowed=len(subject.journal.issued) // 10)
    return from_verdict(verdict, len(jumps), wrong if len(shown) > 1 or wrong else "the program did not see the clock jump", **{
        "jumps of the clock": len(jumps), "years in the log": " ".join(sorted(shown)),
        "longest until a fresh record is delivered, s": round(max((w for w in waits if w is not None), default=0), 2),
        "acknowledged records lost": verdict.figures["missing"]})
