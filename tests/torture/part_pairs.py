"""Each pair of crash points, in two lives one after the other: what the first kill left behind is what the second life starts from.

The lives form a tour: each dies at the second point of one pair, which is the first of the next, so that n points take n * n lives and not
twice as many. Several tours run at once, each over a store of its own, since a life mostly waits. Against a kill, which takes nothing
from the page cache, a disk and memory are the same: `--folder` below /dev/shm saves the syncs."""
import collections
import concurrent.futures
import random
import shutil

from outcome import from_verdicts, part, summed
from part_points import die_at, names_of_points
from subject import Subject, new_folder

AT_ONCE = 4
ROTATE = "32K"          # of the output, so that its points come by soon
TRIES = 3               # until it is said that a point does not come by
BOTH, NO_FIRST, NO_SECOND = "died at both", "the first does not come by", "the second does not come by after the first"
IN_FLIGHT = 4000        # records in memory, whose positions are not written yet: so many may come twice at each sink


def tour(points):
    """The pairs in an order in which each begins with what the one before it ended with: the words of one and two letters that are not greater
    than their rotations, one after the other, are a de Bruijn sequence."""
    letters = [letter for n, first in enumerate(points) for letter in (first, *(x for other in points[n + 1:] for x in (first, other)))]
    pairs = list(zip(letters, letters[1:] + letters[:1]))
    assert len(set(pairs)) == len(points) ** 2
    return pairs


def piece(items, number, of):
    return items[len(items) * number // of:len(items) * (number + 1) // of]


class Walk:
    """Lives of one subject; `found` has what became of each pair."""

    def __init__(self, subject, chance):
        self.subject, self.chance, self.found, self.died_at, self.kills, self.lives = subject, chance, {}, None, 0, 0
        subject.begin_traffic(clients=1)

    def die(self, point):
        died = die_at(self.subject, point, 1, self.chance)
        self.lives, self.kills, self.died_at = self.lives + 1, self.kills + died, point if died else None
        return died

    def try_pair(self, first, second):
        if self.died_at != first and not self.die(first):
            self.found[first, second] = NO_FIRST
        else:
            self.found[first, second] = BOTH if self.die(second) else NO_SECOND

    def over(self, pairs):
        for _ in range(TRIES):
            for pair in pairs:
                self.try_pair(*pair)
            pairs = [pair for pair in pairs if self.found[pair] != BOTH]
        return self

    def end(self):
        """(what went wrong, verdict)"""
        self.subject.environment = {}
        wrong = self.subject.settle()
        return wrong, self.subject.verdict(whole=False, duplicates_allowed=2 * self.lives * IN_FLIGHT,
                                           audit_key=self.subject.keys / "audit.key")


def walk(folder, seed, pairs):
    subject = Subject(new_folder(folder, "run"), seed, rotate=ROTATE, sealed=True)
    try:
        steps = Walk(subject, random.Random(seed)).over(pairs)
        return steps, *steps.end()
    finally:
        subject.traffic.end()
        if subject.process.poll() is None:
            subject.kill()


def walk_while_made(folder, seed, pair):
    """Over a new store, for points that come by only while it is made."""
    for number in range(TRIES):
        inner = new_folder(folder, f"{'-'.join(pair)}-{number}")
        subject = Subject(new_folder(inner, "run"), seed, rotate=ROTATE, sealed=True)
        steps = Walk(subject, random.Random(f"{seed} {number}"))
        steps.try_pair(*pair)
        done = steps, *steps.end()
        if done[1] or done[2].red:
            break
        shutil.rmtree(inner)
        if steps.found[pair] == BOTH:
            break
    return done


def names(folder, context):
    """The points that there are, and those of them that come by only while the store is made."""
    subject = Subject(new_folder(folder, "run"), context.seed, rotate=ROTATE, sealed=True)
    subject.begin_traffic(clients=1)
    points, made = names_of_points(subject, context)
    subject.settle()
    subject.verdict(whole=False)
    return points, made


@part("pairs")
def run(context):
    """A shard of the pairs at a time, the same for the same points."""
    points, made = names(new_folder(context.folder, "names"), context)
    number, of = context.shard
    later = tour([point for point in points if point not in made])
    early = [(first, second) for first in points for second in points if {first, second} & made]
    share = [pairs[:context.amount(2, len(pairs))] for pairs in (piece(later, number - 1, of), piece(early, number - 1, of))]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        walks = [pool.submit(walk, new_folder(context.folder, f"tour-{n}"), context.seed + n, piece(share[0], n, AT_ONCE)) for n in range(AT_ONCE)]
        walks += [pool.submit(walk_while_made, new_folder(context.folder, f"made-{n}"), context.seed + n, pair) for n, pair in enumerate(share[1])]
    broken = [repr(done.exception()) for done in walks if done.exception()]
    steps, wrongs, verdicts = zip(*(done.result() for done in walks if not done.exception()))
    found = {pair: what for step in steps for pair, what in step.found.items()}
    counts, kills, sums = collections.Counter(found.values()), sum(step.kills for step in steps), summed(verdicts)
    return from_verdicts(verdicts, kills, [*wrongs, *broken], **{
        "pairs tried": f"{len(found)} of {len(later) + len(early)}, shard {number} of {of}", "lives": sum(step.lives for step in steps),
        **{what: counts[what] for what in (BOTH, NO_FIRST, NO_SECOND)},
        "pairs whose second point does not come by": ", ".join(sorted(f"{a} {b}" for (a, b), what in found.items() if what == NO_SECOND)) or "none",
        "pairs whose first point does not come by": ", ".join(sorted(f"{a} {b}" for (a, b), what in found.items() if what == NO_FIRST)) or "none",
        "acknowledged records lost": sums["missing"], "duplicates per crash and sink": round(sums["duplicates"] / max(1, kills) / 2, 2)})
