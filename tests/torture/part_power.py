"""Power cuts: store and output on an ext4 of their own, which is shut down under the running program, then mounted again."""
import random
import time

from disks import Disk
from outcome import from_verdict, part
from subject import Subject

DISK_MB = 512
MODES = ["up", "up", "busy", "mute"]


@part("power")
def run(context):
    """What was accepted is there after the cut; no torn line, no zeros, nothing that was never sent."""
    cuts, chance = context.amount(3, 300), random.Random(context.seed)
    disk = Disk(context.folder / "disk", "ext4", DISK_MB)
    try:
        subject = Subject(disk.folder / "run", seed=context.seed, beside=context.folder)
        subject.begin_traffic()
        began, after = time.monotonic(), 0
        for cut in range(cuts):
            subject.web.mode = chance.choice(MODES)
            subject.start_and_flow()
            time.sleep(chance.uniform(0, 0.7))
            disk.cut_power()
            if cut % 3 == 0:   # it lives on for a while, and must accept nothing more
                before = len(subject.journal.owed)
                time.sleep(0.1)
                after += len(subject.journal.owed) - before
            subject.kill()
            disk.unmount()
            disk.mount()
            subject.forget_readings()
        seconds = time.monotonic() - began
        wrong = subject.settle()
        verdict = subject.verdict(whole=False, duplicates_allowed=len(subject.journal.issued) * 4)
    finally:
        disk.release()
    return from_verdict(verdict, cuts, wrong, **{
        "power cuts survived (ext4)": cuts, "acknowledged records lost": verdict.figures["missing"],
        "duplicates per cut and sink": round(verdict.figures["duplicates"] / cuts / 2, 2), "seconds per cut": round(seconds / cuts, 2)})
