"""The tests again, where a fault of memory or between threads cannot hide: every request for memory refused, valgrind, and the
sanitizers."""
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from judge import ROOT
from outcome import LeftOut, Outcome, part

HOURS = 3600
THREADS = f"second_deadlock_stack=1 suppressions={ROOT}/tests/tsan/suppressions"
# Minutes of nothing but waiting or of one loop: a tool that makes them fifty times slower finds nothing more there.
SLOW = {"test_store_damage", "test_source_file_model", "test_source_blob", "test_seal", "test_under_fire", "test_allocation", "test_sandbox"}
WITH_BROKERS = {"test_kafka_source", "test_kafka_sink", "test_kafka_transactions", "test_kafka_feed"}   # those of several threads each
WITH_LIMITS = {"test_http_crowds"}   # of open files, which valgrind takes care of itself


def built(preset, *targets):
    """The folder of a preset's build with these targets, or with all."""
    subprocess.run(["cmake", "--preset", preset], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", "--preset", preset, *(["--target", *targets] if targets else [])], cwd=ROOT, check=True, capture_output=True)
    return ROOT / "build" / preset / "tests"


def programs(folder, left_out):
    return sorted(path for path in folder.glob("test_*") if os.access(path, os.X_OK) and path.is_file() and path.name not in left_out)


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


def chosen(folder, context, left_out):
    """A sample has a few of them."""
    found = programs(folder, left_out)
    return found[::max(1, len(found) // context.amount(4, len(found)))]


@part("allocation")
def allocation(context):
    environment = {**os.environ, "LETHE_LONG": "1" if context.scale > 0 else "0"}
    program = built("release", "test_allocation") / "test_allocation"
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=4 * HOURS, check=False, env=environment)
    scenes = re.findall(r"(\d+) requests on \d+ new ways, (\d+) refusals: (\d+) made no difference, (\d+) told, (\d+) stopped, (\d+) passed on", done.stdout + done.stderr)
    sums = [sum(int(scene[i]) for scene in scenes) for i in range(6)] if scenes else [0] * 6
    figures = dict(zip(("requests for memory", "of them refused, alone or with all later", "made no difference", "told", "ended the process",
                        "records passed on unexamined"), sums))
    told = [line for line in (done.stdout + done.stderr).splitlines() if re.search(r"FAILED|ERROR", line)]
    return Outcome(sums[1], figures, [] if done.returncode == 0 else ["; ".join(told[:6])])


@part("valgrind")
def valgrind(context):
    if shutil.which("valgrind") is None:
        raise LeftOut("no valgrind")
    tool = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite", "--track-fds=no",
            "--max-stackframe=16777216", f"--suppressions={ROOT}/tests/valgrind/suppressions"]
    return tried((program.name, [*tool, program]) for program in chosen(built("release"), context, SLOW | WITH_BROKERS | WITH_LIMITS))


@part("threads")
def threads(context):
    environment = {**os.environ, "TSAN_OPTIONS": f"halt_on_error=1 {THREADS}"}
    return tried(((program.name, [program]) for program in chosen(built("tsan"), context, SLOW)), environment)


REPORT = re.compile(rb"(?:WARNING|ERROR): \w+Sanitizer: .*|runtime error: .*")
SANITIZERS = {"tsan": "thread", "asan": "address,undefined"}
SAMPLE = "samples or container"
SIDE_BY_SIDE = ["-n", "2", "--dist", "worksteal"]


def reports_below(folder):
    """What sanitizers said in the logs of programs, each kind once; a test may not have looked."""
    files = [path for path in folder.rglob("*.log") if path.is_file()]
    return sorted({match.decode(errors="replace")[:160] for path in files for match in REPORT.findall(path.read_bytes())})


def suite(preset, context):
    """All scenarios with the program of that build: (figure, what is red, how many ran)."""
    binary = built(preset, "lethe", "leakscan").parent / "lethe"
    results, files = context.folder / f"{preset}.xml", context.folder / f"{preset}-files"
    has_xdist = subprocess.run([sys.executable, "-c", "import xdist"], capture_output=True, check=False).returncode == 0
    environment = {**os.environ, "LETHE_BINARY": str(binary), "LETHE_SANITIZE": SANITIZERS[preset], "PYTHONDONTWRITEBYTECODE": "1",
                   "TSAN_OPTIONS": THREADS}
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(SIDE_BY_SIDE if has_xdist else []),
                    *([] if context.scale > 0 else ["-k", SAMPLE]), f"--junitxml={results}", f"--basetemp={files}", "tests/scenario"],
                   cwd=ROOT, env=environment, capture_output=True, timeout=4 * HOURS, check=False)
    cases = list(ElementTree.parse(results).iter("testcase"))
    failed = [case.get("name") for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    ran, reports = len(cases) - skipped, reports_below(files)
    figure = f"{ran - len(failed)} of {ran} scenarios passed, {skipped} left out, {len(reports)} reports"
    return figure, [f"{preset}: {what}" for what in failed + reports], ran


@part("sanitizers")
def sanitizers(context):
    """The scenarios with ThreadSanitizer, and with AddressSanitizer and UndefinedBehaviorSanitizer."""
    figures, red, total = {}, [], 0
    for preset, name in SANITIZERS.items():
        figures[name], wrong, ran = suite(preset, context)
        red, total = red + wrong, total + ran
    return Outcome(total, figures, red)
