"""Blobs as inputs, from Azurite, the emulator of Azure storage; and over TLS, from servers with right and wrong certificates."""
import gzip
import http.server
import json
import os
import socket
import ssl
import threading

import pytest

from conftest import files_below

RECORD = b'{"password":"Fake!River-Trout_1987","n":1}\n'
CLEAN = b'{"password":"[redacted:sensitive-name]","n":1}\n'
HOUR = "resourceId=/SUBSCRIPTIONS/X/y=2026/m=11/d=22/h=04/m=00/PT1H.json"


@pytest.fixture
def container(azurite, tmp_path):
    container = azurite.container()
    (tmp_path / "key").write_text(azurite.key)
    (tmp_path / "sas").write_text(container.sas())
    (tmp_path / "string").write_text(azurite.connection_string)
    return container


@pytest.mark.parametrize("credentials", [["--account-key-file", "key"], ["--sas-file", "sas"], ["--connection-string-file", "string"]])
def test_blobs_are_read_with_any_credential(lethe, container, credentials):
    container.append(HOUR, RECORD, RECORD)
    container.upload("packed.json.gz", gzip.compress(RECORD))
    container.upload("empty", b"")
    run = lethe.redact(container.url, *credentials, "-o", "out/", "--report", "report.json")
    assert run.returncode == 0, run.stderr
    assert files_below(lethe.folder / "out") == sorted([HOUR, "packed.json.gz", "empty"])
    assert (lethe.folder / "out" / HOUR).read_bytes() == 2 * CLEAN
    assert gzip.decompress((lethe.folder / "out/packed.json.gz").read_bytes()) == CLEAN
    report = json.loads((lethe.folder / "report.json").read_text())
    assert report["totals"]["inputs"] == 3
    assert report["inputs"][1]["path"] == f"{container.url}/packed.json.gz"


@pytest.mark.parametrize("name", ["a b?c#d%e+f&g=h", "\u65e5\u8a8c/\U0001f4c4.json", "x&y<z>'\"", "100%25", "a;b,c:d@e!f$g*h(i)j", "~tilde/-._"])
def test_names_of_any_kind_are_found(lethe, container, name):
    container.upload(name, RECORD)
    for credentials in [["--account-key-file", "key"], ["--sas-file", "sas"]]:
        run = lethe.redact(container.url, *credentials, "-o", "out/")
        assert run.returncode == 0, run.stderr
        assert files_below(lethe.folder / "out") == [name]
        assert (lethe.folder / "out" / name).read_bytes() == CLEAN


def test_a_blob_of_many_ranges_is_read_whole(lethe, container):
    lines = b"".join(b'{"n":%d,"text":"%s"}\n' % (i, b"x" * 1000) for i in range(10000))
    container.upload("large", lines)
    run = lethe.redact(container.url, "--account-key-file", "key")
    assert run.returncode == 0, run.stderr
    assert run.stdout == lines


def test_resume_reads_what_was_appended(lethe, container):
    container.append("a", RECORD)
    container.append("b", RECORD)
    resumed = [container.url, "--account-key-file", "key", "-o", "out/", "--resume"]
    assert lethe.report(*resumed)["totals"]["inputs_skipped"] == 0
    container.append("a", RECORD)
    assert lethe.report(*resumed)["totals"]["inputs_skipped"] == 1
    assert (lethe.folder / "out/a").read_bytes() == 2 * CLEAN
    assert lethe.report(*resumed)["totals"]["inputs_skipped"] == 2


@pytest.mark.parametrize("path, credentials, said", [
    ("no-such-container", ["--account-key-file", "key"], b"404 ContainerNotFound"),
    ("{name}", ["--account-key-file", "other"], b"403 AuthorizationFailure"),
    ("{name}", ["--sas-file", "old"], b"answered 403"),
])
def test_what_the_service_refuses_is_told_without_credentials(lethe, azurite, container, path, credentials, said):
    (lethe.folder / "other").write_text("bm90IHRoaXMga2V5")
    (lethe.folder / "old").write_text(container.sas(lifetime=-60))
    run = lethe.redact(f"{azurite.url}/{path.format(name=container.name)}/", *credentials)
    assert run.returncode == 1
    assert said in run.stderr, run.stderr
    for secret in ["bm90IHRoaXMga2V5", (lethe.folder / "old").read_text().split("sig=")[1][:8]]:
        assert secret.encode() not in run.stderr


def test_the_key_works_over_tls_with_an_authority_of_our_own(lethe, tls_azurite):
    container = tls_azurite.container()
    container.upload("a", RECORD)
    (lethe.folder / "key").write_text(tls_azurite.key)
    environment = {**os.environ, "SSLKEYLOGFILE": str(lethe.folder / "keys.log")}
    run = lethe.redact(container.url, "--account-key-file", "key", "--ca-file", tls_azurite.ca_file, env=environment)
    assert (run.returncode, run.stdout) == (0, CLEAN), run.stderr
    assert not (lethe.folder / "keys.log").exists()


def test_a_token_of_a_managed_identity_is_taken(lethe, tls_azurite):
    container, token = tls_azurite.container(), tls_azurite.token()
    container.upload("a", RECORD)

    class Identity(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.headers["X-IDENTITY-HEADER"] == "h"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"access_token": token, "expires_on": "4102444800"}).encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Identity) as server:
        threading.Thread(target=server.handle_request).start()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
        environment.update(IDENTITY_ENDPOINT=f"http://127.0.0.1:{server.server_port}/token", IDENTITY_HEADER="h")
        run = lethe.redact(container.url, "--ca-file", tls_azurite.ca_file, env=environment)
    assert (run.returncode, run.stdout) == (0, CLEAN), run.stderr


@pytest.mark.parametrize("certificate, trusted, said", [
    ("wrong_host", True, b"is for another name; nothing was sent"),
    ("expired", True, b"is not trusted: certificate has expired; nothing was sent"),
    ("self_signed", True, b"is not trusted: self-signed certificate; nothing was sent"),
    ("localhost", False, b"is not trusted: unable to get local issuer certificate; nothing was sent"),
])
def test_nothing_is_sent_before_the_certificate_is_verified(lethe, certificates, certificate, trusted, said):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*getattr(certificates, certificate))
    received = []

    def serve(listener):
        connection, _ = listener.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as tls:
                received.append(tls.recv(4096))
        except OSError:
            received.append(b"")

    (lethe.folder / "sas").write_text("sv=2020-12-06&sig=s3cret")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        run = lethe.redact(f"https://localhost:{listener.getsockname()[1]}/acc/logs", "--sas-file", "sas",
                           *(["--ca-file", certificates.ca] if trusted else []))
        thread.join()
    assert run.returncode == 1
    assert said in run.stderr, run.stderr
    assert b"s3cret" not in run.stderr
    assert received == [b""]
