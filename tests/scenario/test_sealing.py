"""Withheld records, sealed and opened again: by the program, and by a reader of our own after RFC 9180."""
import base64
import gzip
import hashlib
import hmac
import json
import stat
import subprocess

import pytest

IN = b'{"a":1}\n{"user":tru}\n{"b":"\xff"}\nplain text\n'
WITHHELD = [b'{"user":tru}', b'{"b":"\xff"}']


@pytest.fixture
def keys(lethe):
    assert lethe.run("keygen", "--seal", "-o", "audit.key").returncode == 0


def seal(lethe, text=IN, *more):
    (lethe.folder / "in.jsonl").write_bytes(text)
    return lethe.redact("in.jsonl", "-o", "out.jsonl", "--sealed", "withheld.jsonl", "--seal-key", "audit.key.pub", *more)


def unseal(lethe, *more, name="withheld.jsonl", key="audit.key"):
    return lethe.run("unseal", name, "--key-file", key, *more)


# --- A reader of our own -------------------------------------------------------------------------------------------------

def extract(suite, salt, label, ikm):
    return hmac.digest(salt, b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(suite, prk, label, info, length):
    return hmac.digest(prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info + b"\x01", "sha256")[:length]


def hpke_open(private, info, sequence, associated, sealed):
    """Base mode of RFC 9180 with KEM 0x0020, KDF 0x0001, AEAD 0x0002; outputs of the KDF are at most one hash long."""
    x25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.x25519", reason="no python3-cryptography")
    aead = pytest.importorskip("cryptography.hazmat.primitives.ciphers.aead", reason="no python3-cryptography")
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization", reason="no python3-cryptography")
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"
    enc, ciphertext = sealed[:32], sealed[32:]
    key = serialization.load_pem_private_key(private, None)
    own = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    dh = key.exchange(x25519.X25519PublicKey.from_public_bytes(enc))
    shared = expand(kem, extract(kem, b"", b"eae_prk", dh), b"shared_secret", enc + own, 32)
    context = b"\x00" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
    secret = extract(suite, shared, b"secret", b"")
    base = int.from_bytes(expand(suite, secret, b"base_nonce", context, 12), "big")
    nonce = (base ^ sequence).to_bytes(12, "big")
    return hashlib.sha256(own).hexdigest()[:16], aead.AESGCM(expand(suite, secret, b"key", context, 32)).decrypt(nonce, ciphertext, associated)


def test_another_program_can_open_what_is_sealed(lethe, keys):
    seal(lethe)
    private = (lethe.folder / "audit.key").read_bytes()
    opened = []
    for line in (lethe.folder / "withheld.jsonl").read_bytes().splitlines():
        record = json.loads(line)
        associated = line[:line.index(b',"sealed"')]
        sealed = base64.b64decode(record["sealed"], validate=True)
        key, raw = hpke_open(private, b"lethe sealed record 1", record["sequence"], associated, sealed)
        assert key == record["key"]
        opened.append(raw)
        assert record["sequence"] == len(opened) - 1   # of one batch
    assert opened == WITHHELD


# --- Sealing -------------------------------------------------------------------------------------------------------------

def test_withheld_records_are_kept_with_what_is_known_and_cannot_be_read(lethe, keys):
    run = seal(lethe)
    assert run.returncode == 3
    text = (lethe.folder / "withheld.jsonl").read_bytes()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["source"], line["line"], line["offset"], line["reason"]) for line in lines] == [
        ("in.jsonl", 2, 8, "syntax"), ("in.jsonl", 3, 21, "utf8")]
    assert b"user" not in text and base64.b64encode(b"user") not in text
    assert (lethe.folder / "out.jsonl").read_bytes() == b'{"a":1}\n{"message":"plain text"}\n'
    assert stat.S_IMODE((lethe.folder / "withheld.jsonl").stat().st_mode) == 0o600


def test_when_nothing_is_withheld_the_file_is_empty(lethe, keys):
    assert seal(lethe, b'{"a":1}\n').returncode == 0
    assert (lethe.folder / "withheld.jsonl").read_bytes() == b""


@pytest.mark.parametrize("jobs", [1, 3])
def test_sealed_records_have_the_order_of_the_input(lethe, keys, jobs):
    text = b"".join(b'{"n":%d,"note":"%s"}\n{"n":%d,\n' % (n, b"plain words " * 20, n) for n in range(20000))
    assert seal(lethe, text, "--jobs", jobs).returncode == 3
    lines = [json.loads(line)["line"] for line in (lethe.folder / "withheld.jsonl").read_bytes().splitlines()]
    assert lines == sorted(lines)
    run = unseal(lethe, "--format", "raw")
    assert run.stdout == b"".join(b'{"n":%d,\n' % n for n in range(20000))


