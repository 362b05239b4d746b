"""lethe redact on files: where outputs appear, in which order, and what is told."""
import gzip
import json
import os
import pty
import signal
import stat
import subprocess

import pytest

from conftest import BINARY, ROOT, SANITIZER, files_below, wait_for

TWO = b'{"n":1,"note":"first"}\n{"n":2,"note":"second"}\n'


def numbered(count, start=0):
    """So many records, each with its number and enough text to fill several batches."""
    return b"".join(b'{"n":%d,"note":"%s"}\n' % (n, b"plain words " * 20) for n in range(start, start + count))


def numbers(output):
    return [json.loads(line)["n"] for line in output.splitlines()]


# --- Streams -----------------------------------------------------------------------------------------------------------

def test_standard_input_goes_to_standard_output(lethe):
    run = lethe.redact("-", stdin=TWO)
    assert (run.returncode, run.stdout) == (0, TWO)


def test_standard_input_is_read_when_no_path_is_given(lethe):
    assert lethe.redact(stdin=TWO).stdout == TWO


def test_an_empty_input_gives_an_empty_output(lethe):
    run = lethe.redact("-", stdin=b"")
    assert (run.returncode, run.stdout) == (0, b"")


def test_a_secret_in_a_record_is_gone_and_the_rest_is_there(lethe):
    run = lethe.redact("-", stdin=b'{"user":"ada","password":"Tr0ub4dor-and-3"}\n')
    record = json.loads(run.stdout)
    assert record["user"] == "ada"
    assert b"Tr0ub4dor" not in run.stdout
    assert run.returncode == 0


@pytest.mark.parametrize("jobs", [1, 2, 3, 4])
def test_records_keep_their_order_with_any_number_of_jobs(lethe, tmp_path, jobs):
    (tmp_path / "in.jsonl").write_bytes(numbered(20000))
    run = lethe.redact("in.jsonl", "--jobs", jobs)
    assert numbers(run.stdout) == list(range(20000))


@pytest.mark.parametrize("jobs", [1, 4])
def test_many_inputs_keep_their_order(lethe, tmp_path, jobs):
    (tmp_path / "in").mkdir()
    for n in range(200):
        (tmp_path / f"in/{n:03}.jsonl").write_bytes(b'{"n":%d}\n' % n)
    assert numbers(lethe.redact("in", "--jobs", jobs).stdout) == list(range(200))


def test_a_closed_pipe_ends_the_run_without_a_word(lethe, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(numbered(50000))
    program = lethe.start("redact", "in.jsonl", "--quiet")
    program.stdin.close()
    program.stdout.read(1)
    program.stdout.close()
    assert program.stderr.read() == b""
    assert program.wait() == 1


# --- Files and folders -------------------------------------------------------------------------------------------------

def test_one_output_holds_all_inputs_in_the_order_given(lethe, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"n":1}\n')
    (tmp_path / "b.jsonl").write_bytes(b'{"n":2}')
    assert lethe.redact("b.jsonl", "a.jsonl", "-o", "out.jsonl").returncode == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b'{"n":2}\n{"n":1}\n'


def test_a_new_output_is_readable_by_its_owner_only(lethe, tmp_path):
    lethe.redact("-", "-o", "out.jsonl", stdin=TWO)
    assert stat.S_IMODE((tmp_path / "out.jsonl").stat().st_mode) == 0o600


def test_an_output_that_is_replaced_keeps_its_mode(lethe, tmp_path):
    (tmp_path / "out.jsonl").write_bytes(b"old")
    (tmp_path / "out.jsonl").chmod(0o644)
    lethe.redact("-", "-o", "out.jsonl", stdin=TWO)
    assert (tmp_path / "out.jsonl").read_bytes() == TWO
    assert stat.S_IMODE((tmp_path / "out.jsonl").stat().st_mode) == 0o644


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "in"
    (folder / "y=2026/m=01").mkdir(parents=True)
    (folder / "y=2026/m=01/PT1H.json").write_bytes(b'{"n":3}\n')
    (folder / "b.jsonl").write_bytes(b'{"n":2}\n')
    (folder / ".hidden.jsonl").write_bytes(b'{"n":0}\n')
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(b'{"n":1}\n'))
    return folder


def test_a_folder_is_mirrored_with_its_names(lethe, tmp_path, tree):
    assert lethe.redact("in", "-o", "out/").returncode == 0
    out = tmp_path / "out"
    assert files_below(out) == [".hidden.jsonl", "a.jsonl.gz", "b.jsonl", "y=2026/m=01/PT1H.json"]
    assert (out / "y=2026/m=01/PT1H.json").read_bytes() == b'{"n":3}\n'
    assert gzip.decompress((out / "a.jsonl.gz").read_bytes()) == b'{"n":1}\n'


