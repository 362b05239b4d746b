"""Blobs as inputs, from a storage service of our own on loopback that does what it is told, faults included."""
import json
import os
import urllib.parse

import pytest

from blob_storage import Storage, cut, garbage, silence
from conftest import files_below

KEY = "bm90IGEga2V5LCBidXQgaW52ZW50ZWQgZm9yIHRlc3Rz"
RECORD = b'{"password":"Fake!River-Trout_1987","n":1}\n'
CLEAN = b'{"password":"[redacted:sensitive-name]","n":1}\n'


@pytest.fixture
def storage():
    storage = Storage()
    yield storage
    storage.stop()


@pytest.fixture
def logs(storage, tmp_path):
    """The address of a container, its key in `key`, a signature in `sas`."""
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "sas").write_text("?sv=2020-12-06&sig=s3cret%3D\n")
    return f"{storage.url}/acc/logs"


def test_all_pages_of_a_listing_are_read(lethe, storage, logs):
    storage.page = 2
    for i in range(7):
        storage.put(f"a/{i}.json", RECORD)
    storage.put("b", b'{"b":1}\n')
    run = lethe.redact(f"{logs}/a/", "--account-key-file", "key")
    assert (run.returncode, run.stdout) == (0, 7 * CLEAN), run.stderr


def test_a_busy_service_gets_the_time_that_it_asks_for(lethe, storage, logs):
    storage.put("a", RECORD)
    storage.faults = [None, lambda h: h.reply(503, Retry_After="1")]
    run = lethe.redact(logs, "--sas-file", "sas")
    assert (run.returncode, run.stdout) == (0, CLEAN), run.stderr
    first, second = storage.requests[-2:]
    assert second.received - first.received >= 1


@pytest.mark.parametrize("fault", [cut, garbage, silence])
def test_what_breaks_off_is_read_again_and_nothing_is_there_twice(lethe, storage, logs, fault):
    storage.put("a", RECORD)
    storage.faults = [None, fault]
    run = lethe.redact(logs, "--account-key-file", "key", "-o", "out/")
    assert run.returncode == 0, run.stderr
    assert (lethe.folder / "out/a").read_bytes() == CLEAN


def test_a_redirect_is_reported_and_not_followed(lethe, storage, logs):
    storage.put("a", RECORD)
    elsewhere = Storage()
    try:
        storage.faults = [lambda h: h.reply(307, Location=elsewhere.url + h.path)]
        run = lethe.redact(logs, "--sas-file", "sas")
    finally:
        elsewhere.stop()
    assert run.returncode == 1
    assert b"redirects are not followed" in run.stderr
    assert elsewhere.requests == []
    assert b"s3cret" not in run.stderr


def test_a_blob_that_fails_leaves_the_others(lethe, storage, logs):
    for name in ["a", "b", "c"]:
        storage.put(name, RECORD)
    storage.faults = [None, None, lambda h: h.reply(403, b"s3cret", x_ms_error_code="AuthorizationFailure")]
    run = lethe.redact(logs, "--account-key-file", "key", "-o", "out/")
    assert run.returncode == 1
    assert f"cannot read '{logs}/b': '127.0.0.1:".encode() in run.stderr and b"403 AuthorizationFailure" in run.stderr
    assert b"s3cret" not in run.stderr
    assert files_below(lethe.folder / "out") == ["a", "c"]


def test_a_prefix_without_blobs_is_an_input_that_cannot_be_opened(lethe, logs):
    run = lethe.redact(f"{logs}/none", "--account-key-file", "key")
    assert run.returncode == 1
    assert f"cannot open '{logs}/none': no such file or directory".encode() in run.stderr.lower()


def test_names_lead_nowhere_else(lethe, storage, logs):
    names = ["../up", "/top", "a//b", "a/./c", "a/../../d", "e/..", "f/", "..g/.h", "i\\j"]
    for name in names:
        storage.put(name, RECORD)
    run = lethe.redact(logs, "--account-key-file", "key", "-o", "deep/out/")
    assert run.returncode == 0, run.stderr
    assert files_below(lethe.folder / "deep/out") == sorted(
        ["%2E%2E/up", "%2F/top", "a/%2F/b", "a/%2E/c", "a/%2E%2E/%2E%2E/d", "e/%2E%2E", "f/%2F", "..g/.h", "i\\j"])
    assert files_below(lethe.folder / "deep") == ["out/" + name for name in files_below(lethe.folder / "deep/out")]


def test_below_a_prefix_names_begin_behind_its_last_slash(lethe, storage, logs):
    storage.put("x/y=2026/m=11/a.json", RECORD)
    lethe.redact(f"{logs}/x/y%3D20", "--account-key-file", "key", "-o", "out/")
    assert files_below(lethe.folder / "out") == ["y=2026/m=11/a.json"]


def reads(storage):
    return [urllib.parse.urlsplit(request.path).path.rsplit("/", 1)[1] for request in storage.requests if "x-ms-range" in request.headers]


