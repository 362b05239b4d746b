"""The exports that ship with the project: what was planted in them is gone or still there, as the profile says.

samples/PLANTED.tsv was written together with the exports, not by the program under test."""
import gzip
import html
import json
import re
import urllib.parse

import pytest

from conftest import ROOT, files_below

EXPORT = ROOT / "samples/export"
PLANTED = [line.split("\t") for line in (ROOT / "samples/PLANTED.tsv").read_text().splitlines() if not line.startswith("#")]
KEPT = {
    "standard": {"identity", "ip-address", "national-id", "resource-name", "model-data", "envelope-key"},
    "hbi": set(),
}
ADDRESS = re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b")


def text_of(path):
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def unescaped(text):
    """Without JSON's escapes, however deep."""
    text = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
    return re.sub(r'\\+(["\\/])', r"\1", re.sub(r"\\+n", "\n", text))


def views(text):
    """The text as others may come to read it."""
    plain = unescaped(text)
    return [text, plain, urllib.parse.unquote(plain), html.unescape(plain)]


def records_of(text):
    """Reads an export with a reader of its own: pages, arrays, lines, text."""
    try:
        document = json.loads(text)
    except ValueError:
        return text.splitlines()
    if isinstance(document, dict):
        document = document.get("records", document.get("value", [document]))
    return document if isinstance(document, list) else [document]


def clean_folder(lethe, profile):
    """The folder that the samples were redacted to."""
    lethe.run("keygen", "-o", "key")
    run = lethe.redact(EXPORT, "-o", "clean/", "--policy", profile, "--key-file", "key")
    assert run.returncode == 0, run.stderr.decode()
    return lethe.folder / "clean"


@pytest.fixture(params=KEPT)
def profile(request):
    return request.param


@pytest.fixture
def redacted(lethe, profile):
    return clean_folder(lethe, profile)


@pytest.fixture
def standard(lethe):
    return clean_folder(lethe, "standard")


def test_the_list_names_every_file_and_only_what_is_there():
    """The other tests would prove nothing with a list that does not fit."""
    assert {file for _, _, file in PLANTED} == set(files_below(EXPORT))
    for value, _, file in PLANTED:
        assert any(value in view for view in views(text_of(EXPORT / file))), file


def test_no_file_is_missing(redacted):
    assert files_below(redacted) == files_below(EXPORT)


def test_nothing_that_must_go_survives_anywhere(redacted, profile):
    stays = KEPT[profile] | {"polling-signature"}
    for file in files_below(redacted):
        kept_here = {value for value, kind, planted_in in PLANTED if kind in stays and planted_in == file}
        gone = {(value, kind) for value, kind, _ in PLANTED if kind not in stays and value not in kept_here}
        seen = [view.lower() for view in views(text_of(redacted / file))]
        assert [kind for value, kind in gone if any(value.lower() in view for view in seen)] == [], file


def test_the_signature_of_a_polling_address_goes(standard):
    planted, = {value for value, kind, _ in PLANTED if kind == "polling-signature"}
    assert not [file for file in files_below(standard) if planted in text_of(standard / file)]


@pytest.mark.parametrize("file", files_below(EXPORT))
def test_what_standard_keeps_is_still_there_as_often(standard, file):
    before, after = unescaped(text_of(EXPORT / file)), unescaped(text_of(standard / file))
    for value, kind, planted_in in PLANTED:
        if planted_in == file and kind in KEPT["standard"]:
            assert after.count(value) == before.count(value), kind


def test_operations_keep_their_names(standard):
    for line in text_of(standard / "azureml-resource-logs.jsonl").splitlines():
        assert "run-" not in json.loads(line)["operationName"]


def test_every_record_comes_out_as_one_line_of_json(redacted):
    for file in files_below(redacted):
        lines = text_of(redacted / file).splitlines()
        assert len(lines) == len(records_of(text_of(EXPORT / file))), file
        for line in lines:
            json.loads(line)


def test_names_of_variables_and_harmless_values_stay(standard):
    text = unescaped(text_of(standard / "activity-log-page.json"))
    for kept in ('"HARBOUR_ROSTER":"[redacted:environment]"', '"PATH":"/opt/conda/bin:/usr/bin:/bin"', '"OMP_NUM_THREADS":"4"'):
        assert kept in text


def test_one_run_has_one_pseudonym_in_all_files(redacted):
    """Wherever a record says which run it is about, all files say the same."""
    records = [json.loads(line) for file in files_below(redacted) for line in text_of(redacted / file).splitlines()]
    properties = [record["properties"] for record in records if "properties" in record]
    names = {p.get("runId", p.get("jobName")) for p in properties} - {None}
    assert len(names) == 1
    assert re.fullmatch(r"run-[A-Z0-9]{4}-[a-z2-7]{26}", names.pop())


def test_redacting_twice_changes_nothing(lethe, redacted, profile):
    lethe.redact("clean", "-o", "again/", "--policy", profile, "--key-file", "key")
    for file in files_below(redacted):
        once, twice = text_of(redacted / file), text_of(lethe.folder / "again" / file)
        if profile == "hbi":   # an address stands for an address, so it is one again
            once, twice = ADDRESS.sub("address", once), ADDRESS.sub("address", twice)
        assert twice == once, file
