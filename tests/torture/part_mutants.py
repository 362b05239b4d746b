"""Do the tests notice? Every rule of the catalogue is switched off once, and the code that decides what becomes of a record is changed at one
place after the other. A test must go red each time; what none notices is listed.

The programs of unit tests are linked once, with that code in a shared library. A changed file is a copy in the part's folder that is
compiled alone, without optimising, into a library that is preloaded: neither the sources nor the build are touched, and nothing is linked
again. A program is asked where it runs through the changed line, and ends at the first assertion that fails."""
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import shlex
import shutil
import subprocess
import threading

from changes import changes_of, deciding
from judge import ROOT
from outcome import Outcome, part
from part_units import built

LEAST_SHARE = 0.9     # of the changed places that tests must notice
WAIT_SECONDS = 300    # where a program waits for what does not come
LEAST_CPU = 3         # seconds of CPU time that any program may take, or LONGER times what it takes without a change
LONGER = 4
SHOWN = 12            # of what nobody noticed

# What is asked about each file.
EVERYWHERE = ["test_verdicts", "test_redaction", "test_laws", "test_planted", "test_hostile", "test_balance"]
PROGRAMS = {
    "redaction/gate.c": ["test_gate", "test_stream_worker"],
    "redaction/plan_set.c": ["test_plan_set", "test_policies"],
    "collector/policies.c": ["test_policies"],
    "collector/stream_worker.c": ["test_stream_worker"],
}
OTHERWISE = [*EVERYWHERE, "test_plan_set"]
WITHOUT_MEMORY = "test_allocation"   # replaces calls when it is linked; so it is linked anew for what no other notices
SCENES = {"redaction/plan_set.c": "policies of a run", "collector/policies.c": "policies of a run", "collector/stream_worker.c": "batch"}
OTHER_SCENES = "redaction"


def workers():
    """As many as there are cores for this process (taskset)."""
    return len(os.sched_getaffinity(0))


