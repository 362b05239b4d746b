"""The torture: runs parts of it, prints one table. See README.md.

    torture.py [--sample] [--scale SHARE] [--seed N] [--shard N/OF] [--folder FOLDER] [PART...]
"""
import argparse
import importlib
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time
import traceback

import judge
from outcome import PARTS, Context, LeftOut, Outcome

sys.path.insert(0, str(judge.ROOT / "tests/parts"))
from broker import Kafka   # noqa: E402
from certificates import Certificates   # noqa: E402
from running import Missing   # noqa: E402

for path in sorted(pathlib.Path(__file__).parent.glob("part_*.py")):
    importlib.import_module(path.stem)


class Broker:
    """One for the whole run, started when it is first asked for; None where it is not installed."""

    def __init__(self, folder):
        self.folder, self.kafka, self.reason, self.tries = pathlib.Path(folder), None, "", 0

    def __call__(self):
        if self.kafka is None and not self.reason:
            self.tries += 1   # a busy machine may need more than one
            try:
                kafka = Kafka(self.folder / f"kafka-{self.tries}", Certificates(self.folder / f"certificates-{self.tries}"))
                kafka.start()
                self.kafka = kafka
            except Missing as missing:
                self.reason = str(missing)
        return self.kafka

    def stop(self):
        if self.kafka is not None:
            self.kafka.stop()


def run_part(name, base, options, broker):
    """(verdict, outcome, seconds); the folder of a part that went wrong is kept."""
    folder = pathlib.Path(base) / name
    folder.mkdir(parents=True)
    began = time.monotonic()
    try:
        outcome = PARTS[name](Context(folder, 0 if options.sample else options.scale, options.seed, broker, options.shard))
        if outcome.faults == 0:
            outcome.red.append("nothing was injected")
        verdict = "FAILED" if outcome.red else "passed"
    except LeftOut as reason:
        verdict, outcome = "left out", Outcome(0, {}, [str(reason)])
    except Exception:   # a part's own fault is a failure of the run, and the other parts go on
        verdict, outcome = "FAILED", Outcome(0, {}, [traceback.format_exc()])
    if verdict != "FAILED" and not os.environ.get("KEEP"):
        shutil.rmtree(folder, ignore_errors=True)
    return verdict, outcome, time.monotonic() - began


def show(name, verdict, outcome, seconds):
    print(f"{name:<12} {verdict:<8} {outcome.faults:>7} faults {seconds:>7.0f} s")
    for key, value in outcome.figures.items():
        print(f"    {key:<40} {value}")
    for line in outcome.red:
        print(f"    {'reason' if verdict == 'left out' else 'RED'}: {line}")
    sys.stdout.flush()


def show_table(done):
    """A line for each part that there is; its figures stand above."""
    print(f"\n== Table\n{'part':<14} {'outcome':<14} {'faults':>9} {'lost':>6} {'canaries':>8} {'seconds':>8}")
    for name in [*PARTS, *(done.keys() - PARTS.keys())]:
        if name not in done:
            print(f"{name:<14} not asked for")
            continue
        verdict, outcome, seconds = done[name]
        lost, canaries = outcome.figures.get("missing", "-"), outcome.figures.get("canary pieces", "-")
        print(f"{name:<14} {verdict:<14} {outcome.faults:>9} {lost:>6} {canaries:>8} {seconds:>8.0f}  {'; '.join(outcome.red)[:100]}".rstrip())


def shard(text):
    number, of = map(int, text.split("/"))
    if not 1 <= number <= of:
        raise argparse.ArgumentTypeError(f"not one of {of}")
    return number, of


def main():
    options = argparse.ArgumentParser(description="Faults of every kind, and a judge.")
    options.add_argument("--sample", action="store_true", help="a few of each kind instead of all")
    options.add_argument("--scale", type=float, default=1, help="share of the full size, 0 to 1")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31), help="of what is random")
    options.add_argument("--shard", type=shard, default=(1, 1), metavar="N/OF", help="a piece of the pairs: 3/8 is the third of eight")
    options.add_argument("--folder", help="where to work; default: a temporary one")
    options.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    chosen = options.parse_args()
    unknown = set(chosen.parts) - PARTS.keys()
    if unknown:
        options.error(f"no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    base = chosen.folder or tempfile.mkdtemp(prefix="lethe-torture-")
    scale = 0 if chosen.sample else chosen.scale
    print(f"seed {chosen.seed}, {scale * 100:g}% of the full size, in {base}")
    names = chosen.parts or list(PARTS)
    done, broker = {}, Broker(base)
    try:
        for name in names:
            done[name] = run_part(name, base, chosen, broker)
            show(name, *done[name])
    finally:
        broker.stop()
    if broker.reason and os.environ.get("CI"):
        done["kafka"] = "FAILED", Outcome(0, {}, [broker.reason]), 0
    show_table(done)
    failed = [name for name, (verdict, _, _) in done.items() if verdict == "FAILED"]
    print(f"\n{len(done) - len(failed)} parts done, {len(failed)} failed" + (f": {', '.join(failed)}" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
