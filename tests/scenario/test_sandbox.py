"""What the program may do while it reads logs, shown by code that is smuggled into it: a library that is loaded before it and
tries something forbidden as soon as the program syncs its output, when all of its input has been read."""
import ctypes
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from conftest import BINARY, SANITIZER, wait_for
from streaming import Run, messages

pytestmark = pytest.mark.skipif(SANITIZER != "", reason="a sanitizer's runtime must be loaded first")

INTRUDER = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int try(const char *what, const char *path)
{
    if (strcmp(what, "socket") == 0) return socket(AF_INET, SOCK_STREAM, 0);
    if (strcmp(what, "exec") == 0) return execl("/bin/true", "true", (char *)NULL);
    if (strcmp(what, "trace") == 0) return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    if (strcmp(what, "read") == 0) return open(path, O_RDONLY);
    if (strcmp(what, "write") == 0) return open(path, O_WRONLY | O_CREAT, 0600);
    return 0;
}

/* At the first sync of a file: folders are made, and synced, before a program is bound. */
static void intrude(int fd)
{
    static int done;
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return;
    const char *plan = getenv("INTRUDER");
    char what[16], path[1024];
    for (int len; !done && plan != NULL && sscanf(plan, "%15s %1023s%n", what, path, &len) == 2; plan += len) {
        int result = try(what, path);
        dprintf(2, "intruder: %s\n", result < 0 ? strerror(errno) : "worked");
    }
    done = 1;
}