def cpu_seconds():
    """Of all that was started and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Bench:
    """How the build compiles files and links programs, so that another object stands in for one of a file."""

    def __init__(self, folder):
        self.folder = folder
        self.names = sorted({program for some in (*PROGRAMS.values(), OTHERWISE) for program in some})
        self.build = built("release", *self.names, WITHOUT_MEMORY, "first_failure").parent
        database = subprocess.run(["ninja", "-C", self.build, "-t", "compdb"], capture_output=True, text=True, check=True).stdout
        self.commands = {os.path.relpath(entry["file"], ROOT): shlex.split(entry["command"]) for entry in json.loads(database) if entry["file"].endswith(".c")}
        self.files = deciding()
        self.lock = threading.Lock()
        self.passed = {}   # file -> whether WITHOUT_MEMORY passes without a change
        self.asked, self.noticed = collections.Counter(), collections.Counter()   # of (file, program)
        self.original = {name: self.compiled(name, ROOT / name, folder, "-O2") for name in self.files}
        self.link_programs()
        self.seconds = {name: self.measured(name) for name in self.names}
        self.reach = self.reached()

    def compiled(self, name, source, into, *flags):
        """Compiles a text as the build compiles a file; None if that is no program."""
        words = self.commands[name]
        kept = [word for at, word in enumerate(words) if word not in ("-Werror", "-MD", "-MF", "-MT", "-o", "-c", "ccache", "-g", "-O3")
                and words[at - 1] not in ("-MF", "-MT", "-o", "-c") and not word.endswith("/ccache")]
        target = into / (os.path.basename(name) + "".join(flags) + ".o")
        copy = into / os.path.basename(name)
        if source != copy:
            shutil.copy(source, copy)
        done = subprocess.run([*kept, "-w", "-fPIC", *flags, f"-ffile-prefix-map={into}=.", "-o", target, "-c", copy], cwd=self.build,
                              capture_output=True, check=False)
        return target if done.returncode == 0 else None

    def link(self, name, before, target):
        told = subprocess.run(["ninja", "-C", self.build, "-t", "commands", f"tests/{name}"], capture_output=True, text=True, check=True).stdout
        last = told.strip().splitlines()[-1]
        words = shlex.split(last[last.index(": && ") + 5:last.rindex(" && :")])
        at = words.index("-o")
        subprocess.run([*words[:at], *map(str, before), "-o", target, *words[at + 2:]], cwd=self.build, check=True, capture_output=True)

    def link_programs(self):
        self.shared(self.original.values(), self.folder / "deciding.so")
        for name in self.names:
            self.link(name, [self.folder / "deciding.so", f"-Wl,-rpath,{self.folder}"], self.folder / name)

    @staticmethod
    def shared(objects, target, *flags):
        subprocess.run(["cc", "-shared", *flags, "-o", target, *objects], check=True, capture_output=True)
        return target

    def run(self, program, preloaded, into, cpu, address_space=8 << 30, **environment):
        """Whether a program of tests passes, with so many seconds of CPU time for each process."""
        bounds = ["prlimit", f"--cpu={cpu}", f"--as={address_space}", "--core=0"]
        preload = " ".join(map(str, [self.build / "tests/torture/libfirst_failure.so", *preloaded]))
        try:
            return subprocess.run([*bounds, "env", f"LD_PRELOAD={preload}", program], cwd=into, capture_output=True, timeout=WAIT_SECONDS, check=False,
                                  env={**os.environ, **environment}).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def measured(self, name):
        """Seconds of CPU time that a program takes without a change; it passes."""
        before = cpu_seconds()
        if not self.run(self.folder / name, [], self.folder, 600):
            raise AssertionError(f"{name} is red without a change")
        return cpu_seconds() - before

    def reached(self):
        """(file, line) -> programs that run through it."""
        found, into = collections.defaultdict(set), self.folder / "reach"
        into.mkdir()
        counting = [self.compiled(name, ROOT / name, into, "-O0", "--coverage") for name in self.files]
        library = self.shared(counting, into / "counting.so", "--coverage")
        for program in self.names:
            kept = into / program
            self.run(self.folder / program, [library], into, 600, GCOV_PREFIX=str(kept))
            for counts in kept.rglob("*.gcda"):
                notes = pathlib.Path("/") / counts.relative_to(kept).with_suffix(".gcno")
                shutil.copy(notes, counts.with_suffix(".gcno"))
                told = json.loads(subprocess.run(["gcov", "--json-format", "--stdout", counts], cwd=into, capture_output=True, check=True).stdout)
                for file in told["files"]:
                    name = next((name for name in self.files if file["file"].endswith("/" + os.path.basename(name))), None)
                    for line in file["lines"]:
                        if name is not None and line["count"] > 0:
                            found[name, line["line_number"] - 1].add(program)
        return found

    def asked_about(self, change):
        """The programs that may notice: what notices most in least time first. Those that do not come by the line are left out, unless none does."""
        listed = PROGRAMS.get(change.file, OTHERWISE)
        near = {program for line in range(change.line - 1, change.line + 2) for program in self.reach.get((change.file, line), ())}

        def worth(program):
            key = change.file, program
            return (self.noticed[key] + 1) / (self.asked[key] + 1) / self.seconds[program]
        return sorted([program for program in listed if program in near] or listed, key=worth, reverse=True)

    def tells(self, change, program, library, into):
        told = not self.run(self.folder / program, [library], into, round(max(LEAST_CPU, LONGER * self.seconds[program])))
        with self.lock:
            self.asked[change.file, program] += 1
            self.noticed[change.file, program] += told
        return told

    def leaks(self, program, library, into):
        """Whether a program leaves memory behind with the library, and not without it."""
        sanitizer = subprocess.run(["cc", "-print-file-name=liblsan.so"], capture_output=True, text=True, check=True).stdout.strip()
        if not os.path.isabs(sanitizer):
            return False   # there is none
        passes = [self.run(self.folder / program, [sanitizer, *preloaded], into, 60, "unlimited") for preloaded in ([], [library])]
        return passes == [True, False]

    def passes_without_memory(self, name, made, into):
        self.link(WITHOUT_MEMORY, [made], into / WITHOUT_MEMORY)
        return self.run(into / WITHOUT_MEMORY, [], into, 120, LETHE_SCENE=SCENES.get(name, OTHER_SCENES))

    def tells_without_memory(self, name, made, into):
        with self.lock:
            if name not in self.passed:
                self.passed[name] = self.passes_without_memory(name, self.original[name], self.folder)
        return self.passed[name] and not self.passes_without_memory(name, made, into)

    def try_one(self, change, into):
        """Which program noticed; "no program": it does not compile; "same program": the compiler sees no difference; "": nobody did."""
        lines = (ROOT / change.file).read_text().splitlines()
        lines[change.line] = change.text
        copy = into / os.path.basename(change.file)
        copy.write_text("\n".join(lines) + "\n")
        made = self.compiled(change.file, copy, into, "-O0")
        if made is None:
            return "no program"
        library = self.shared([made], into / "changed.so")
        programs = self.asked_about(change)
        if self.tells(change, programs[0], library, into):
            return programs[0]
        optimised = self.compiled(change.file, copy, into, "-O2")
        if optimised.read_bytes() == self.original[change.file].read_bytes():
            return "same program"
        for program in programs[1:]:
            if self.tells(change, program, library, into):
                return program
        if change.column < 0 and self.leaks(programs[0], library, into):   # a call dropped
            return "the leak sanitizer"
        return WITHOUT_MEMORY if self.tells_without_memory(change.file, optimised, into) else ""


class Verdicts:
    """What was found, a line for each change. With LETHE_VERDICTS=FILE it is kept there and taken up again, as long as the changed file is
    the same: what was noticed then is not asked again, what was not is."""

    def __init__(self, folder):
        self.path = pathlib.Path(os.environ.get("LETHE_VERDICTS", folder / "verdicts"))
        lines = map(json.loads, self.path.read_text().splitlines() if self.path.exists() else [])
        self.found = {line["change"]: line["by"] for line in lines}
        self.lock = threading.Lock()
        self.sums = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest()[:16] for name in deciding()}

    def key(self, change):
        return f"{self.sums[change.file]} {change.place()}"

    def add(self, change, by):
        with self.lock, self.path.open("a") as file:
            self.found[self.key(change)] = by
            file.write(json.dumps({"change": self.key(change), "by": by}) + "\n")

    def of(self, change):
        return self.found.get(self.key(change))


def tried(bench, verdicts, numbered):
    number, change = numbered
    if verdicts.of(change):
        return
    into = bench.folder / f"change-{number}"
    into.mkdir()
    verdicts.add(change, bench.try_one(change, into))
    shutil.rmtree(into)


def switched_off(context):
    """Rules that were switched off, all in one run since each is asked about its own examples only, and those of which no test told."""
    ids = [rule for path in sorted((ROOT / "redaction/rules").glob("*.yaml")) for rule in re.findall(r"^- id: (\S+)$", path.read_text(), re.M)]
    some = random.Random(context.seed).sample(ids, context.amount(4, len(ids)))
    done = subprocess.run([built("release", "test_rules") / "test_rules", *some], capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    told = set(re.findall(r": (\S+): example \d+: 0 found", done.stdout + done.stderr))
    return some, [rule for rule in some if rule not in told]


@part("mutants")
def mutants(context):
    bench, verdicts = Bench(context.folder), Verdicts(context.folder)
    rules, silent = switched_off(context)
    every = [change for name in bench.files for change in changes_of(name)]
    some = random.Random(context.seed).sample(every, min(len(every), context.amount(6, len(every))))
    before = cpu_seconds()
    with concurrent.futures.ThreadPoolExecutor(workers()) as pool:
        list(pool.map(lambda numbered: tried(bench, verdicts, numbered), enumerate(some)))
    seconds = cpu_seconds() - before
    found = [verdicts.of(change) for change in some]
    by = collections.Counter(found)
    missed = sorted(change.told() for change, noticed in zip(some, found) if noticed == "")
    ran = len(some) - by["no program"] - by["same program"]
    (context.folder / "unnoticed").write_text("".join(f"{line}\n" for line in missed))
    figures = {"rules switched off, noticed": f"{len(rules) - len(silent)} of {len(rules)}", "places changed, noticed": f"{ran - len(missed)} of {ran}",
               "not asked: no program, or the same one": f"{by['no program']}, {by['same program']}", "places there are": len(every),
               "seconds of CPU time for each": round(seconds / max(1, len(some)), 2)}
    red = [f"{rule} is off, and no test tells" for rule in silent]
    if ran - len(missed) < LEAST_SHARE * ran:
        red.append("too few changes were noticed: " + "; ".join(missed[:SHOWN]))
    return Outcome(len(rules) + ran, figures, red)
