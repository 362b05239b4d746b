"""The unit tests again, where a fault of memory or between threads cannot hide: every request for memory refused, valgrind, and
ThreadSanitizer."""
import os
import re
import shutil
import subprocess

from judge import ROOT
from outcome import LeftOut, Outcome, part

HOURS = 3600
# Minutes of nothing but waiting or of one loop: a tool that makes them fifty times slower finds nothing more there.
SLOW = {"test_store_damage", "test_source_file_model", "test_source_blob", "test_kafka_source", "test_kafka_sink", "test_kafka_transactions",
        "test_kafka_feed", "test_seal", "test_under_fire", "test_allocation", "test_sandbox"}


def built(preset, *targets):
    """The folder of a preset's build with these targets, or with all."""
    subprocess.run(["cmake", "--preset", preset], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", "--preset", preset, *(["--target", *targets] if targets else [])], cwd=ROOT, check=True, capture_output=True)
    return ROOT / "build" / preset / "tests"


def programs(folder):
    return sorted(path for path in folder.glob("test_*") if os.access(path, os.X_OK) and path.is_file() and path.name not in SLOW)


def tried(commands, environment=None):
    """An Outcome: how many programs ran, and which of them failed."""
    red, ran = [], 0
    for name, command in commands:
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=HOURS, check=False, env=environment)
        except subprocess.TimeoutExpired:
            red.append(f"{name}: not done within an hour")
            continue
        ran += 1
        if done.returncode != 0:
            told = [line for line in (done.stdout + done.stderr).splitlines() if re.search(r"==\d+==|WARNING: Thread|FAILED|ERROR", line)]
            red.append(f"{name}: " + "; ".join(told[:6]))
    return Outcome(ran, {"programs": f"{ran - len(red)} of {ran} clean"}, red)


def chosen(folder, context):
    """A sample has a few of them."""
    found = programs(folder)
    return found[::max(1, len(found) // context.amount(4, len(found)))]


@part("allocation")
def allocation(context):
    environment = {**os.environ, "LETHE_LONG": "1" if context.scale > 0 else "0"}
    program = built("release", "test_allocation") / "test_allocation"
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=HOURS, check=False, env=environment)
    scenes = re.findall(r"(\d+) requests, (\d+) refusals: (\d+) made no difference, (\d+) told, (\d+) stopped, (\d+) passed on", done.stdout + done.stderr)
    sums = [sum(int(scene[i]) for scene in scenes) for i in range(6)] if scenes else [0] * 6
    figures = dict(zip(("requests for memory", "of them refused, alone or with all later", "made no difference", "told", "ended the process",
                        "records passed on unexamined"), sums))
    return Outcome(sums[1], figures, [] if done.returncode == 0 else [done.stdout[-500:] + done.stderr[-500:]])


@part("valgrind")
def valgrind(context):
    if shutil.which("valgrind") is None:
        raise LeftOut("no valgrind")
    tool = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite", "--track-fds=no"]
    return tried((program.name, [*tool, program]) for program in chosen(built("release"), context))


@part("threads")
def threads(context):
    """librdkafka does not stand ThreadSanitizer: its tests are left out."""
    environment = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1 second_deadlock_stack=1"}
    return tried(((program.name, [program]) for program in chosen(built("tsan"), context)), environment)
