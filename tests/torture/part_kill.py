"""kill -9 at random times, over one state folder, under traffic from all sources, while a receiver comes and goes. Every second kill
is that of a run with a sealed store and sealed withheld records."""
import random
import time

from outcome import from_verdicts, part, summed
from subject import Subject, new_folder

DURING_START = 0.25     # share of kills before the process says that it is running
START_SECONDS = 0.15    # within which these fall
RUN_SECONDS = 0.7       # after the first delivery of this life, within which the others fall
EVENTS_SHARE = 0.15     # of lives that wait for what Kafka has; it takes a second until the group forgets its dead member
SCRAPE_SHARE = 0.2
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
        if subject.topic and chance.random() < EVENTS_SHARE:
            assert subject.wait_for_events(), "nothing comes from Kafka"
        time.sleep(chance.uniform(0, RUN_SECONDS))
        if chance.random() < SCRAPE_SHARE:
            subject.scrape()
    running = subject.is_running()
    assert subject.process.poll() is None, f"ended by itself: {subject.last_words()}"
    subject.kill()
    return running


def lives(context, name, kills, sealed):
    """So many lives over one store: (subject, verdict, how many were killed while running, what went wrong)."""
    chance = random.Random(f"{context.seed} {name}")
    subject = Subject(new_folder(context.folder / name, "run"), context.seed, kafka=context.kafka(), sealed=sealed)
    subject.begin_traffic()
    running = sum(one_life(subject, chance) for _ in range(kills))
    wrong = subject.settle()
    return subject, subject.verdict(whole=False, duplicates_allowed=2 * kills * IN_FLIGHT), running, wrong


@part("kill")
def run(context):
    """Nothing accepted is lost, whatever the moment; what comes twice has the same event id."""
    kills, began = context.amount(30, 2000), time.monotonic()
    halves = [lives(context, name, kills // 2, name == "sealed") for name in ("open", "sealed")]
    verdicts = [verdict for _, verdict, _, _ in halves]
    sums = summed(verdicts)
    return from_verdicts(verdicts, kills, [wrong for _, _, _, wrong in halves], **{
        "kills survived": kills, "of them while running": sum(running for _, _, running, _ in halves),
        "sources": "files, HTTP" + (", Kafka" if halves[0][0].topic else "; no Kafka broker here"),
        "of them accepted from Kafka": sum(subject.journal.owed_from("kafka") for subject, *_ in halves),
        "acknowledged records lost": sums["missing"], "duplicates per kill and sink": round(sums["duplicates"] / kills / 2, 2),
        "seconds per kill, judgement included": round((time.monotonic() - began) / kills, 2),
        "peak memory, MB": round(max(subject.peak_mb for subject, *_ in halves))})
