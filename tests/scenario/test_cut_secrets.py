"""Secrets cut in two at every byte, by chunks of HTTP, by segments of TCP and by blocks of gzip: what comes out is what comes out uncut."""
import gzip
import json
import socket
import zlib

import pytest

from conftest import wait_for
from running import free_port
from streaming import Run

SECRETS = ["Heron!Lake_4471-Sandpiper", "ghp_aB3dE6gH9jK2mN5pQ8sT1vW4xY7zA0cD3fG6", "Zm9yZ2VkLXNpZ25hdHVyZS1ub3QtcmVhbC0xMjM0NTY3OA%3D%3D"]
URL = f"https://acct.blob.core.windows.net/c/b?sv=2022-11-02&sp=rl&se=2026-11-03T00:00:00Z&sr=b&sig={SECRETS[2]}"
RECORD = json.dumps({"password": SECRETS[0], "note": f"pushed with {SECRETS[1]} and more", "u": json.dumps({"url": URL})}).encode() + b"\n"
HEAD = b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CONFIG = """sources:
  - {{name: in, type: http, listen: "127.0.0.1:{port}"}}
sinks:
  - {{name: out, type: file, path: "{folder}/out.jsonl", sync: never}}
"""


def is_clean(lines):
    """All alike, and nothing of a secret is left."""
    [line] = set(lines)
    return b"[redacted:" in line and not any(secret[i:i + 8].encode() in line for secret in SECRETS for i in range(len(secret) - 7))


def in_chunks(data, cut):
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (data[:cut], data[cut:])) + b"0\r\n\r\n"


def packed(data, cut):
    """The two parts in blocks of their own, with nothing shared between them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data[:cut]) + packer.flush(zlib.Z_FULL_FLUSH) + packer.compress(data[cut:]) + packer.flush()


@pytest.fixture(scope="module")
def receiver(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("receiver"), free_port()
    run = Run(folder, CONFIG.format(port=port, folder=folder))
    run.port = port
    with run:
        yield run


def answers(port, requests):
    """Each request is a list of pieces, sent one by one."""
    with socket.create_connection(("127.0.0.1", port), timeout=180) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pieces in requests:
            for piece in pieces:
                connection.sendall(piece)
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(65536)
            yield answer.split(b" ")[1]


def lines_since(receiver, count):
    """The lines of the output behind the first `count`; in this sink's file are all that were answered."""
    return (receiver.folder / "out.jsonl").read_bytes().splitlines()[count:]


@pytest.mark.parametrize("form", ["chunks", "segments", "gzip"])
def test_a_secret_cut_on_its_way_in_comes_out_as_uncut(receiver, form):
    path = receiver.folder / "out.jsonl"
    before = len(path.read_bytes().splitlines()) if path.exists() else 0
    cuts = range(1, len(RECORD))
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(RECORD)
    requests = {
        "chunks": lambda cut: [in_chunks(RECORD, cut)],
        "segments": lambda cut: [whole + RECORD[:cut], RECORD[cut:]],
        "gzip": lambda cut: [HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed(RECORD, cut)), packed(RECORD, cut)],
    }[form]
    assert set(answers(receiver.port, map(requests, cuts))) == {b"200"}
    wait_for(lambda: len(lines_since(receiver, before)) >= len(cuts))
    assert len(lines_since(receiver, before)) == len(cuts) and is_clean(lines_since(receiver, before))


def test_a_secret_cut_by_blocks_and_members_of_a_packed_file_comes_out_as_uncut(lethe, tmp_path):
    (tmp_path / "in").mkdir()
    for cut in range(1, len(RECORD)):
        (tmp_path / f"in/blocks-{cut}.gz").write_bytes(packed(RECORD, cut))
        (tmp_path / f"in/members-{cut}.gz").write_bytes(gzip.compress(RECORD[:cut]) + gzip.compress(RECORD[cut:]))
    done = lethe.redact("in")
    assert done.returncode == 0 and done.stdout.count(b"\n") == 2 * (len(RECORD) - 1) and is_clean(done.stdout.splitlines())
