"""A store that was damaged between two runs: flipped bytes, cut files, pages of zeros. The unit tests do this at every byte of the
store alone; here the whole program starts on it. What is lost is told, and the rest is delivered."""
import random
import re
import shutil

import judge
from outcome import Outcome, part
from subject import Subject, new_folder, wait_until

REQUESTS, ITEMS = 12, 5   # each request is answered when its block is in the spool
PAGE = 4096
TOLD_LOST = re.compile(r"lost: (\d+) blocks")
TOLD_SKIPPED = re.compile(r"block \d+ in .* is damaged and lost")


def make_images(context):
    """A subject whose spool holds REQUESTS blocks, and copies of its store: as a kill leaves it, and as an orderly end does."""
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed)
    lines = subject.config.read_text().splitlines(keepends=True)
    subject.config.write_text("".join(line for line in lines if "name: disk" not in line))
    subject.web.mode = "busy"
    subject.start()
    for _ in range(REQUESTS):
        assert subject.post(ITEMS) > 0
    images = {}
    for end in ("killed", "stopped"):
        subject.kill() if end == "killed" else subject.stop()
        images[end] = context.folder / end
        shutil.copytree(subject.folder / "state", images[end])
        if end == "killed":
            subject.start()
    return subject, images


def flip(data, chance):
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    return f"byte {at} flipped"


def cut(data, chance):
    at = chance.randrange(len(data))
    del data[at:]
    return f"cut to {at} bytes"


def blank(data, chance):
    at = chance.randrange(len(data)) // PAGE * PAGE
    data[at:at + PAGE] = bytes(len(data[at:at + PAGE]))
    return f"page at {at} zeroed"


def damage(subject, images, chance):
    """Lays out a store and damages it; what was done."""
    end = chance.choice(list(images))
    state = subject.folder / "state"
    shutil.rmtree(state)
    shutil.copytree(images[end], state)
    path = chance.choice([p for p in (state / "store.db", state / "store.db-wal") if p.exists() and p.stat().st_size > 0])
    data = bytearray(path.read_bytes())
    done = chance.choice([flip, flip, cut, blank])(data, chance)
    path.write_bytes(data)
    return f"{end}, {path.name}: {done}"


def is_end_of_log(what, lost):
    """A log without its end is a log of some moment before, and last commits whose border is damaged are one that was never
    finished: nothing in it can tell."""
    return "store.db-wal: cut" in what or ("store.db-wal" in what and lost <= 2 * ITEMS)


def is_idle(subject):
    try:
        return subject.metric("lethe_sink_lag_bytes") + subject.metric("lethe_spool_blocks") + subject.metric("lethe_blocks_unsettled") == 0
    except OSError:
        return False


def recover(subject, number):
    """One life on the damaged store. (ids at the receiver, blocks told to be lost, strangers, what went wrong)"""
    web = subject.folder / f"out/web-{number}.jsonl"
    web.touch()
    subject.web.path, subject.web.mode = web, "up"
    subject.start()
    subject.post(1)   # it goes on
    idle = wait_until(lambda: (is_idle(subject), web.stat().st_size), 30)
    subject.kill()
    log = subject.last_words()
    count = judge.Reading(subject.journal, web).more()
    told = sum(map(int, TOLD_LOST.findall(log))) + len(TOLD_SKIPPED.findall(log))
    return count, told, log, "" if idle else "it does not come to rest"


@part("damage")
def run(context):
    damages, chance = context.amount(6, 400), random.Random(context.seed)
    subject, images = make_images(context)
    owed, red, noticed, lost_records, cut_off = subject.journal.deliverable(), [], 0, 0, 0
    for number in range(damages):
        what = damage(subject, images, chance)
        count, told, log, wrong = recover(subject, number)
        lost = owed - count.copies.keys()
        noticed += told > 0 or "damaged" in log
        lost_records += len(lost)
        if lost and "damaged" not in log and is_end_of_log(what, len(lost)):
            cut_off += len(lost)
        elif lost and "damaged" not in log:
            wrong = wrong or f"{len(lost)} records are lost and nothing is said"
        if count.unknown + count.altered + count.exposed > 0:
            wrong = "something came that was never sent"
        red += [f"{what}: {wrong}"] if wrong else []
    subject.web.close()
    leaks, scanned = judge.scan(subject.journal_path, subject.folder)
    red += [f"leak in {place}: {hits[:3]}" for place, hits in leaks.items()]
    return Outcome(damages, {
        "damaged stores started on": damages, "of them told as damaged": noticed, "records in each": len(owed),
        "records lost, on average": round(lost_records / damages, 2), "lost without a word with the end of a log": cut_off,
        "canary pieces": sum(map(len, leaks.values())), "MB scanned": round(scanned / 1e6, 1)}, red)
