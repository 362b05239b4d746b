"""Ten times more comes than a receiver takes: sources wait, memory stays as it is, and all is delivered when the receiver recovers."""
import threading
import time

from parts import from_verdict, part
from subject import Subject, new_folder

SPOOL = "8M"          # soon full, so that sources have to wait
LINES_EACH = 2000
TIMES = 10            # so much more is offered than delivered
MOST_MB = 192         # of resident memory


def keep_ahead(subject, ended, offered):
    """Writes lines so that always TIMES as much was offered as was delivered."""
    while not ended.wait(0.01):
        if offered[0] < (TIMES + 1) * max(len(subject.readings[1].more().copies), LINES_EACH):
            offered[0] += len(subject.write_lines(LINES_EACH))


@part("overload")
def run(context):
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed, spool=SPOOL)
    subject.web.mode = "slow"
    subject.start()
    subject.delivered()
    ended, offered = threading.Event(), [0]
    writer = threading.Thread(target=keep_ahead, args=(subject, ended, offered))
    writer.start()
    time.sleep(context.amount(6, 300))
    ended.set()
    writer.join()
    delivered = len(subject.readings[1].more().copies)
    subject.note_memory()
    during = subject.peak_mb
    began = time.monotonic()
    wrong = subject.settle()
    seconds = time.monotonic() - began
    verdict = subject.verdict()
    if during > MOST_MB:
        wrong = f"{during:.0f} MB of memory, more than {MOST_MB}"
    return from_verdict(verdict, int(offered[0] >= TIMES * delivered), wrong, **{
        "offered and delivered during overload": f"{offered[0]}, {delivered}", "times overload": round(offered[0] / max(1, delivered), 1),
        "peak memory, MB": round(subject.peak_mb), "seconds to catch up": round(seconds, 1)})
