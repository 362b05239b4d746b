"""Rows of the table whose figures other commands find out: what bad peers got, the worst input, fuzzing, coverage."""
import json
import os
import re
import subprocess
import sys

from judge import BINARY, ROOT
from outcome import LeftOut, Outcome, part
from part_units import HOURS, built

MOST_RATIO = 4       # of the worst input's time for a byte to the median


def called(*command, **environment):
    """(exit code, output)"""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=6 * HOURS, check=False,
                          env={**os.environ, **environment})
    return done.returncode, done.stdout + done.stderr


def failed(code, text):
    return [] if code == 0 else [f"exit code {code}: {text[-500:]}"]


@part("peers")
def peers(context):
    """Receivers whose TLS is wrong: none gets a byte of payload."""
    code, text = called(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={context.folder / 'pytest'}",
                        "tests/scenario/test_bad_peers.py", LETHE_BINARY=str(BINARY))
    told = [json.loads(path.read_text()) for path in context.folder.glob("pytest/**/figures.json")]
    if code == 0 and not told:
        raise LeftOut(text.strip().splitlines()[-1])
    sums = {name: sum(figures[name] for figures in told) for name in ("bad peers", "payload bytes to bad peers")}
    red = failed(code, text) + (["bad peers got something"] if sums["payload bytes to bad peers"] else [])
    return Outcome(sums["bad peers"], {"kinds of sinks and sources": len(told), **sums}, red)


@part("worst")
def worst(_):
    """What looks like a secret, over and over, for each rule."""
    code, text = called(built("release", "bench_worst").parent / "bench/bench_worst")
    inputs = int(re.search(r"(\d+) inputs", text)[1])
    median, most = (float(re.search(rf"^{name} +([\d.]+)", text, re.M)[1]) for name in ("median", "worst"))
    ratio, steepest = most / median, float(re.search(r"^linear +([\d.]+)", text, re.M)[1])
    red = failed(code, text) + ([f"{ratio:.2f} is more than {MOST_RATIO}"] if ratio > MOST_RATIO else [])
    return Outcome(inputs, {"inputs, of every rule": inputs, "median, worst, ns/byte": f"{median}, {most}",
                            "worst over median": round(ratio, 2), "largest t(2n)/t(n) of a rule": steepest}, red)


@part("fuzz")
def fuzz(context):
    """Every fuzzer for ten minutes."""
    seconds = context.amount(10, 600)
    code, text = called("scripts/fuzz", "all", str(seconds))
    rows = re.findall(r"^(\w+) +(\d+) +(\d+) +(\d+) +(\d+)$", text, re.M)
    figures = {f"{target}: executions, edges, findings": f"{tried}, {edges}, {found}" for target, tried, edges, _, found in rows}
    executions, findings = (sum(int(row[n]) for row in rows) for n in (1, 4))
    return Outcome(executions, {"seconds each": seconds, "executions": executions, "findings": findings, **figures}, failed(code, text))


@part("coverage")
def coverage(_):
    """Lines and branches that the unit tests reach; what decides what becomes of a record must be reached in full."""
    code, text = called("scripts/coverage")
    everything, deciding = text.split("== The code that decides", 1)
    sums = [re.search(r"^TOTAL +(\d+) +(\d+) +(\d+)%", part_of, re.M).groups() for part_of in (everything, deciding)]
    red = failed(code, text) + ([] if sums[1][2] == "100" else ["branches of the deciding code are not reached: scripts/coverage shows them"])
    return Outcome(int(sums[0][1]), {name: f"{taken} of {all_}, {percent}%" for name, (all_, taken, percent) in zip(
        ("branches reached", "of those that decide"), sums)}, red)
