"""Named crash points: the process is killed right before and right after every kind of change it makes, alone and in pairs."""
import itertools
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
    subject.web.mode = chance.choice(["up", "busy"])
    subject.environment = preload(FAULTY_POINT=f"{point}:{hit}")
    subject.spawn()
    if not wait_until(lambda: (subject.process.poll() is not None, None), COMES_SECONDS):
        subject.stop()
    assert subject.process.returncode in (0, -9), f"{point}: {subject.last_words()}"
    return subject.process.returncode == -9


def begin(context, **more):
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed, rotate=ROTATE, **more)
    subject.begin_traffic(clients=1)
    return subject, *names_of_points(subject, context), random.Random(context.seed)


def end(subject, kills, lives, figures):
    subject.environment = {}
    wrong = subject.settle()
    verdict = subject.verdict(whole=False, duplicates_allowed=lives * DUPLICATES_EACH)
    return from_verdict(verdict, kills, wrong, **figures, **{
        "acknowledged records lost": verdict.figures["missing"],
        "duplicates per crash and sink": round(verdict.figures["duplicates"] / max(1, kills) / 2, 2)})


def die_while_made(context, points, chance):
    """One point after the other from the very first life on, in which the store is made. True: all came by, and the last life was
    sound."""
    folder = new_folder(context.folder, "made-" + "-".join(points))
    subject = Subject(new_folder(folder, "run"), context.seed)
    subject.write_lines(10)
    died = all([die_at(subject, point, 1, chance) for point in points])
    subject.environment = {}
    wrong = subject.settle()
    verdict = subject.verdict(whole=False, duplicates_allowed=2 * len(points) * len(subject.journal.issued))
    assert not wrong and not verdict.red, f"{points} while the store is made: {wrong} {verdict.details}"
    shutil.rmtree(folder)
    return died


@part("points")
def run(context):
    """Each point at its first hit, its second, and a later one. Those that are met only while the store is made, in new ones."""
    subject, points, _, chance = begin(context, kafka=context.kafka() if context.scale > 0 else None, sealed=True)
    lives = [(point, hit) for point in points for hit in (1, 2, chance.randint(3, LATER))]
    chance.shuffle(lives)
    lives = lives[:context.amount(5, len(lives))]
    died = [life for life in lives if die_at(subject, *life, chance)]
    tried, reached = ({point for point, _ in those} for those in (lives, died))
    made = [point for point in sorted(tried - reached) if context.scale > 0 and die_while_made(context, [point], chance)]
    died, reached = died + [(point, 1) for point in made], reached | set(made)
    return end(subject, len(died), len(lives), {
        "crash points found": len(points), "died at a point": f"{len(died)} of {len(lives)}",
        "points reached": f"{len(reached)} of {len(tried)}", "points not reached": " ".join(sorted(tried - reached)) or "none"})


def die_twice(context, subject, made, pair, chance):
    if made.intersection(pair):
        return die_while_made(context, pair, chance)
    return all([die_at(subject, point, 1, chance) for point in pair])


@part("pairs")
def run_pairs(context):
    """Each pair of points, in two lives one after the other; a shard of them at a time, the same for the same points."""
    subject, points, made, chance = begin(context)
    every = list(itertools.product(points, points))
    random.Random(len(every)).shuffle(every)
    number, of = context.shard
    pairs = every[number - 1::of]
    pairs = pairs[:context.amount(2, len(pairs))]
    both = sum(die_twice(context, subject, made, pair, chance) for pair in pairs)
    return end(subject, 2 * both, 2 * len(pairs), {
        "pairs tried": f"{len(pairs)} of {len(every)}, shard {number} of {of}", "died at both of a pair": both})
