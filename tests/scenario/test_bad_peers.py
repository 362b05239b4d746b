"""TLS with those that nobody should speak with: not one byte of a record or of a credential reaches them, whatever the environment says.

Each story is one run with a sink (or a source) and all bad peers at once, and a good one, so that it is seen that something is sent. The
environment of all of them is that of somebody who can set variables and wants to read along. What it came to stands in
`figures.json` in the story's folder and among the properties of the test."""
import contextlib
import json
import socket
import ssl
import subprocess
import warnings

import pytest

from bad_peers import BadCertificates, BadPeer, hangs_up, says, server_context
from conftest import LONG, wait_for
from running import free_port
from streaming import Run, records

warnings.filterwarnings("ignore", message="ssl.TLSVersion", category=DeprecationWarning)
pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
CANARY, SECRET, NETRC = "canary-Heron-4471", "s3cret-Word-3141", "n3trc-Word-2718"
TLS = ssl.TLSVersion
BY_ADDRESS = {"wildcard for addresses", "address as a name", "name without address"}   # asked for as 127.0.0.1, the others as localhost
OTHERS = {   # what is wrong with them is not the certificate; each gets a good one to make its context with
    "TLS 1.1": lambda good: BadPeer(server_context(good, TLS.TLSv1_1)),
    "TLS 1.0": lambda good: BadPeer(server_context(good, TLS.TLSv1)),
    "no encryption": lambda good: BadPeer(server_context(good, ciphers="eNULL")),
    "nobody's certificate": lambda good: BadPeer(server_context(None, ciphers="aNULL")),
    "plain HTTP": lambda good: BadPeer(greet=says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 17\r\n\r\n" + CANARY.encode())),
    "hangs up": lambda good: BadPeer(greet=hangs_up),
    "breaks off": lambda good: BadPeer(greet=says(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + bytes(20))),
}
SINKS = {
    "webhook": 'type: http, gzip: false, url: "https://{host}:{port}/hook", token: ' + SECRET,
    "syslog": "type: syslog, host: {host}, port: {port}, transport: tls",
    "kafka": 'type: kafka, brokers: ["{host}:{port}"], topic: t, user: amy, password: ' + SECRET,
}
if LONG:   # the same client as the webhook's
    SINKS["appinsights"] = ('type: appinsights, connection_string: "InstrumentationKey=00000000-1e7e-4a57-8a5e-feedfacecafe;'
                            'IngestionEndpoint=https://{host}:{port}/"')
LOWEST = "openssl_conf=a\n[a]\nssl_conf=b\n[b]\nsystem_default=c\n[c]\nMinProtocol=TLSv1\nCipherString=ALL:eNULL:aNULL:@SECLEVEL=0\n"   # for OpenSSL
NAME, ISSUER = "for another name", "unable to get local issuer certificate"
WHY = {   # what is said of each, by whom: over HTTP, and by syslog and kafka, which have OpenSSL's own words for names
    "expired": ("certificate has expired",), "self-signed": ("self-signed certificate",), "not yet valid": ("certificate is not yet valid",),
    "other host": (NAME, "hostname mismatch"), "wildcard for all": (NAME, "hostname mismatch"), "wildcard in a name": (NAME, "hostname mismatch"),
    "wildcard for addresses": (NAME, "IP address mismatch"), "address as a name": (NAME, "IP address mismatch"),
    "name without address": (NAME, "IP address mismatch"),
    "other authority": (ISSUER,), "intermediate missing": (ISSUER,), "trusted by the environment": (ISSUER,), "issued by no authority": ("invalid CA certificate",),
    "only for clients": ("unsuitable certificate purpose",), "sha-1": ("CA signature digest algorithm too weak",),
}
NO_TLS = ("no TLS with", "TLS with", "no trusted connection", "check brokers, security")   # of all others; "is it TLS 1.2 or newer" for those that answered


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    return BadCertificates(tmp_path_factory.mktemp("bad-certificates"))


class Story:
    def __init__(self, kind, bad, folder):
        self.kind, self.folder, self.peers = kind, folder, {}
        for name, pair in bad.pairs.items():
            self.peers[name] = BadPeer(server_context(pair, TLS.TLSv1_2, TLS.TLSv1_2) if name == "sha-1" else server_context(pair))
        self.peers |= {name: make(bad.localhost) for name, make in OTHERS.items()}
        self.peers["trusted by the environment"] = BadPeer(server_context(bad.pairs["other authority"]))
        self.good, self.proxy = BadPeer(server_context(bad.localhost)), BadPeer()
        sinks = [self.sink(n, name, peer, "" if name.startswith("trusted") else f', ca_file: "{bad.ca}"') for n, (name, peer) in enumerate(self.all())]
        config = "sources:\n  - {name: in, type: stdin}\nsinks:\n" + "\n".join(sinks) + "\n"
        self.run = Run(folder, config, **self.environment(bad))

    def all(self):
        return [*self.peers.items(), ("good", self.good)]

    def sink(self, n, name, peer, more):
        host = "127.0.0.1" if name in BY_ADDRESS else "localhost"
        return f"  - {{name: s{n}, {SINKS[self.kind].format(host=host, port=peer.port)}{more}}}"

    def environment(self, bad):
        """Of somebody who has an authority and a proxy of his own."""
        home = self.folder / "home"
        home.mkdir()
        (home / ".netrc").write_text(f"machine localhost login amy password {NETRC}\nmachine 127.0.0.1 login amy password {NETRC}\n")
        (home / "openssl.cnf").write_text(LOWEST)
        folder = home / "authorities"
        folder.mkdir()
        name = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", bad.other_ca], capture_output=True, text=True, check=True).stdout.strip()
        (folder / f"{name}.0").write_text(bad.other_ca.read_text())
        proxy, files = f"http://127.0.0.1:{self.proxy.port}", dict.fromkeys(("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"), str(bad.other_ca))
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"), proxy)
        return {**files, **proxies, "SSLKEYLOGFILE": str(home / "keys.log"), "SSL_CERT_DIR": str(folder), "HOME": str(home), "NETRC": str(home / ".netrc"),
                "OPENSSL_CONF": str(home / "openssl.cnf")}

    def told(self):
        """What the log says of the sink of each peer."""
        parts = {f"s{n}": name for n, (name, _) in enumerate(self.all())}
        said = {name: "" for name in parts.values()}
        for line in map(json.loads, self.run.log.read_text().splitlines()):
            if line["part"] in parts:
                said[parts[line["part"]]] += line["message"] + "\n"
        return said

    def tell(self):
        self.run.start(stdin=subprocess.PIPE)
        self.run.process.stdin.write(f"{CANARY}\n".encode() * 20)
        self.run.process.stdin.close()
        wait_for(lambda: all(said for name, said in self.told().items() if name != "good"))
        wait_for(lambda: self.good.payload)

    def end(self):
        self.run.__exit__()
        for peer in (*self.peers.values(), self.good, self.proxy):
            peer.close()


@pytest.fixture(scope="module", params=SINKS)
def story(request, bad, tmp_path_factory):
    told = Story(request.param, bad, tmp_path_factory.mktemp(f"bad-peers-{request.param}"))
    try:
        told.tell()
        yield told
    finally:
        told.end()


def as_it_should_be(kind, name, text):
    """What is wrong, and where to look."""
    if name not in WHY:
        return any(words in text for words in NO_TLS) and CANARY not in text
    look = {"kafka": "ca_file", "syslog": "ca_file"}.get(kind, "nothing was sent")
    return WHY[name][-1 if kind in ("kafka", "syslog") else 0] in text and look in text


def test_no_bad_peer_gets_a_byte_and_each_is_told_for_what_it_is(story, record_property):
    sent = {name: peer.payload for name, peer in story.peers.items()}
    figures = {"kind": story.kind, "bad peers": len(sent), "payload bytes to bad peers": sum(map(len, sent.values()))}
    (story.folder / "figures.json").write_text(json.dumps(figures))
    for figure in figures.items():
        record_property(*figure)
    assert not any(sent.values()), sent
    said = story.told()
    assert [] == [(name, said[name]) for name in story.peers if not as_it_should_be(story.kind, name, said[name])]
    for name, peer in story.peers.items():
        assert peer.connections > 0 and CANARY.encode() not in peer.raw and SECRET.encode() not in peer.raw, name
    assert not story.run.logged(CANARY) and not story.run.logged(SECRET)
    assert story.proxy.connections == 0 and not (story.folder / "home/keys.log").exists()
    assert NETRC.encode() not in story.good.payload
    if story.kind == "webhook":
        assert SECRET.encode() in story.good.payload   # so that it is seen that the counters would see it


def send_line(run):
    run.process.stdin.write(f"{CANARY}\n".encode())
    run.process.stdin.flush()


def test_a_certificate_that_changes_while_it_runs_is_noticed(bad, tmp_path):
    peers = {kind: BadPeer(server_context(bad.localhost)) for kind in SINKS}
    sinks = [f"  - {{name: {kind}, {SINKS[kind].format(host='localhost', port=peer.port)}, ca_file: \"{bad.ca}\"}}\n" for kind, peer in peers.items()]
    run = Run(tmp_path, "sources:\n  - {name: in, type: stdin}\nsinks:\n" + "".join(sinks))
    with contextlib.ExitStack() as stack:
        for peer in peers.values():
            stack.enter_context(peer)
        run.start(stdin=subprocess.PIPE)
        stack.push(run)
        send_line(run)
        wait_for(lambda: all(peer.payload for peer in peers.values()))
        for peer in peers.values():
            peer.context = server_context(bad.self_signed)
            peer.cut()
        send_line(run)
        wait_for(lambda: all(peer.since(peer.context)[1] > 1 for peer in peers.values()))   # it was tried again
        run.kill()
        assert {kind: peer.since(peer.context)[0] for kind, peer in peers.items()} == dict.fromkeys(peers, b"")


# --- Clients of the source ------------------------------------------------------------------------------------------------------

REQUEST = b'POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s'


def client_context(pair=None, **more):
    """Takes any server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if more:
        context.set_ciphers(more.get("ciphers", "ALL") + ":@SECLEVEL=0")
        context.minimum_version, context.maximum_version = TLS.TLSv1, more.get("most", TLS.TLSv1_2)
    if pair:
        context.load_cert_chain(*map(str, pair))
    return context


def bad_clients(bad):
    """By what is wrong with them: how they are secured; None: not at all."""
    names = ["expired", "self-signed", "not yet valid", "other authority", "intermediate missing", "issued by no authority", "sha-1"]
    clients = {name: client_context(bad.pairs[name], **({"most": TLS.TLSv1_2} if name == "sha-1" else {})) for name in names}
    return {**clients, "only for servers": client_context(bad.issue("host", "extendedKeyUsage=serverAuth")), "no certificate": client_context(),
            "TLS 1.1": client_context(bad.client, most=TLS.TLSv1_1), "TLS 1.0": client_context(bad.client, most=TLS.TLSv1),
            "no encryption": client_context(bad.client, ciphers="eNULL"), "nobody's certificate": client_context(ciphers="aNULL"), "plain HTTP": None}


def post(port, context, body):
    """What is answered; nothing if the connection ends without."""
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=180) as connection:
        if context:
            connection = context.wrap_socket(connection)
        with connection:
            connection.sendall(REQUEST % (len(body), body))
            while data := connection.recv(65536):
                answer += data
                if answer.startswith(b"HTTP/1.1 200"):
                    break
    return answer


def test_no_bad_client_is_served(bad, tmp_path, record_property):
    port, clients = free_port(), bad_clients(bad)
    (tmp_path / "openssl.cnf").write_text(LOWEST)
    config = f"""sources:
  - {{name: in, type: http, listen: "127.0.0.1:{port}", certificate: "{bad.localhost[0]}", key: "{bad.localhost[1]}", client_ca: "{bad.ca}"}}
sinks:
  - {{name: out, type: file, path: "{tmp_path}/out.jsonl", sync: never}}
"""
    with Run(tmp_path, config, OPENSSL_CONF=str(tmp_path / "openssl.cnf"), SSL_CERT_FILE=str(bad.other_ca), SSLKEYLOGFILE=str(tmp_path / "keys.log")) as run:
        for number, (name, context) in enumerate(clients.items()):
            assert post(port, context, b'{"bad":"%s"}' % CANARY.encode()) == b"", name
            assert post(port, client_context(bad.client), b'{"good":%d}' % number).startswith(b"HTTP/1.1 200"), name
        assert [r["good"] for r in records(tmp_path / "out.jsonl")] == list(range(len(clients)))
        assert not run.logged(CANARY) and not (tmp_path / "keys.log").exists()
    record_property("bad clients", len(clients))
