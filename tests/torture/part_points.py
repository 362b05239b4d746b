"""Named crash points: the process is killed right before and right after every kind of change it makes, alone and in pairs."""
import itertools
import random
import time

from faults import preload
from outcome import from_verdict, part
from subject import Subject, new_folder, wait_until

LATER = 12            # hits
COMES_SECONDS = 2     # a point that did not come by until then may come when the run is stopped
DUPLICATES_EACH = 2000


def names_of_points(subject, context):
    """One sound life that writes down what comes by: the points that there are."""
    path = context.folder / "names"
    subject.environment = preload(FAULTY_NAMES=str(path))
    subject.start_and_flow()
    for mode in ("busy", "up"):   # blocks go into the spool and leave it
        subject.web.mode = mode
        time.sleep(1.5)
    subject.stop()
    return sorted(set(path.read_text().split()))


def die_at(subject, point, hit, chance):
    """One life that ends at the point, perhaps while it is being stopped. False: it did not come by."""
    subject.web.mode = chance.choice(["up", "busy"])
    subject.environment = preload(FAULTY_POINT=f"{point}:{hit}")
    subject.spawn()
    if not wait_until(lambda: (subject.process.poll() is not None, None), COMES_SECONDS):
        subject.stop()
    assert subject.process.returncode in (0, -9), f"{point}: {subject.last_words()}"
    return subject.process.returncode == -9


def begin(context):
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed)
    subject.begin_traffic(clients=1)
    return subject, names_of_points(subject, context), random.Random(context.seed)


def end(subject, kills, lives, figures):
    subject.environment = {}
    wrong = subject.settle()
    verdict = subject.verdict(whole=False, duplicates_allowed=lives * DUPLICATES_EACH)
    return from_verdict(verdict, kills, wrong, **figures, **{
        "acknowledged records lost": verdict.figures["missing"],
        "duplicates per crash and sink": round(verdict.figures["duplicates"] / max(1, kills) / 2, 2)})


def die_while_made(context, point, chance):
    """The point in the very first life, in which the store is made. True: it came by, and the next life was sound."""
    subject = Subject(new_folder(context.folder, f"first-{point}"), context.seed, beside=context.folder / f"beside-{point}")
    subject.write_lines(10)
    died = die_at(subject, point, 1, chance)
    subject.environment = {}
    wrong = subject.settle()
    verdict = subject.verdict(whole=False, duplicates_allowed=len(subject.journal.issued))
    assert not wrong and not verdict.red, f"{point} while the store is made: {wrong} {verdict.details}"
    return died


@part("points")
def run(context):
    """Each point at its first hit, its second, and a later one. Those that are met only while the store is made, in new ones."""
    subject, points, chance = begin(context)
    lives = [(point, hit) for point in points for hit in (1, 2, chance.randint(3, LATER))]
    chance.shuffle(lives)
    lives = lives[:context.amount(5, len(lives))]
    died = [life for life in lives if die_at(subject, *life, chance)]
    tried, reached = ({point for point, _ in those} for those in (lives, died))
    made = [point for point in sorted(tried - reached) if context.scale > 0 and die_while_made(context, point, chance)]
    died, reached = died + [(point, 1) for point in made], reached | set(made)
    return end(subject, len(died), len(lives), {
        "crash points found": len(points), "died at a point": f"{len(died)} of {len(lives)}",
        "points reached": f"{len(reached)} of {len(tried)}", "points not reached": " ".join(sorted(tried - reached)) or "none"})


@part("pairs")
def run_pairs(context):
    """Each pair of points, in two lives one after the other."""
    subject, points, chance = begin(context)
    pairs = list(itertools.product(points, points))
    chance.shuffle(pairs)
    pairs = pairs[:context.amount(2, len(pairs))]
    both = sum(all([die_at(subject, point, 1, chance) for point in pair]) for pair in pairs)
    return end(subject, 2 * both, 2 * len(pairs), {"died at both of a pair": f"{both} of {len(pairs)}"})
