"""Do the tests notice? Every rule of the catalogue is switched off once, and the code that decides what becomes of a record is changed at one
place after the other. A test must go red each time; what none notices is listed.

A changed file is a copy in the part's folder; it is compiled alone and put before the libraries of the build, so that neither the
sources nor the build are touched."""
import concurrent.futures
import json
import os
import random
import re
import shlex
import subprocess

from judge import ROOT
from outcome import Outcome, part
from part_units import built

LEAST_SHARE = 0.9     # of the changed places that tests must notice
BOUNDED = ["prlimit", "--cpu=30", "--as=8589934592"]   # a program with a change in it; without one it takes 3 s of CPU time at most,
WAIT_SECONDS = 300    # and this long where it waits for what does not come
SHOWN = 12            # of what nobody noticed

# What is asked about each file, the likeliest first; the first program that goes red is enough.
EVERYWHERE = ["test_verdicts", "test_redaction", "test_laws", "test_planted"]
PROGRAMS = {
    "redaction/gate.c": ["test_gate"],
    "redaction/plan_set.c": ["test_plan_set", "test_policies"],
    "collector/policies.c": ["test_policies"],
    "collector/stream_worker.c": ["test_stream_worker"],
    "redaction/containers.c": ["test_verdicts", "test_redaction", "test_laws", "test_balance"],
}
OTHERWISE = [*EVERYWHERE, "test_plan_set", "test_balance", "test_hostile"]

# (what, by what); a statement that is a call alone is dropped besides.
CHANGES = [
    (r"==", "!="), (r"!=", "=="), (r"<=", "<"), (r">=", ">"), (r"(?<= )<(?= )", "<="), (r"(?<= )>(?= )", ">="),
    (r"&&", "||"), (r"\|\|", "&&"), (r"\breturn true;", "return false;"), (r"\breturn false;", "return true;"),
    (r"(?<== )true\b", "false"), (r"(?<== )false\b", "true"), (r"(?<=\bif \()(?=[^;]*\))", "!!!"), (r" \+ 1\b", ""), (r" - 1\b", ""),
    (r"\bcontinue;", "break;"), (r" \|= ", " = "), (r"\+=", "-="),
]
CALL = re.compile(r"^\s+(?:\(void\))?[a-z_]\w*\([^;]*\);\s*(?:/\*.*)?$")


def deciding():
    """The files that scripts/coverage calls deciding."""
    listed = re.search(r'^verdict="\n(.*?)^"', (ROOT / "scripts/coverage").read_text(), re.M | re.S)[1]
    return [line.split()[0] for line in listed.splitlines()]


def blanked(line):
    """The line without what stands in quotes and comments, as long as it was."""
    return re.sub(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])+\'|/\*.*?\*/|/\*.*$', lambda m: " " * len(m[0]), line)


def changes_of(name):
    """(file, line, new text of the line, what was done) for each place."""
    inside = comment = False
    for number, line in enumerate((ROOT / name).read_text().splitlines()):
        begins = line.startswith("/*") or line.lstrip().startswith("/* ")
        comment = comment or begins
        if comment:
            comment = "*/" not in line
            continue
        inside = line == "{" or (inside and line != "}")
        code = blanked(line)
        if not inside or code.lstrip().startswith(("CHECK(", "static const", "#")):
            continue
        for what, by in CHANGES:
            for match in re.finditer(what, code):
                new = line[:match.start()] + by + line[match.end():]
                if by == "!!!":
                    new = negated(line, code, match.start())
                yield name, number, new, f"{match[0] or 'condition'} -> {'not' if by == '!!!' else by or 'nothing'}"
        if CALL.match(code):
            yield name, number, "    ;", "call dropped"


def negated(line, code, at):
    """The condition that begins at `at`, negated."""
    depth, end = 1, at
    while depth > 0 and end < len(code):
        depth += (code[end] == "(") - (code[end] == ")")
        end += 1
    if depth > 0:   # goes on in the next line
        return line
    return f"{line[:at]}!({line[at:end - 1]}){line[end - 1:]}"


