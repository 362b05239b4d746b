"""A store that was damaged between two runs: flipped bytes, cut files, pages of zeros, pages in each other's place or there twice; and one of
some moment before, as from a backup. The unit tests do the first three at every byte of the store alone; here the whole program starts on
it. What is lost is told, and the rest is delivered."""
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


OLDER = "older"         # a whole store of when half of the requests were there


def make_images(context):
    """A subject whose spool holds REQUESTS blocks, and copies of its store: as a kill leaves it, as an orderly end does, and OLDER. With
    each, what it owes."""
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed)
    lines = subject.config.read_text().splitlines(keepends=True)
    subject.config.write_text("".join(line for line in lines if "name: disk" not in line))
    subject.web.mode = "busy"
    subject.start()
    images, owed = {}, {}
    for end, requests in ((OLDER, REQUESTS // 2), ("killed", REQUESTS - REQUESTS // 2), ("stopped", 0)):
        for _ in range(requests):
            assert subject.post(ITEMS) > 0
        subject.stop() if end == "stopped" else subject.kill()
        images[end], owed[end] = context.folder / end, subject.journal.deliverable()
        shutil.copytree(subject.folder / "state", images[end])
        if end != "stopped":
            subject.start()
    return subject, images, owed


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


def two_pages(data, chance):
    pages = range(0, len(data) // PAGE * PAGE, PAGE)
    return chance.sample(pages, 2) if len(pages) > 1 else (0, 0)


def swap(data, chance):
    one, other = two_pages(data, chance)
    data[one:one + PAGE], data[other:other + PAGE] = data[other:other + PAGE], data[one:one + PAGE]
    return f"pages at {one} and {other} swapped"


def repeat(data, chance):
    one, other = two_pages(data, chance)
    data[other:other + PAGE] = data[one:one + PAGE]
    return f"page at {one} also at {other}"


def damage(subject, images, chance):
    """Lays out a store and damages it, but for an older one; which it was, and what was done."""
    end = chance.choice(list(images))
    state = subject.folder / "state"
    shutil.rmtree(state)
    shutil.copytree(images[end], state)
    if end == OLDER:
        return end, "whole"
    path = chance.choice([p for p in (state / "store.db", state / "store.db-wal") if p.exists() and p.stat().st_size > 0])
    data = bytearray(path.read_bytes())
    done = chance.choice([flip, flip, cut, blank, swap, repeat])(data, chance)
    path.write_bytes(data)
    return end, f"{path.name}: {done}"


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
    subject, images, owed = make_images(context)
    red, noticed, lost_records, cut_off, older = [], 0, 0, 0, 0
    for number in range(damages):
        end, what = damage(subject, images, chance)
        older += end == OLDER
        count, told, log, wrong = recover(subject, number)
        lost = owed[end] - count.copies.keys()
        noticed += told > 0 or "damaged" in log
        lost_records += len(lost)
        if lost and "damaged" not in log and is_end_of_log(what, len(lost)):
            cut_off += len(lost)
        elif lost and "damaged" not in log:
            wrong = wrong or f"{len(lost)} records are lost and nothing is said"
        if count.unknown + count.altered + count.exposed > 0:
            wrong = "something came that was never sent"
        red += [f"{end}, {what}: {wrong}"] if wrong else []
    subject.web.close()
    leaks, scanned = judge.scan(subject.journal_path, subject.folder)
    red += [f"leak in {place}: {hits[:3]}" for place, hits in leaks.items()]
    return Outcome(damages, {
        "damaged stores started on": damages - older, "of them told as damaged": noticed, "whole stores of before": older,
        "records in each": len(owed["killed"]),
        "records lost, on average": round(lost_records / damages, 2), "lost without a word with the end of a log": cut_off,
        "canary pieces": sum(map(len, leaks.values())), "MB scanned": round(scanned / 1e6, 1)}, red)
