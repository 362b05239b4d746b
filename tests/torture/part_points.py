"""Named crash points: the process is killed right before and right after every kind of change it makes."""
import random
import shutil
import time

from faults import preload
from outcome import from_verdict, part
from subject import Subject, new_folder, wait_until

LATER = 12            # hits
COMES_SECONDS = 3     # a point that did not come by until then may come when the run is stopped
SOUND_SECONDS = 3     # of a life in which blocks go into the spool and leave it
ROTATE = "256K"       # of the output, so that renaming comes by
DUPLICATES_EACH = 2000


def names_in_a_life(subject, path):
    """A sound life that writes down what comes by."""
    path.touch()
    subject.environment = preload(FAULTY_NAMES=str(path))
    subject.start_and_flow()
    for mode in ("busy", "up"):
        subject.web.mode = mode
        time.sleep(SOUND_SECONDS / 2)
    subject.kill()
    return set(path.read_text().split())


def names_of_points(subject, context):
    """The points that there are, and those of them that come by only while the store is made."""
    lives = [names_in_a_life(subject, context.folder / f"names-{number}") for number in range(3 if context.scale > 0 else 1)]
    if len(lives) == 1:
        return sorted(lives[0]), set()
    subject.environment = preload(FAULTY_NAMES=str(context.folder / "names-at-end"))
    subject.start_and_flow()
    subject.stop()
    at_end = set((context.folder / "names-at-end").read_text().split())
    return sorted(set().union(*lives, at_end)), lives[0] - set().union(*lives[1:], at_end)


def die_at(subject, point, hit, chance):
    """One life that ends at the point, perhaps while it is being stopped. False: it did not come by."""
    modes = ["up", "busy"]
    chance.shuffle(modes)
    subject.web.mode = modes[0]
    subject.environment = preload(FAULTY_POINT=f"{point}:{hit}")
    subject.spawn()
    for mode in modes:   # what goes into the spool leaves it in the same life, or the other way around
        subject.web.mode = mode
        if wait_until(lambda: (subject.process.poll() is not None, None), COMES_SECONDS / 2):
            break
    else:
        subject.stop()
    assert subject.process.returncode in (0, -9), f"{point}: {subject.last_words()}"
    return subject.process.returncode == -9


def die_while_made(context, point, chance):
    """At the point in the very first life, in which the store is made. True: it came by, and the next life was sound."""
    folder = new_folder(context.folder, f"made-{point}")
    subject = Subject(new_folder(folder, "run"), context.seed)
    subject.write_lines(10)
    died = die_at(subject, point, 1, chance)
    subject.environment = {}
    wrong = subject.settle()
    verdict = subject.verdict(whole=False, duplicates_allowed=2 * len(subject.journal.issued))
    assert not wrong and not verdict.red, f"{point} while the store is made: {wrong} {verdict.details}"
    shutil.rmtree(folder)
    return died


@part("points")
def run(context):
    """Each point at its first hit, its second, and a later one. Those that are met only while the store is made, in new ones."""
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed, rotate=ROTATE,
                      kafka=context.kafka() if context.scale > 0 else None, sealed=True)
    subject.begin_traffic(clients=1)
    points, chance = names_of_points(subject, context)[0], random.Random(context.seed)
    lives = [(point, hit) for point in points for hit in (1, 2, chance.randint(3, LATER))]
    chance.shuffle(lives)
    lives = lives[:context.amount(5, len(lives))]
    died = [life for life in lives if die_at(subject, *life, chance)]
    tried, reached = ({point for point, _ in those} for those in (lives, died))
    made = [point for point in sorted(tried - reached) if context.scale > 0 and die_while_made(context, point, chance)]
    died, reached = died + [(point, 1) for point in made], reached | set(made)
    subject.environment = {}
    wrong = subject.settle()
    verdict = subject.verdict(whole=False, duplicates_allowed=len(lives) * DUPLICATES_EACH)
    return from_verdict(verdict, len(died), wrong, **{
        "crash points found": len(points), "died at a point": f"{len(died)} of {len(lives)}",
        "points reached": f"{len(reached)} of {len(tried)}", "points not reached": " ".join(sorted(tried - reached)) or "none",
        "acknowledged records lost": verdict.figures["missing"],
        "duplicates per crash and sink": round(verdict.figures["duplicates"] / max(1, len(died)) / 2, 2)})
