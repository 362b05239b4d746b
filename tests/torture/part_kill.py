"""kill -9 at random times, over one state folder, under traffic from all sources, while a receiver comes and goes."""
import random
import time

from outcome import from_verdict, part
from subject import Subject, new_folder

DURING_START = 0.25     # share of kills before the process says that it is running
START_SECONDS = 0.6     # within which these fall
RUN_SECONDS = 0.7       # after the first delivery of this life, within which the others fall
MODES = ["up", "up", "busy", "mute"]
IN_FLIGHT = 12 * 1000   # records in memory, whose positions are not written yet: so many may come twice at each sink


def one_life(subject, chance):
    """Start, some time, kill. True: it was killed after it had started."""
    subject.web.mode = chance.choice(MODES)
    if chance.random() < DURING_START:
        subject.spawn()
        time.sleep(chance.uniform(0, START_SECONDS))
    else:
        subject.start_and_flow()
        time.sleep(chance.uniform(0, RUN_SECONDS))
        if chance.random() < 0.2:
            subject.scrape()
    running = subject.is_running()
    assert subject.process.poll() is None, f"ended by itself: {subject.last_words()}"
    subject.kill()
    return running


@part("kill")
def run(context):
    """Nothing accepted is lost, whatever the moment; what comes twice has the same event id."""
    kills, chance = context.amount(30, 2000), random.Random(context.seed)
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed)
    subject.begin_traffic()
    began, running = time.monotonic(), 0
    for _ in range(kills):
        running += one_life(subject, chance)
    seconds = time.monotonic() - began
    wrong = subject.settle()
    verdict = subject.verdict(whole=False, duplicates_allowed=2 * kills * IN_FLIGHT)
    return from_verdict(verdict, kills, wrong, **{
        "kills survived": kills, "of them while running": running, "acknowledged records lost": verdict.figures["missing"],
        "duplicates per kill and sink": round(verdict.figures["duplicates"] / kills / 2, 2), "seconds per kill": round(seconds / kills, 2),
        "peak memory, MB": round(subject.peak_mb)})