class Bench:
    """How the build compiles files and links programs, with another object before its libraries."""

    def __init__(self, folder):
        self.folder = folder
        names = sorted({program for some in (*PROGRAMS.values(), OTHERWISE) for program in some})
        self.build = built("release", *names).parent
        database = subprocess.run(["ninja", "-C", self.build, "-t", "compdb"], capture_output=True, text=True, check=True).stdout
        self.compile = {os.path.relpath(entry["file"], ROOT): shlex.split(entry["command"]) for entry in json.loads(database) if entry["file"].endswith(".c")}
        self.link = {name: self._link_command(name) for name in names}

    def _link_command(self, name):
        told = subprocess.run(["ninja", "-C", self.build, "-t", "commands", f"tests/{name}"], capture_output=True, text=True, check=True).stdout
        last = told.strip().splitlines()[-1]
        return shlex.split(last[last.index(": && ") + 5:last.rindex(" && :")])

    def object_of(self, change, into):
        """Compiles the changed copy; None if that is no program."""
        name, number, new, _ = change
        lines = (ROOT / name).read_text().splitlines()
        lines[number] = new
        copy, made = into / os.path.basename(name), into / "changed.o"
        copy.write_text("\n".join(lines) + "\n")
        words = self.compile[name]
        kept = [word for at, word in enumerate(words) if word not in ("-Werror", "-MD") and words[at - 1] not in ("-MF", "-MT", "-o", "-c")
                and word not in ("-MF", "-MT", "-o", "-c")]
        done = subprocess.run([*kept, "-w", "-O1", "-g0", "-o", made, "-c", copy], cwd=self.build, capture_output=True, check=False)
        return made if done.returncode == 0 else None

    def goes_red(self, program, made, into):
        target = into / program
        words = self.link[program]
        words = [*words[:words.index("-o")], str(made), *words[words.index("-o"):]]
        words[words.index("-o") + 1] = str(target)
        subprocess.run(words, cwd=self.build, check=True, capture_output=True)
        try:
            return subprocess.run([*BOUNDED, target], cwd=into, capture_output=True, timeout=WAIT_SECONDS, check=False).returncode != 0
        except subprocess.TimeoutExpired:
            return True
        finally:
            target.unlink()

    def try_one(self, numbered):
        """None: no program; else whether a test noticed."""
        number, change = numbered
        into = self.folder / f"change-{number}"
        into.mkdir()
        made = self.object_of(change, into)
        if made is None:
            return None
        return any(self.goes_red(program, made, into) for program in PROGRAMS.get(change[0], OTHERWISE))


def switched_off(context, bench_build):
    """Rules that were switched off, and those of which no test told."""
    program = bench_build / "tests/test_rules"
    ids = [match for path in sorted((ROOT / "redaction/rules").glob("*.yaml")) for match in re.findall(r"^- id: (\S+)$", path.read_text(), re.M)]
    some = random.Random(context.seed).sample(ids, context.amount(4, len(ids)))

    def is_told(rule):
        done = subprocess.run([program, rule], capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
        return done.returncode != 0 and f": {rule}: example" in done.stderr + done.stdout

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        return some, [rule for rule, told in zip(some, workers.map(is_told, some)) if not told]


def told(change):
    name, number, _, what = change
    return f"{name}:{number + 1}: {what}: {(ROOT / name).read_text().splitlines()[number].strip()}"


@part("mutants")
def mutants(context):
    bench = Bench(context.folder)
    built("release", "test_rules")
    rules, silent = switched_off(context, bench.build)
    every = [change for name in deciding() for change in changes_of(name)]
    some = random.Random(context.seed).sample(every, min(len(every), context.amount(6, len(every))))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        noticed = list(workers.map(bench.try_one, enumerate(some)))
    ran = sum(result is not None for result in noticed)
    missed = [told(change) for change, result in zip(some, noticed) if result is False]
    (context.folder / "unnoticed").write_text("".join(f"{line}\n" for line in sorted(missed)))
    figures = {"rules switched off, noticed": f"{len(rules) - len(silent)} of {len(rules)}", "places changed, noticed": f"{ran - len(missed)} of {ran}",
               "places there are": len(every)}
    red = [f"{rule} is off, and no test tells" for rule in silent]
    if ran - len(missed) < LEAST_SHARE * ran:
        red.append("too few changes were noticed: " + "; ".join(sorted(missed)[:SHOWN]))
    return Outcome(len(rules) + ran, figures, red)
