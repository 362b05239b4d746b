"""What a whole run asks of the kernel, beside the list of what it may ask."""
import re
import shutil

from judge import ROOT
from outcome import LeftOut, from_verdict, part
from subject import Subject, new_folder

SOURCE = ROOT / "collector/base/sandbox_calls.c"
LISTS = ("calls_of_files", "calls_of_network", "calls_refused", "conditions", "socket_conditions")
CALL = re.compile(r"SCMP_SYS\((\w+)\)")
BESIDES = {"tgkill", "kill", "clone3"}   # to the process itself, and one that is answered as if there were none
SEEN = re.compile(r"^(?:\d+ +)?(\w+)\(")
ALIASES = {"fstatat64": "newfstatat", "fadvise": "fadvise64"}


def listed():
    """What the filter lets a run ask for, read from its source: it must be all that is needed, and as little more as can be."""
    text = SOURCE.read_text()
    arrays = {name: re.search(rf"\b{name}\[\] = \{{(.*?)\n\}};", text, re.S)[1] for name in LISTS}
    return {call for body in arrays.values() for call in CALL.findall(body)} | BESIDES


def seen_behind_the_filter(paths):
    """Calls of all threads after the second filter was set; the first thread sets it before there is another."""
    calls, filters = set(), 0
    for path in paths:
        for line in path.read_text(errors="replace").splitlines():
            match = SEEN.match(line)
            if not match:
                continue
            if filters >= 2:
                calls.add(ALIASES.get(match[1], match[1]))
            filters += match[1] == "seccomp" and "SECCOMP_SET_MODE_FILTER" in line and line.rstrip().endswith("= 0")
    return calls, filters


@part("calls")
def run(context):
    if shutil.which("strace") is None:
        raise LeftOut("strace is not installed")
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed, kafka=context.kafka() if context.scale > 0 else None, sealed=True,
                      rotate="64K")
    trace = context.folder / "trace"
    subject.prefix = ["strace", "-D", "-f", "-qq", "-o", str(trace)]
    wrong = subject.live()
    seen, filters = seen_behind_the_filter([trace])
    may = listed()
    beyond, unused = sorted(seen - may), sorted(may - seen)
    if filters < 2:
        wrong = wrong or "the filters of system calls were not set"
    if beyond:
        wrong = wrong or f"not on the list: {' '.join(beyond)}"
    verdict = subject.verdict(whole=False, duplicates_allowed=len(subject.journal.issued))
    return from_verdict(verdict, len(seen), wrong, **{
        "calls seen": len(seen), "calls listed": len(may), "seen and not listed": " ".join(beyond) or "none",
        "listed and not seen here": f"{len(unused)}: {' '.join(unused)}"})
