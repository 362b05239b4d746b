"""Peers that nobody should speak with over TLS: certificates that do not hold, protocols that are too old, and such.

    with BadPeer(server_context(certificate)) as peer: ...   # peer.port
    peer.payload      # what came inside TLS, decrypted
    peer.raw          # what came over the wire, decryption or not
"""
import contextlib
import socket
import ssl
import threading

from certificates import Certificates
from listening import Listening

LOOPBACK = "subjectAltName=DNS:localhost,IP:127.0.0.1"
LATER = ("-startdate", "20700101000000Z", "-enddate", "20710101000000Z")


def server_context(pair, most=None, least=None, ciphers=None, client_ca=None):
    """`most`, `least`: versions of TLS; whoever asks for an old one or for odd ciphers gets them, however weak they are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if most or ciphers:
        context.set_ciphers((ciphers or "ALL") + ":@SECLEVEL=0")
        context.minimum_version = least or ssl.TLSVersion.TLSv1
        context.maximum_version = most or ssl.TLSVersion.TLSv1_2
    if pair:
        context.load_cert_chain(*map(str, pair))
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(str(client_ca))
    return context


class BadPeer(Listening):
    """Listens on 127.0.0.1, counts connections and bytes, answers nothing. `greet(connection)` instead of a context: what it does with a
    connection before it only reads. `context` may be exchanged while it runs."""

    def __init__(self, context=None, greet=None):
        self.context, self.greet = context, greet
        self.lock = threading.Lock()
        self.connections = 0
        self.raw, self.payloads = bytearray(), []   # of each connection: its context and what it decrypted
        self.open = set()
        self.start_listening()

    def take(self, connection):
        with self.lock:
            self.connections += 1
            self.open.add(connection)
        threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, ssl.SSLError), connection:
            if self.greet:
                self.greet(connection)
            self._read(connection)
        with self.lock:
            self.open.discard(connection)

    def _read(self, connection):
        """TLS by hand, so that both sides of it are seen."""
        arriving, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        context, payload = self.context, bytearray()
        tls = context.wrap_bio(arriving, leaving, server_side=True) if context else None
        with self.lock:
            self.payloads.append((context, payload))
        while data := connection.recv(65536):
            with self.lock:
                self.raw += data
            if tls:
                arriving.write(data)
                try:
                    self._decrypt(tls, payload)
                finally:   # an alert is to be heard
                    connection.sendall(leaving.read())

    def _decrypt(self, tls, payload):
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
            while data := tls.read(65536):
                with self.lock:
                    payload += data

    @property
    def payload(self):
        with self.lock:
            return b"".join(bytes(payload) for _, payload in self.payloads)

    def since(self, context):
        """What came under this context, and on how many connections."""
        with self.lock:
            mine = [bytes(payload) for used, payload in self.payloads if used is context]
        return b"".join(mine), len(mine)

    def cut(self):
        """Ends what is connected."""
        with self.lock:
            for connection in self.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def says(text):
    """Answers whatever comes first with this, and says that nothing follows."""
    def greet(connection):
        connection.recv(65536, socket.MSG_PEEK)
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
    return greet


def hangs_up(connection):
    connection.recv(65536, socket.MSG_PEEK)
    connection.shutdown(socket.SHUT_RDWR)


class BadCertificates(Certificates):
    """Further certificates, as pairs, by the name of what is wrong with them; of an authority of their own, `ca`. `other_ca` is one
    that the configuration does not name."""

    def __init__(self, folder):
        super().__init__(folder)
        self.other_ca, other_key = self._pair("other")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", other_key, "-out", self.other_ca,
                      "-days", "30", "-subj", "/CN=Other CA", "-addext", "basicConstraints=critical,CA:true")
        self.issue("middle", "keyUsage=critical,keyCertSign", subject="/CN=Middle CA", authority=True)
        self.pairs = {
            "expired": self.expired, "self-signed": self.self_signed, "other host": self.wrong_host,
            "not yet valid": self.issue("later", LOOPBACK, LATER),
            "wildcard for all": self.issue("star", "subjectAltName=DNS:*"),
            "wildcard in a name": self.issue("stars", "subjectAltName=DNS:local*,DNS:*host,DNS:l*t"),
            "wildcard for addresses": self.issue("starred", "subjectAltName=DNS:*.0.0.1,DNS:127.0.0.*"),
            "address as a name": self.issue("address", "subjectAltName=DNS:127.0.0.1", subject="/CN=127.0.0.1"),
            "name without address": self.issue("name", "subjectAltName=DNS:localhost"),
            "other authority": self.issue("stranger", LOOPBACK, issuer="other"),
            "intermediate missing": self.issue("below", LOOPBACK, issuer="middle"),
            "issued by no authority": self._chained(self.issue("forged", LOOPBACK, issuer="localhost"), "localhost"),
            "only for clients": self.issue("visitor", LOOPBACK + "\nextendedKeyUsage=clientAuth"),
            "sha-1": self.issue("weak", LOOPBACK, digest="sha1"),
        }

    def _chained(self, pair, *issuers):
        """With the certificates of its issuers behind it."""
        pair[0].write_text("".join(path.read_text() for path in (pair[0], *(self._path(f"{name}.pem") for name in issuers))))
        return pair