def test_a_folder_is_read_in_the_order_of_names(lethe, tree):
    assert numbers(lethe.redact("in").stdout) == [0, 1, 2, 3]


def test_a_pattern_is_expanded(lethe, tree):
    assert numbers(lethe.redact("in/*.jsonl*").stdout) == [1, 2]


def test_a_pattern_that_is_the_name_of_a_file_means_that_file(lethe, tmp_path):
    (tmp_path / "a[1].jsonl").write_bytes(b'{"n":1}\n')
    (tmp_path / "a1.jsonl").write_bytes(b'{"n":2}\n')
    assert numbers(lethe.redact("a[1].jsonl").stdout) == [1]


def test_a_link_to_a_file_is_followed_and_a_link_to_a_folder_is_not(lethe, tmp_path, tree):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/c.jsonl").write_bytes(b'{"n":9}\n')
    (tree / "z.jsonl").symlink_to(tmp_path / "other/c.jsonl")
    (tree / "loop").symlink_to(tree)
    assert numbers(lethe.redact("in").stdout) == [0, 1, 2, 3, 9]


def test_an_output_folder_inside_the_input_is_not_read(lethe, tmp_path, tree):
    for _ in range(2):
        assert lethe.redact("in", "-o", "in/clean/").returncode == 0
    assert files_below(tree / "clean") == [".hidden.jsonl", "a.jsonl.gz", "b.jsonl", "y=2026/m=01/PT1H.json"]