def test_resume_reads_only_versions_that_it_has_not_read(lethe, storage, logs):
    for name in ["a", "b", "c"]:
        storage.put(name, RECORD)
    storage.faults = [None, None, None] + [lambda h: h.reply(403)]
    assert lethe.redact(logs, "--account-key-file", "key", "-o", "out/", "--resume").returncode == 1
    storage.requests.clear()
    storage.put("a", 2 * RECORD)   # at the same second, as the service tells it
    assert lethe.redact(logs, "--account-key-file", "key", "-o", "out/", "--resume").returncode == 0
    assert reads(storage) == ["a", "c"]
    assert (lethe.folder / "out/a").read_bytes() == 2 * CLEAN
    storage.requests.clear()
    assert lethe.redact(logs, "--account-key-file", "key", "-o", "out/", "--resume").returncode == 0
    assert reads(storage) == []


# --- Credentials ---------------------------------------------------------------------------------------------------------

def test_a_signature_in_an_address_is_refused_and_not_repeated(lethe, storage, logs):
    run = lethe.redact(f"{logs}/a?sv=2020-12-06&sig=s3cret")
    assert run.returncode == 2
    assert b"give --sas-file FILE" in run.stderr
    assert b"s3cret" not in run.stderr
    assert storage.requests == []


@pytest.mark.parametrize("options, said", [
    (["--account-key-file", "key", "--sas-file", "sas"], b"give one of"),
    (["--account-key-file", "none"], b"cannot read the account key from 'none': no such file"),
    (["--account-key-file", "bad"], b"the account key is not base64"),
    (["--sas-file", "bad"], b"holds no shared access signature"),
    (["--connection-string-file", "bad"], b"the connection string of storage is wrong: part 1 is not KEY=VALUE"),
    (["--connection-string-file", "other"], b"the address is not below it"),
    (["--sas-file", "sas", "--ca-file", "none"], b"cannot read the CA file 'none'"),
])
def test_credentials_that_cannot_be_are_told_before_anything_is_sent(lethe, storage, logs, options, said):
    (lethe.folder / "bad").write_text("s3cret!")
    (lethe.folder / "other").write_text(f"AccountName=other;AccountKey={KEY}")
    run = lethe.redact(logs, *options)
    assert run.returncode == 2
    assert said in run.stderr, run.stderr
    assert b"s3cret" not in run.stderr and KEY.encode() not in run.stderr
    assert storage.requests == []


def environment(**more):
    return {**{name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "IDENTITY_", "MSI_"))}, **more}


def test_without_files_an_identity_of_the_environment_is_used(lethe, storage, logs):
    storage.put("a", RECORD)
    (lethe.folder / "federated").write_text("ey.federated")
    storage.faults = [lambda h: h.reply(200, json.dumps({"access_token": "t0ken", "expires_in": 3600}).encode())]
    run = lethe.redact(logs, env=environment(AZURE_AUTHORITY_HOST=storage.url, AZURE_TENANT_ID="t", AZURE_CLIENT_ID="c",
                                             AZURE_FEDERATED_TOKEN_FILE=str(lethe.folder / "federated")))
    assert (run.returncode, run.stdout) == (0, CLEAN), run.stderr
    assert [request.headers["Authorization"] for request in storage.requests] == [None, "Bearer t0ken", "Bearer t0ken"]


def test_a_refused_identity_is_told_by_its_number(lethe, storage, logs):
    storage.faults = [lambda h: h.reply(401, b'{"error_description":"AADSTS7000215: s3cret","error_codes":[7000215]}')]
    run = lethe.redact(logs, env=environment(AZURE_AUTHORITY_HOST=storage.url, AZURE_TENANT_ID="t", AZURE_CLIENT_ID="c",
                                             AZURE_CLIENT_SECRET="s3cret"))
    assert run.returncode == 1
    assert b"AADSTS7000215: the client secret is wrong" in run.stderr
    assert b"s3cret" not in run.stderr


@pytest.mark.parametrize("address", ["https://storage.example/logs/", "https://203.0.113.5/acc/logs", "https://acc.blob.core.windows.net.example/logs"])
def test_a_token_goes_to_storage_only(lethe, storage, address):
    run = lethe.redact(address, env=environment(IDENTITY_ENDPOINT=storage.url, IDENTITY_HEADER="h"))
    assert run.returncode == 2
    assert storage.requests == []


@pytest.mark.parametrize("address", ["https://acc.blob.core.windows.net", "https://acc.blob.core.windows.net/", "http://127.0.0.1:1/acc",
                                     "https:///x", "https://acc.blob.core.windows.net/no_such_name/x"])
def test_an_address_names_account_and_container(lethe, logs, address):
    run = lethe.redact(address, "--account-key-file", "key")
    assert run.returncode == 2
    assert b"an address names an account and a container" in run.stderr


def test_plain_http_goes_no_further_than_this_machine(lethe, logs):
    run = lethe.redact("http://203.0.113.5/acc/logs", "--account-key-file", "key")
    assert run.returncode != 0
    assert b"would be spoken to without TLS; use https" in run.stderr


# --- The other commands -------------------------------------------------------------------------------------------------

def test_scan_and_explain_read_blobs_as_well(lethe, storage, logs):
    storage.put("a", RECORD)
    run = lethe.run("scan", logs, "--account-key-file", "key")
    assert run.returncode == 3 and f"{logs}/a:1".encode() in run.stdout
    run = lethe.run("explain", logs, "--account-key-file", "key")
    assert run.returncode == 0 and b"sensitive-name" in run.stdout