def test_what_the_second_gate_withholds_is_sealed_too(lethe, keys):
    """A policy that keeps secrets stands in for a redaction that misses them."""
    (lethe.folder / "blind.yaml").write_text("extends: standard\nclasses: {secret: keep}\n")
    missed = b'{"note":"x ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8 y"}'
    seal(lethe, IN + missed + b"\n", "--second-gate", "--policy", "blind.yaml")
    assert b"ghp_" not in (lethe.folder / "withheld.jsonl").read_bytes()
    opened = [json.loads(line) for line in unseal(lethe).stdout.splitlines()]
    assert [record["reason"] for record in opened] == ["syntax", "utf8", "gate"]
    assert opened[2]["raw"].encode() == missed and opened[2]["line"] == 5


def test_a_name_in_gz_is_packed_and_opened_again(lethe, keys):
    (lethe.folder / "in.jsonl").write_bytes(IN)
    lethe.redact("in.jsonl", "-o", "out.jsonl", "--sealed", "withheld.jsonl.gz", "--seal-key", "audit.key.pub")
    assert len(gzip.decompress((lethe.folder / "withheld.jsonl.gz").read_bytes()).splitlines()) == 2
    assert unseal(lethe, "--format", "raw", name="withheld.jsonl.gz").stdout == b"\n".join(WITHHELD) + b"\n"


def test_the_record_at_which_strict_stops_is_kept(lethe, keys):
    run = seal(lethe, IN, "--strict")
    assert run.returncode == 3
    assert WITHHELD[0] in unseal(lethe, "--format", "raw").stdout


def test_a_sealed_file_that_cannot_be_written_is_told_and_the_rest_is_done(lethe, keys, small_disk):
    text = b"".join(b'{"n":%d,"note":"%s\n' % (n, b"x" * 1000) for n in range(1000)) + b'{"last":1}\n'
    (lethe.folder / "in.jsonl").write_bytes(text)
    run = lethe.redact("in.jsonl", "-o", "out.jsonl", "--sealed", small_disk / "withheld.jsonl", "--seal-key", "audit.key.pub")
    assert run.returncode == 1
    assert b"no space left on device; withheld records are not kept" in run.stderr
    assert (lethe.folder / "out.jsonl").read_bytes().endswith(b'{"last":1}\n')
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("arguments, message", [
    (["--sealed", "w"], b"--sealed FILE and --seal-key PUBLIC-KEY go together"),
    (["--seal-key", "audit.key.pub"], b"--sealed FILE and --seal-key PUBLIC-KEY go together"),
    (["--sealed", "-", "--seal-key", "audit.key.pub"], b"--sealed needs a file"),
    (["--sealed", "out.jsonl", "--seal-key", "audit.key.pub"], b"the sealed file 'out.jsonl' is also the output"),
    (["--sealed", "in.jsonl", "--seal-key", "audit.key.pub"], b"the sealed file 'in.jsonl' is also an input"),
    (["--sealed", "r.json", "--seal-key", "audit.key.pub", "--report", "r.json"], b"the sealed file 'r.json' is also the report"),
    (["--sealed", "w", "--seal-key", "audit.key.pub", "--resume"], b"--sealed does not go with --resume"),
    (["--sealed", "w", "--seal-key", "audit.key"], b"key file 'audit.key' is not the public key but the other one of the pair"),
    (["--sealed", "w", "--seal-key", "none"], b"cannot open key file 'none': no such file or directory"),
])
def test_impossible_wishes_are_refused_before_anything_is_done(lethe, keys, arguments, message):
    (lethe.folder / "in.jsonl").write_bytes(IN)
    run = lethe.redact("in.jsonl", "-o", "out.jsonl", *arguments)
    assert (run.returncode, run.stderr) == (2, b"lethe: " + message + b"\n")
    assert not (lethe.folder / "out.jsonl").exists()
    assert (lethe.folder / "in.jsonl").read_bytes() == IN


# --- Opening -------------------------------------------------------------------------------------------------------------

