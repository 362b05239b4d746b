"""The real logrotate at work on logs that lethe reads, while lethe runs, is killed and started again. LETHE_LONG=1: a million records."""
import random
import time

import pytest

from conftest import LONG, PATIENCE, wait_for
from streaming import Run, records, recount

CONFIG = """sources:
  - {{name: logs, type: file, paths: ["{folder}/logs/{pattern}"], poll: 20ms, rotate_wait: 1s}}
store: {folder}/state
sinks:
  - {{name: out, type: file, path: "{folder}/out.jsonl", metadata: true, sync: never}}
"""

RECORDS = 1_000_000 if LONG else 3000
ROUNDS = 120 if LONG else 12

WAYS = {
    "create": ("app.log", ["create"]),
    "create-compress": ("app.log", ["create", "compress"]),
    "create-delaycompress": ("app.log", ["create", "compress", "delaycompress"]),
    "dateext": ("app.log", ["create", "dateext", "dateformat -%Y%m%d-%s"]),
    "dateext-extension": ("app.log", ["create", "dateext", "dateformat -%Y%m%d-%s", "extension .log", "compress", "delaycompress"]),
    "copytruncate": ("app.log", ["copytruncate"]),
    "copytruncate-pattern-has-copies": ("app*", ["copytruncate"]),
    "copytruncate-compress": ("app.log", ["copytruncate", "compress"]),
    "copytruncate-delaycompress-pattern-has-copies": ("app*", ["copytruncate", "compress", "delaycompress"]),
}


class Story:
    """A writer, logrotate and a run that is killed, in random order, one after another."""

    def __init__(self, folder, way, seed):
        pattern, directives = WAYS[way]
        (folder / "logs").mkdir()
        (folder / "logs").chmod(0o755)
        self.folder, self.directives = folder, [*directives, "rotate 1000"]
        self.run = Run(folder, CONFIG.format(folder=folder, pattern=pattern))
        self.log = folder / "logs/app.log"
        self.choose = random.Random(seed)
        self.written = 0
        self.counts = dict.fromkeys(("rotated", "rotated while away", "killed", "stopped"), 0)
        self.rotated_at = 0

    def write(self, count):
        """Appends to what bears the name now, as a writer that was told to open its log again."""
        with open(self.log, "a", encoding="utf-8") as file:
            for n in range(self.written, self.written + count):
                file.write(f"record {n} {'x' * (n % 50)}\n")
        self.written += count

    def rotate(self, logrotate, away=False):
        if "dateformat -%Y%m%d-%s" in self.directives:   # one name for each second, of a clock that is some milliseconds behind
            wait_for(lambda: time.time() > self.rotated_at + 1.05)
        logrotate(self.log, *self.directives)
        self.rotated_at = int(time.time())
        self.counts["rotated while away" if away else "rotated"] += 1

    def begin(self):
        """The log is met before it is cut or packed for the first time."""
        self.run.start()
        self.write(10)
        wait_for(lambda: len(records(self.folder / "out.jsonl")) == 10)

    def end_run(self, kill):
        if kill:
            self.run.kill()
        else:
            assert self.run.stop() == 0
        self.counts["killed" if kill else "stopped"] += 1

    def round(self, logrotate, number):
        each = (RECORDS - self.written) // (ROUNDS - number)
        first = self.choose.randrange(each)
        self.write(first)
        what = ("rotate", "kill", "rotate", "stop")[number % 4] if number < 8 else self.choose.choice(("rotate", "rotate", "rotate", "kill", "stop"))
        if what == "rotate":
            self.rotate(logrotate)
        else:
            self.end_run(kill=what == "kill")
            for _ in range(self.choose.randrange(1, 3)):
                part = self.choose.randrange(max(1, (each - first) // 3))
                self.write(part)
                first += part
                self.rotate(logrotate, away=True)
            self.run.start()
        self.write(each - first)

    def expected(self):
        return [f"record {n} {'x' * (n % 50)}" for n in range(self.written)]

    def finish(self):
        wait_for(lambda: len({r["message"] for r in records(self.folder / "out.jsonl")}) >= self.written, 600 if LONG else PATIENCE)
        assert self.run.stop() == 0
        return recount(self.folder / "out.jsonl", self.expected())


@pytest.mark.parametrize("way", WAYS)
def test_no_record_is_missing_whatever_logrotate_does(tmp_path, logrotate, way):
    story = Story(tmp_path, way, seed=1)
    try:
        story.begin()
        for number in range(ROUNDS):
            story.round(logrotate, number)
        missing, twice, other_ids, unknown = story.finish()
    finally:
        story.run.__exit__()
    copies = sum(len(ids) - 1 for ids in twice.values())
    print(f"{way}: {story.written} records, {story.counts}, missing {len(missing)}, twice {copies}, of those with another id {len(other_ids)}")
    assert (missing, unknown) == ([], [])
    if not {"compress", "copytruncate"} & set(story.directives):   # a file that became another before it was kept for the first time has other ids
        assert other_ids == []
    assert all(story.counts.values())
