"""Power cuts: store and output on an ext4 of their own, which is shut down under the running program, then mounted again. Every second
cut meets a sealed store and sealed withheld records.

A machine without power answers nothing. Here the process still runs for a moment, and a sync that was under way when the file system was
shut down can return as if it had done its work: jbd2 drops the transaction, and who asks for it afterwards is told that it is over. So what is
accepted from the cut on is owed by nobody; it may be as much as was under way, and no more."""
import random
import time

from disks import Disk
from outcome import from_verdicts, part, summed
from subject import Subject

DISK_MB = 512
RUN_SECONDS = 0.7
LIVES_ON_SECONDS = 0.1   # after the cut
CLIENTS, ITEMS = 2, 5    # requests that can be under way, and what is in each
MODES = ["up", "up", "busy", "mute"]


def one_cut(subject, disk, chance, lives_on):
    """How many records were accepted when the disk was gone already."""
    subject.web.mode = chance.choice(MODES)
    subject.start_and_flow()
    time.sleep(chance.uniform(0, RUN_SECONDS))
    subject.is_cut_off = True
    disk.cut_power()
    before = len(subject.journal.doubtful)
    time.sleep(LIVES_ON_SECONDS if lives_on else 0)
    subject.kill()
    subject.is_cut_off = False
    return len(subject.journal.doubtful) - before


def lives(context, name, cuts, sealed):
    """So many cuts of one disk: (verdict, what went wrong, records accepted from a cut on)."""
    chance, folder = random.Random(f"{context.seed} {name}"), context.folder / name
    folder.mkdir()
    disk = Disk(folder / "disk", "ext4", DISK_MB)
    try:
        subject = Subject(disk.folder / "run", seed=context.seed, beside=folder, sealed=sealed)
        subject.begin_traffic(clients=CLIENTS)
        most = 0
        for cut in range(cuts):
            most = max(most, one_cut(subject, disk, chance, cut % 3 == 0))
            disk.unmount()
            disk.mount()
            subject.forget_readings()
        wrong = subject.settle()
        if most > CLIENTS * ITEMS:
            wrong = f"{most} records were accepted without a disk"
        return subject.verdict(whole=False, duplicates_allowed=len(subject.journal.issued) * 4), wrong, len(subject.journal.doubtful)
    finally:
        disk.release()


@part("power")
def run(context):
    """What was accepted is there after the cut; no torn line, no zeros, nothing that was never sent."""
    cuts, began = context.amount(4, 300), time.monotonic()
    halves = [lives(context, name, cuts // 2, name == "sealed") for name in ("open", "sealed")]
    sums = summed([verdict for verdict, _, _ in halves])
    return from_verdicts([verdict for verdict, _, _ in halves], cuts, [wrong for _, wrong, _ in halves], **{
        "power cuts survived (ext4)": cuts, "acknowledged records lost": sums["missing"],
        "accepted from the cut on, owed by nobody": sum(doubtful for _, _, doubtful in halves),
        "duplicates per cut and sink": round(sums["duplicates"] / cuts / 2, 2),
        "seconds per cut, judgement included": round((time.monotonic() - began) / cuts, 2)})
