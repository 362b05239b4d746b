"""What bench/run measures: how each program is started, on which file, and how its output is to be checked."""
import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
IDLE_S = 20      # a daemon whose output has not grown for so long is taken to have stopped
POLL_S = 0.05


@dataclass
class Program:
    name: str
    argv: list                    # @IN@, @OUT@ and @STATE@ stand for files and a scratch directory
    large: bool = True            # runs on the large file; the slow ones run on the small one
    checked: bool = False         # its output is compared with the input
    reserialised: bool = False    # it writes JSON anew
    redirect: bool = False        # reads standard input, writes standard output
    daemon: bool = False          # does not end by itself
    config: Path = None           # template; the filled-in file is @CONFIG@
    environment: dict = field(default_factory=dict)
    skipped: str = ""             # reason


class Failed(Exception):
    pass


def fill(text, names):
    for name, value in names.items():
        text = text.replace(name, str(value))
    return text


def count_lines(file):
    """Line ends in what was added to the file since the last call."""
    return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def wait_for_lines(process, path, lines):
    """Waits until the file has so many lines; returns when it last grew."""
    seen, last, file = 0, time.monotonic(), None
    while seen < lines and process.poll() is None and time.monotonic() - last < IDLE_S:
        time.sleep(POLL_S)
        if file is None and path.exists():
            file = open(path, "rb")
        grown = count_lines(file) if file else 0
        if grown:
            seen, last = seen + grown, time.monotonic()
    if file:
        file.close()
    return last


def run(program, measure, source, target, state, lines, timeout=None, accept=(0,)):
    """Runs a program once; returns its wall time, CPU time and peak memory."""
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    target = Path("/dev/null") if "/dev/null" in program.argv else target
    if target.is_file():
        target.unlink()
    names = {"@IN@": source, "@OUT@": target, "@STATE@": state, "@CONFIG@": state / "config"}
    if program.config:
        names["@CONFIG@"].write_text(fill(program.config.read_text(), names))
    stats = state / "stats.json"
    argv = [str(measure), str(stats)] + [fill(str(a), names) for a in program.argv]
    stdin = open(source, "rb") if program.redirect else subprocess.DEVNULL
    stdout = open(target, "wb") if program.redirect else subprocess.DEVNULL
    os.sync()
    start = time.monotonic()
    with open(state / "stderr", "wb") as stderr:
        process = subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=stderr, env={**os.environ, **program.environment})
        try:
            end = wait_for_lines(process, target, lines) if program.daemon else None
            if program.daemon and process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            process.wait()
            raise Failed(f"not done after {timeout} s")
    return read_stats(stats, state / "stderr", accept, end - start if end else None)


def read_stats(stats, stderr, accept, wall):
    if not stats.exists():
        raise Failed("could not be started")
    result = json.loads(stats.read_text())
    if result["exit"] not in accept:
        last = stderr.read_text(errors="replace").strip().splitlines()[-1:] or [""]
        raise Failed(f"exit code {result['exit']}" + (f" ({last[0][:80]})" if result["exit"] == 127 else ""))
    if wall is not None:
        result["wall"] = wall
    result["cpu"] = result["user"] + result["system"]
    return result


def redact(lethe, key, jobs, target="@OUT@", more=()):
    return [lethe, "redact", "@IN@", "-o", target, "--jobs", str(jobs), "--key-file", str(key), "--quiet", *more]


def syslog_ng(directory):
    """Where syslog-ng is: installed, or unpacked into a private directory, now if need be."""
    installed = shutil.which("syslog-ng")
    if installed:
        return [installed], {}
    binary = directory / "usr/sbin/syslog-ng"
    if not binary.exists():
        subprocess.run([HERE / "peers/unpack-syslog-ng", directory], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    modules = next((directory / "usr/lib/syslog-ng").glob("[0-9]*"))
    libraries = [directory / "usr/lib/syslog-ng", *directory.glob("usr/lib/*-linux-gnu"), *directory.glob("lib/*-linux-gnu")]
    return [binary, "--module-path", modules], {"LD_LIBRARY_PATH": ":".join(map(str, libraries))}


def peers(private):
    sed, perl, rsyslog = (shutil.which(name) for name in ("sed", "perl", "rsyslogd"))
    programs = [
        Program("sed, text masks", [sed, "-E", "-f", HERE / "peers/mask.sed"], large=False, checked=True,
                redirect=True, environment={"LC_ALL": "C"}, skipped="" if sed else "sed is not installed"),
        Program("perl, text masks", [perl, HERE / "peers/mask.pl"], large=False, checked=True,
                redirect=True, environment={"LC_ALL": "C"}, skipped="" if perl else "perl is not installed"),
        Program("rsyslog", [rsyslog, "-n", "-iNONE", "-f", "@CONFIG@"], large=False, checked=True, reserialised=True,
                daemon=True, config=HERE / "peers/rsyslog.conf", skipped="" if rsyslog else "rsyslog is not installed"),
    ]
    try:
        argv, environment = syslog_ng(private)
        skipped = ""
    except (OSError, StopIteration, subprocess.CalledProcessError):
        argv, environment, skipped = [], {}, "syslog-ng is not installed and could not be unpacked"
    programs.append(
        Program("syslog-ng", [*argv, "-F", "--no-caps", "-f", "@CONFIG@", "-R", "@STATE@/persist", "-p", "@STATE@/pid", "-c",
                              "@STATE@/control"], large=False, checked=True, reserialised=True, daemon=True,
                config=HERE / "peers/syslog-ng.conf", environment=environment, skipped=skipped))
    return programs


def ours(build, key):
    lethe, scan = build / "lethe", build / "bench/bench_scan"
    missing = "" if lethe.exists() else "lethe is not built"
    return [
        Program("copy: read and write", [build / "bench/copy", "@IN@", "@OUT@"]),
        Program("lethe --jobs 1, file to file", redact(lethe, key, 1), checked=True, skipped=missing),
        Program("lethe --jobs 1, to nothing", redact(lethe, key, 1, "/dev/null"), skipped=missing),
        Program("lethe --jobs 2, to nothing", redact(lethe, key, 2, "/dev/null"), skipped=missing),
        Program("Vectorscan alone", [scan, "@IN@"], redirect=True, skipped="" if scan.exists() else "bench_scan is not built"),
    ]