int fsync(int fd) { intrude(fd); return (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { intrude(fd); return (int)syscall(SYS_fdatasync, fd); }
"""


def status(process, name):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as lines:
        return next(line.split()[1:] for line in lines if line.startswith(name + ":"))


@pytest.fixture
def open_folder():
    """Where everybody may look, unlike in pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_run_gives_up_root_for_good(open_folder):
    nobody = pwd.getpwnam("nobody")
    (open_folder / "in.log").write_text('{"message":"one"}\n')
    (open_folder / "out").mkdir()
    os.chown(open_folder / "out", nobody.pw_uid, nobody.pw_gid)
    run = Run(open_folder, "sources:\n  - {name: in, type: file, paths: [in.log]}\nstore: out/state\n"
                        "sinks:\n  - {name: out, type: file, path: out/out.jsonl}\n")
    run.options = ["--user", "nobody"]
    with run:
        wait_for(lambda: messages(open_folder / "out/out.jsonl") == ["one"])
        assert status(run.process, "Uid") == [str(nobody.pw_uid)] * 4
        assert status(run.process, "Gid") == [str(nobody.pw_gid)] * 4
        assert status(run.process, "Groups") == [str(nobody.pw_gid)]
        assert {status(run.process, which)[0] for which in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert os.stat(f"/proc/{run.process.pid}/environ").st_uid == 0   # not dumpable
        assert run.stop() == 0
    assert (open_folder / "out/out.jsonl").stat().st_uid == nobody.pw_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a key to a group")
@pytest.mark.parametrize("mode, complaint", [
    (0o440, b""), (0o640, b""),
    (0o660, b"has mode 0660; only root and its group may read it: chmod 640"),
    (0o644, b"has mode 0644; only root and its group may read it: chmod 640"),
    (0o600, b"permission denied"),
])
def test_a_key_of_root_is_read_by_whoever_has_it_from_a_group(lethe, open_folder, mode, complaint):
    """As secrets are mounted into a container, or lie in /etc."""
    key = open_folder / "lethe.key"
    lethe.run("keygen", "-o", key)
    os.chown(key, 0, pwd.getpwnam("nobody").pw_gid)
    os.chmod(key, mode)
    done = lethe.run("check", "--key-file", key, user="nobody", group=pwd.getpwnam("nobody").pw_gid, extra_groups=[])
    assert (done.returncode, complaint in done.stderr) == (2 if complaint else 0, True), done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a key to a group")
def test_a_key_that_root_gave_to_a_group_stays_with_it_when_it_is_rotated(lethe, open_folder):
    key, group = open_folder / "lethe.key", pwd.getpwnam("nobody").pw_gid
    lethe.run("keygen", "-o", key)
    os.chown(key, 0, group)
    os.chmod(key, 0o640)
    assert lethe.run("keygen", "--add", "-o", key).returncode == 0
    found = key.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (0, group, 0o640)


def test_a_user_that_cannot_be_become_ends_the_run_before_it_begins(lethe):
    done = lethe.run("run", "--user", "no-such-user")
    assert (done.returncode, done.stderr) == (2, b"lethe: there is no user 'no-such-user'\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start as another user")
def test_who_is_not_root_cannot_become_another(lethe):
    done = lethe.run("run", "--user", "root", user="nobody")
    assert (done.returncode, b"only root can become the user 'root'" in done.stderr) == (2, True)


@pytest.fixture(scope="module")
def intruder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("intruder")
    (folder / "intruder.c").write_text(INTRUDER)
    compiler = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no compiler")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "intruder.so", folder / "intruder.c"], check=True)
    return folder / "intruder.so"


@pytest.fixture
def intrude(intruder, tmp_path):
    """Runs a command with the intruder inside; returns its exit code and what the intruder said of its attempts."""
    def run(command, *attempts):
        environment = {**os.environ, "LD_PRELOAD": str(intruder), "INTRUDER": " ".join(attempts)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=180)
        said = [line for line in done.stderr.decode().splitlines() if line.startswith("intruder: ")]
        return done.returncode, [line.removeprefix("intruder: ") for line in said]
    (tmp_path / "in.jsonl").write_text('{"password":"Quay-Heron_31"}\n')
    (tmp_path / "out").mkdir()
    (tmp_path / "other.jsonl").write_text('{"a":1}\n')
    return run


REDACT = [BINARY, "redact", "in.jsonl", "-o", "out/clean.jsonl", "--quiet"]
SCAN = [BINARY, "scan", "in.jsonl", "-o", "out/found.txt", "--quiet"]
UNBOUND = [sys.executable, "-c", "import os; os.fsync(os.open('in.jsonl', os.O_RDONLY))"]
KILLED = (-signal.SIGSYS, [])
WORKED, DENIED = "worked", "Permission denied"
ENDING = ["socket -", "exec -", "trace -"]


LANDLOCK_CREATE_RULESET, ASK_VERSION = 444, 1   # the number of the call is the same on all machines
landlock = pytest.mark.skipif(ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, ASK_VERSION) < 1,
                              reason="this kernel does not offer Landlock")


def test_a_program_that_is_not_bound_can_do_what_is_tried_here(intrude):
    assert intrude(UNBOUND, "socket -", "trace -", "read other.jsonl", "write new") == (0, 4 * [WORKED])
    assert intrude(UNBOUND, "exec -") == (0, [])   # the other program says nothing


@pytest.mark.parametrize("command", [REDACT, SCAN], ids=["redact", "scan"])
@pytest.mark.parametrize("attempt", ENDING)
def test_a_command_on_local_files_is_ended_when_it_opens_a_socket_or_runs_or_traces_a_program(intrude, command, attempt, tmp_path):
    assert intrude(command, attempt) == KILLED
    assert not (tmp_path / "out/clean.jsonl").exists() and not (tmp_path / "out/found.txt").exists()


def test_the_intruder_is_what_ends_it(intrude, tmp_path):
    assert intrude(REDACT, "nothing -") == (0, [WORKED])
    assert b"Quay-Heron" not in (tmp_path / "out/clean.jsonl").read_bytes()


@landlock
@pytest.mark.parametrize("command", [REDACT, SCAN], ids=["redact", "scan"])
def test_a_command_reads_its_inputs_and_writes_its_outputs_and_no_other_files(intrude, command, tmp_path):
    allowed = ["read in.jsonl", "write out/new"]
    denied = ["read other.jsonl", "read /etc/passwd", "write new", "write in.jsonl", "write /tmp/lethe-intruder"]
    assert intrude(command, *allowed, *denied) == (0 if command is REDACT else 3, 2 * [WORKED] + 5 * [DENIED])


@landlock
def test_only_the_folder_of_a_mirror_is_written_below(intrude):
    assert intrude([BINARY, "redact", "in.jsonl", "-o", "clean/", "--quiet"], "write clean/more", "write more") == (0, [WORKED, DENIED])


@landlock
def test_a_link_to_a_file_elsewhere_is_still_an_input(lethe, tmp_path):
    (tmp_path / "export").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.jsonl").write_text('{"a":1}\n')
    (tmp_path / "export/a.jsonl").symlink_to("../elsewhere/a.jsonl")
    (tmp_path / "elsewhere/out.jsonl").write_text("")
    (tmp_path / "out.jsonl").symlink_to("elsewhere/out.jsonl")
    done = lethe.redact("export/", "-o", "out.jsonl", "--quiet")
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "elsewhere/out.jsonl").read_text() == '{"a":1}\n'


def run_in_stream(intrude, tmp_path, *attempts):
    """`lethe run` on standard input, where it ends by itself."""
    (tmp_path / "run.yaml").write_text("""
        sources: [{name: in, type: stdin}]
        sinks: [{name: out, type: file, path: "clean/{kind}.jsonl"}]
        store: store
    """)
    return intrude([BINARY, "run", "-c", "run.yaml"], *attempts)


@pytest.mark.parametrize("attempt", ["exec -", "trace -"])
def test_a_run_is_ended_when_it_runs_or_traces_a_program(intrude, tmp_path, attempt):
    assert run_in_stream(intrude, tmp_path, attempt) == KILLED


@landlock
def test_a_run_writes_below_the_folders_of_its_store_and_sinks_only(intrude, tmp_path):
    allowed = ["write clean/more", "write store/more", "read /etc/hosts"]
    denied = ["write more", "write /etc/lethe-intruder", "write /tmp/lethe-intruder"]
    assert run_in_stream(intrude, tmp_path, *allowed, *denied) == (0, 3 * [WORKED] + 3 * [DENIED])


def append(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


@landlock
def test_a_reload_that_would_write_elsewhere_is_refused_and_the_run_goes_on(tmp_path):
    config = "sources: [{name: in, type: file, paths: [in.log], poll: 50ms}]\nsinks: [{name: out, type: file, path: '%s'}]\nstore: store\n"
    clean, below = tmp_path / "clean/a.jsonl", tmp_path / "clean/below/a.jsonl"
    log = tmp_path / "in.log"
    log.write_text("one\n")
    with Run(tmp_path, config % clean) as run:
        wait_for(lambda: messages(clean) == ["one"])
        run.config.write_text(config % (tmp_path / "elsewhere/{kind}.jsonl"))
        run.process.send_signal(signal.SIGHUP)
        wait_for(lambda: run.logged("out would write below"))
        assert run.logged("restart it to take this configuration; going on as before")
        append(log, "two\n")
        wait_for(lambda: messages(clean) == ["one", "two"])
        run.config.write_text(config % below)
        run.process.send_signal(signal.SIGHUP)
        wait_for(lambda: run.logged("running with the new configuration"))
        append(log, "three\n")
        wait_for(lambda: messages(below) == ["three"])
    assert not (tmp_path / "elsewhere").exists()
