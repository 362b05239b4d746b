"""Ten times more waits than a receiver takes: sources wait, memory stays as it is, and all comes when the receiver recovers."""
import time

from outcome import from_verdict, part
from subject import Subject, new_folder, wait_until

SPOOL = "2M"          # soon full, so that sources have to wait
LINES_EACH = 2000
TIMES = 10            # so much more is offered than delivered
DUPLICATES = 20000    # of requests that were answered too late
MOST_MB = 192         # of resident memory


@part("overload")
def run(context):
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed, spool=SPOOL)
    offered = context.amount(40000, 1000000)
    for _ in range(offered // LINES_EACH):
        subject.write_lines(LINES_EACH)
    subject.web.mode = "slow"
    subject.start()
    wait_until(lambda: (subject.web.path.exists() and subject.said("is full"), subject.flow()))
    _, (_, lacking) = subject.delivered()
    full = subject.said("is full")
    subject.note_memory()
    during, delivered = subject.peak_mb, len(subject.journal.deliverable()) - lacking
    began = time.monotonic()
    wrong = subject.settle()
    seconds = time.monotonic() - began
    verdict = subject.verdict(duplicates_allowed=DUPLICATES)
    if during > MOST_MB:
        wrong = f"{during:.0f} MB of memory, more than {MOST_MB}"
    return from_verdict(verdict, int(0 < TIMES * delivered <= offered and full), wrong, **{
        "offered, delivered under overload": f"{offered}, {delivered}", "spool full": full,
        "peak memory, MB": round(subject.peak_mb), "seconds to catch up": round(seconds, 1)})