def test_a_record_comes_out_with_what_is_known_of_it(lethe, keys):
    seal(lethe)
    run = unseal(lethe, "-o", "raw.jsonl")
    assert run.returncode == 0
    assert stat.S_IMODE((lethe.folder / "raw.jsonl").stat().st_mode) == 0o600
    first, second = [json.loads(line) for line in (lethe.folder / "raw.jsonl").read_bytes().splitlines()]
    assert first["raw"] == '{"user":tru}'
    assert (first["source"], first["line"], first["offset"], first["fault_at"], first["reason"]) == ("in.jsonl", 2, 8, 19, "syntax")
    assert "raw" not in second and base64.b64decode(second["raw_base64"]) == WITHHELD[1]


def test_a_record_that_was_too_long_is_told_without_its_bytes(lethe, keys):
    seal(lethe, b'{"a":"' + b"x" * 3000000 + b'"}\n{"b":1}\n')
    run = unseal(lethe)
    record, = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0 and (record["reason"], record["raw"]) == ("length", None)
    assert unseal(lethe, "--format", "raw").stdout == b""


def test_a_line_that_cannot_be_opened_is_told_and_the_rest_goes_on(lethe, keys):
    seal(lethe)
    first, second = (lethe.folder / "withheld.jsonl").read_bytes().splitlines()
    lines = [b'{"a":"line of something else"}', first.replace(b'"line":2', b'"line":3'), b"", second[:-20], second, first + b"\r"]
    (lethe.folder / "mixed").write_bytes(b"\n".join(lines))
    run = unseal(lethe, "--format", "raw", name="mixed")
    assert run.stdout == WITHHELD[1] + b"\n" + WITHHELD[0] + b"\n"
    assert run.returncode == 1
    assert run.stderr == (b"lethe: mixed:1: not a sealed record\nlethe: mixed:2: damaged: the record cannot be opened\n"
                          b"lethe: mixed:4: damaged: the record cannot be opened\nlethe: 2 records opened, 0 not kept, 3 lines refused\n")


def test_the_wrong_key_is_told_by_name(lethe, keys):
    seal(lethe)
    lethe.run("keygen", "--seal", "-o", "other.key")
    run = unseal(lethe, "--quiet", key="other.key")
    key = json.loads((lethe.folder / "withheld.jsonl").read_bytes().splitlines()[0])["key"].encode()
    assert run.returncode == 1 and run.stdout == b""
    assert run.stderr.startswith(b"lethe: withheld.jsonl:1: sealed to key " + key + b", and this is key ")


def test_no_more_than_twenty_lines_of_a_file_are_told_one_by_one(lethe, keys):
    (lethe.folder / "other").write_bytes(b"{}\n" * 50)
    run = unseal(lethe, "--quiet", name="other")
    assert len(run.stderr.splitlines()) == 21 and run.stderr.endswith(b"lethe: other: ... and 30 more\n")


@pytest.mark.parametrize("arguments, message", [
    ([], b"unseal needs the private key: --key-file FILE"),
    (["--key-file", "audit.key.pub"], b"key file 'audit.key.pub' has mode 0644; only its owner may read it: chmod 600"),
    (["--key-file", "audit.key", "--format", "text"], b"unknown format 'text'; there are json and raw"),
    (["--key-file", "audit.key", "-o", "withheld.jsonl"], b"the output 'withheld.jsonl' is also an input"),
    (["--key-file", "audit.key", "-o", "folder/"], b"raw records go to one file, and 'folder/' is a folder"),
])
def test_what_unseal_cannot_do_it_refuses(lethe, keys, arguments, message):
    seal(lethe)
    run = lethe.run("unseal", "withheld.jsonl", *arguments)
    assert (run.returncode, run.stderr) == (2, b"lethe: " + message + b"\n")


def test_a_missing_file_is_told_and_the_others_are_opened(lethe, keys):
    seal(lethe)
    run = lethe.run("unseal", "none", "withheld.jsonl", "--key-file", "audit.key", "--format", "raw")
    assert run.returncode == 1 and b"'none'" in run.stderr
    assert run.stdout == b"\n".join(WITHHELD) + b"\n"


def test_keys_made_by_openssl_are_keys(lethe):
    def openssl(*arguments):
        try:
            subprocess.run(["openssl", *arguments], cwd=lethe.folder, check=True, stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            pytest.skip("no openssl")
    openssl("genpkey", "-algorithm", "X25519", "-out", "audit.key")
    openssl("pkey", "-in", "audit.key", "-pubout", "-out", "audit.key.pub")
    (lethe.folder / "audit.key").chmod(0o600)
    (lethe.folder / "audit.key.pub").chmod(0o644)
    seal(lethe)
    assert unseal(lethe, "--format", "raw").stdout == b"\n".join(WITHHELD) + b"\n"