def test_inputs_that_would_share_an_output_are_refused_before_anything_is_written(lethe, tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jsonl").write_bytes(TWO)
    run = lethe.redact("x", "y", "-o", "out/")
    assert run.returncode == 2
    assert b"'x/a.jsonl' and 'y/a.jsonl' would be written to the same file" in run.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("output", ["in.jsonl", ".", "link.jsonl"])
def test_an_output_that_is_also_an_input_is_refused(lethe, tmp_path, output):
    (tmp_path / "in.jsonl").write_bytes(TWO)
    (tmp_path / "link.jsonl").symlink_to("in.jsonl")
    run = lethe.redact("in.jsonl", "-o", output)
    assert run.returncode == 2
    assert b"is also an input" in run.stderr
    assert (tmp_path / "in.jsonl").read_bytes() == TWO


def test_standard_output_that_is_also_an_input_is_refused(tmp_path):
    (tmp_path / "in.jsonl").write_bytes(TWO)
    with open(tmp_path / "in.jsonl", "ab") as output:
        run = subprocess.run([BINARY, "redact", "in.jsonl"], cwd=tmp_path, stdout=output, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 2
    assert (tmp_path / "in.jsonl").read_bytes() == TWO


def test_dev_null_is_written_directly(lethe):
    assert lethe.redact("-", "-o", "/dev/null", stdin=TWO).returncode == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


# --- gzip --------------------------------------------------------------------------------------------------------------

def test_gzip_is_recognised_by_content(lethe, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(gzip.compress(TWO))
    assert lethe.redact("in.jsonl").stdout == TWO


def test_several_gzip_members_are_one_input(lethe):
    assert lethe.redact("-", stdin=gzip.compress(TWO) + gzip.compress(b"") + gzip.compress(TWO)).stdout == TWO + TWO


def test_an_output_named_gz_is_compressed(lethe, tmp_path):
    data = numbered(10000)
    lethe.redact("-", "-o", "out.jsonl.gz", stdin=data)
    assert gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()) == data


def test_a_record_may_span_gzip_members(lethe):
    assert lethe.redact("-", stdin=gzip.compress(TWO[:10]) + gzip.compress(TWO[10:])).stdout == TWO


# --- Resuming and interruption -----------------------------------------------------------------------------------------

def test_resume_skips_what_is_done(lethe, tmp_path, tree):
    lethe.redact("in", "-o", "out/")
    (tmp_path / "out/b.jsonl").write_bytes(b"kept")
    (tmp_path / "out/y=2026/m=01/PT1H.json").unlink()
    report = lethe.report("in", "-o", "out/", "--resume")
    assert (tmp_path / "out/b.jsonl").read_bytes() == b"kept"
    assert (tmp_path / "out/y=2026/m=01/PT1H.json").read_bytes() == b'{"n":3}\n'
    assert [i["state"] for i in report["inputs"]] == ["skipped", "skipped", "skipped", "done"]


def test_resume_redoes_an_output_older_than_its_input(lethe, tmp_path, tree):
    lethe.redact("in", "-o", "out/")
    os.utime(tmp_path / "out/b.jsonl", (1, 1))
    report = lethe.report("in", "-o", "out/", "--resume")
    assert [i["state"] for i in report["inputs"]] == ["skipped", "skipped", "done", "skipped"]


def test_resume_redoes_the_output_of_an_input_that_was_broken(lethe, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.gz").write_bytes(gzip.compress(TWO)[:-4])
    assert lethe.redact("in", "-o", "out/").returncode == 1
    assert gzip.decompress((tmp_path / "out/a.gz").read_bytes()) == TWO
    assert lethe.redact("in", "-o", "out/", "--resume").returncode == 1


def test_resume_skips_a_common_output_that_is_done(lethe, tmp_path, tree):
    lethe.redact("in", "-o", "out.jsonl")
    (tmp_path / "out.jsonl").write_bytes(b"kept")
    assert lethe.redact("in", "-o", "out.jsonl", "--resume").returncode == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b"kept"


def test_a_killed_run_leaves_no_output_under_the_final_name(lethe, tmp_path):
    program = lethe.start("redact", "-", "-o", "out.jsonl")
    wait_for((tmp_path / ".out.jsonl.lethe-tmp").exists)
    program.stdin.write(numbered(1000))
    program.kill()
    program.communicate()
    assert not (tmp_path / "out.jsonl").exists()


def test_the_leftover_of_a_killed_run_is_replaced(lethe, tmp_path):
    (tmp_path / ".out.jsonl.lethe-tmp").write_bytes(b"half a rec")
    assert lethe.redact("-", "-o", "out.jsonl", stdin=TWO).returncode == 0
    assert files_below(tmp_path) == ["out.jsonl"]
    assert (tmp_path / "out.jsonl").read_bytes() == TWO


@pytest.mark.skipif(SANITIZER == "thread", reason="ThreadSanitizer puts signals off while a thread waits")
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_nothing_behind(lethe, tmp_path, number, jobs):
    program = lethe.start("redact", "-", "-o", "out.jsonl", "--jobs", jobs)
    wait_for((tmp_path / ".out.jsonl.lethe-tmp").exists)
    program.send_signal(number)
    program.wait()
    program.communicate()
    assert program.returncode == -number
    assert files_below(tmp_path) == []


@pytest.mark.skipif(SANITIZER == "thread", reason="ThreadSanitizer puts signals off while a thread waits")
def test_an_interrupted_run_keeps_the_output_of_the_run_before(lethe, tmp_path):
    (tmp_path / "out.jsonl").write_bytes(b"of the run before")
    program = lethe.start("redact", "-", "-o", "out.jsonl")
    wait_for((tmp_path / ".out.jsonl.lethe-tmp").exists)
    program.terminate()
    program.communicate()
    assert (tmp_path / "out.jsonl").read_bytes() == b"of the run before"


def test_an_output_that_another_run_is_writing_is_left_alone(lethe, tmp_path):
    first = lethe.start("redact", "-", "-o", "out.jsonl")
    wait_for((tmp_path / ".out.jsonl.lethe-tmp").exists)
    # The lock follows the creation of the file at once; until it does, the second run may take the file for a leftover.
    wait_for(lambda: "FLOCK" in open(f"/proc/{first.pid}/fdinfo/{descriptor(first.pid, '.lethe-tmp')}").read())
    second = lethe.redact("-", "-o", "out.jsonl", stdin=b'{"n":7}\n')
    assert second.returncode == 1
    assert b"another run is writing it" in second.stderr
    first.communicate(TWO)
    assert (tmp_path / "out.jsonl").read_bytes() == TWO


def descriptor(pid, suffix):
    folder = f"/proc/{pid}/fd"
    return next(fd for fd in os.listdir(folder) if os.readlink(f"{folder}/{fd}").endswith(suffix))


# --- What is told ------------------------------------------------------------------------------------------------------

def test_the_report_counts_what_was_done(lethe, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"n":1}\n{"n":2\n{"user":"ada","password":"Tr0ub4dor-and-3"}\n')
    (tmp_path / "b.jsonl").write_bytes(b'{"n":4}\n')
    report = lethe.report("a.jsonl", "b.jsonl", "missing.jsonl", "-o", "out.jsonl")
    totals = report["totals"]
    assert (totals["records"], totals["clean"], totals["redacted"], totals["withheld"]) == (4, 2, 1, 1)
    assert (totals["inputs"], totals["inputs_failed"], totals["inputs_skipped"]) == (3, 1, 0)
    assert totals["bytes_in"] == 59 + 8
    assert totals["bytes_out"] == (tmp_path / "out.jsonl").stat().st_size
    assert report["withheld_by_reason"] == {"truncated": 1}
    assert sum(report["redactions_by_rule"].values()) == totals["redactions"] == 1
    assert sum(report["records_by_kind"].values()) == 3
    assert report["policy"] == "standard"
    assert report["exit_code"] == 1
    first, second, third = report["inputs"]
    assert first == {"path": "a.jsonl", "state": "done", "bytes": 59, "records": 3, "clean": 1, "redacted": 1, "withheld": 1}
    assert second == {"path": "b.jsonl", "state": "done", "bytes": 8, "records": 1, "clean": 1, "redacted": 0, "withheld": 0}
    assert third == {"path": "missing.jsonl", "state": "failed", "bytes": 0, "records": 0, "clean": 0, "redacted": 0, "withheld": 0}


def test_the_summary_names_rules_and_reasons(lethe):
    run = lethe.redact("-", stdin=b'{"password":"Tr0ub4dor-and-3"}\n{"n":\n')
    lines = [line.split() for line in run.stderr.decode().splitlines()]
    assert ["records", "2"] in lines
    assert ["redactions", "by", "rule", "1"] in lines
    assert ["withheld", "by", "reason", "1"] in lines
    assert ["truncated", "1"] in lines


def test_quiet_says_nothing_when_all_is_well(lethe):
    assert lethe.redact("-", "--quiet", stdin=TWO).stderr == b""


def test_an_ephemeral_key_is_mentioned(lethe):
    assert b"pseudonyms hold for this run only" in lethe.redact("-", stdin=TWO).stderr


def test_no_colour_and_no_bar_without_a_terminal(lethe):
    assert b"\x1b" not in lethe.redact("-", stdin=TWO).stderr


def on_a_terminal(folder, *arguments, **environment):
    """What the program prints on standard error when that is a terminal."""
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as screen:
        program = subprocess.Popen([BINARY, *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=theirs,
                                   env={"TERM": "xterm", **environment})
        os.close(theirs)
        shown = b""
        try:
            while piece := screen.read(65536):
                shown += piece
        except OSError:   # how Linux says that the other end is closed
            pass
        program.wait()
    return shown


def test_a_terminal_shows_a_bar_that_is_gone_before_other_lines(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(TWO)
    (tmp_path / "b.jsonl").write_bytes(b'{"n":}\n')
    shown = on_a_terminal(tmp_path, "redact", "a.jsonl", "b.jsonl", "--jobs", "1")
    assert b"%" in shown and b"2 records" in shown
    assert b"\r\x1b[Klethe: b.jsonl:1: record withheld" in shown


def test_a_quiet_run_shows_no_bar(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(TWO)
    assert on_a_terminal(tmp_path, "redact", "a.jsonl", "--quiet") == b""


def test_colour_is_for_terminals_unless_NO_COLOR_is_set(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(TWO)
    assert b"\x1b[1m" in on_a_terminal(tmp_path, "redact", "a.jsonl")
    assert b"\x1b[1m" not in on_a_terminal(tmp_path, "redact", "a.jsonl", NO_COLOR="1")


def test_a_report_in_place_of_an_input_or_of_the_output_is_refused(lethe, tmp_path):
    (tmp_path / "in.json").write_bytes(TWO)
    assert lethe.redact("in.json", "--report", "in.json").returncode == 2
    assert lethe.redact("in.json", "-o", "out.json", "--report", "out.json").returncode == 2
    assert files_below(tmp_path) == ["in.json"]
    assert (tmp_path / "in.json").read_bytes() == TWO


def test_control_characters_of_a_file_name_are_escaped(lethe, tmp_path):
    (tmp_path / "a\x1b[31m\nb.jsonl").write_bytes(b'{"n":\n')
    stderr = lethe.redact(".").stderr
    assert b"a\\x1b[31m\\x0ab.jsonl:1: record withheld" in stderr
    assert b"\x1b" not in stderr


def test_at_most_twenty_withheld_records_of_a_file_are_told(lethe):
    stderr = lethe.redact("-", stdin=b'{"n":}\n' * 25).stderr
    assert stderr.count(b"record withheld") == 20
    assert b"stdin: ... and 5 more withheld" in stderr


def test_verbose_tells_all_withheld_records(lethe):
    assert lethe.redact("-", "--verbose", stdin=b'{"n":}\n' * 25).stderr.count(b"record withheld") == 25


# --- Containers --------------------------------------------------------------------------------------------------------

def test_a_container_becomes_lines(lethe):
    assert lethe.redact("-", stdin=b'{"records":[{"n":1},{"n":2}]}').stdout == b'{"n":1}\n{"n":2}\n'


@pytest.mark.parametrize("jobs", [1, 4])
@pytest.mark.parametrize("count", [0, 1, 2, 20000])
def test_a_container_is_kept_when_asked(lethe, count, jobs):
    records = [{"n": n, "note": "plain words " * 20} for n in range(count)]
    document = json.dumps({"records": records, "nextLink": "https://next.example/"}).encode()
    run = lethe.redact("-", "--keep-container", "--jobs", jobs, stdin=document)
    assert json.loads(run.stdout) == {"records": records, "nextLink": "https://next.example/"}


def test_a_record_is_the_same_whether_its_container_is_kept_or_not(lethe):
    """Also the names in its masks: two rules find the signature that is in there."""
    page = ROOT / "samples/export/event-hub-message.json"
    lethe.run("keygen", "-o", "key")
    alone = lethe.redact(page, "--key-file", "key").stdout.splitlines()
    kept = lethe.redact(page, "--key-file", "key", "--keep-container").stdout
    assert b"[redacted:azure-sas-signature]" in kept
    assert json.loads(kept)["records"] == [json.loads(line) for line in alone]


@pytest.mark.parametrize("records", [b"", b'{"n":1}'])
def test_what_stands_beside_the_records_of_a_kept_container_is_redacted_too(lethe, records):
    run = lethe.redact("-", "--keep-container", stdin=b'{"records":[' + records + b'],"password":"Tr0ub4dor-and-3"}')
    assert b"Tr0ub4dor" not in run.stdout
    assert json.loads(run.stdout)["records"] == json.loads(b"[" + records + b"]")


@pytest.mark.parametrize("broken", [0, 1, 9999, 19999])
def test_a_container_stays_valid_when_a_record_is_withheld(lethe, broken):
    records = [b'{"n":%d,"note":"%s"}' % (n, b"plain words " * 20) for n in range(20000)]
    records[broken] = b'{"n":nul}'
    run = lethe.redact("-", "--keep-container", stdin=b'{"records":[' + b",".join(records) + b"]}")
    assert [r["n"] for r in json.loads(run.stdout)["records"]] == [n for n in range(20000) if n != broken]
    assert run.returncode == 3


# --- The other commands ------------------------------------------------------------------------------------------------

def test_a_key_file_gives_the_same_pseudonyms_in_every_run(lethe, tmp_path):
    assert lethe.run("keygen", "-o", "key").returncode == 0
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    record = b'{"category":"AmlRunStatusChangedEvent","RunId":"HD_9b1a2c3d-0001"}\n'
    first, second = (lethe.redact("-", "--key-file", "key", stdin=record).stdout for _ in range(2))
    assert first == second
    assert b"9b1a2c3d" not in first


def test_keygen_does_not_overwrite(lethe, tmp_path):
    (tmp_path / "key").write_bytes(b"mine")
    assert lethe.run("keygen", "-o", "key").returncode != 0
    assert (tmp_path / "key").read_bytes() == b"mine"


def test_rules_are_listed_and_shown(lethe):
    table = lethe.run("rules").stdout.decode().splitlines()
    assert table[0].split() == ["RULE", "ACTION", "WHAT"]
    for line in table[1:4]:
        shown = lethe.run("rules", line.split()[0])
        assert shown.returncode == 0
        assert line.split()[0] in shown.stdout.decode()


def test_an_unknown_rule_is_an_error(lethe):
    assert lethe.run("rules", "no-such-rule-at-all").returncode == 2


def test_check_describes_the_plan(lethe):
    run = lethe.run("check")
    assert run.returncode == 0
    assert run.stdout != b""


@pytest.mark.parametrize("arguments, code", [
    ([], 2), (["--help"], 0), (["-h"], 0), (["help"], 0), (["help", "redact"], 0), (["redact", "--help"], 0), (["--version"], 0),
    (["redcat"], 2), (["redact", "--polcy", "hbi"], 2), (["redact", "-", "--jobs", "0"], 2), (["redact", "-", "--jobs"], 2),
    (["redact", "-", "--policy", "no-such-policy.yaml"], 2), (["redact", "-", "--key-file", "no-such-key"], 2),
    (["redact", "-", "--format", "xml"], 2), (["redact", "-", "--max-record", "1X"], 2), (["redact", "-", "--resume"], 2),
    (["redact", "-", "--report", "report.pdf"], 2), (["keygen"], 2), (["check", "extra"], 2),
])
def test_exit_codes_of_usage(lethe, arguments, code):
    assert lethe.run(*arguments).returncode == code
