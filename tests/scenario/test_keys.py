"""Keys from the command line: made, rotated."""
import json
import re
import stat

RUN = b'{"runId":"icarvalho_tide-tables_1773480000_5be8a0c4"}\n'


def pseudonyms(output):
    return re.findall(rb"run-([A-Z2-7]{4})-[a-z2-7]{26}", output)


def test_what_was_written_before_a_rotation_is_still_known_after_it(lethe, tmp_path):
    assert lethe.run("keygen", "-o", "lethe.key").returncode == 0
    before = lethe.redact("-", "--key-file", "lethe.key", stdin=RUN).stdout
    assert lethe.run("keygen", "--add", "-o", "lethe.key").returncode == 0
    after = lethe.redact("-", "--key-file", "lethe.key", stdin=RUN).stdout
    assert len(pseudonyms(before)) == len(pseudonyms(after)) == 1
    assert pseudonyms(before) != pseudonyms(after)
    again = lethe.redact("-", "--key-file", "lethe.key", stdin=before + after)
    assert again.stdout == before + after


def test_a_rotated_file_is_as_closed_as_before_and_nothing_lies_beside_it(lethe, tmp_path):
    lethe.run("keygen", "-o", "lethe.key")
    lethe.run("keygen", "--add", "-o", "lethe.key")
    assert stat.S_IMODE((tmp_path / "lethe.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["lethe.key"]
    keys = json.loads((tmp_path / "lethe.key").read_text())["keys"]
    assert [key["writes"] for key in keys] == [False, True]


def test_a_key_is_added_only_to_a_file_that_is_there(lethe):
    run = lethe.run("keygen", "--add", "-o", "lethe.key")
    assert (run.returncode, run.stderr) == (2, b"lethe: cannot open key file 'lethe.key': no such file or directory\n")
