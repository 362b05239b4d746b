"""rsyslog as the receiver of syslog: UDP, TCP, TCP with TLS, TCP with TLS and client certificates. Takes both framings.

It writes each message as one JSON line, its fields as rsyslog's own RFC 5424 parser understood them."""
import json
import pathlib
import shutil

from running import Missing, Server, free_port, is_listening, wait_until

MODULES = pathlib.Path("/usr/lib/x86_64-linux-gnu/rsyslog"), pathlib.Path("/usr/lib/aarch64-linux-gnu/rsyslog")
MAX_MESSAGE = 256 * 1024

SETTINGS = """
global(workDirectory="{folder}" maxMessageSize="{max_message}" parser.escapeControlCharactersOnReceive="off"
       net.enableDNS="off" net.permitACLWarning="off" internalmsg.severity="warn" processInternalMessages="on"
       defaultNetstreamDriverCAFile="{ca}" defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{key}")
module(load="imudp")
module(load="imtcp" maxSessions="500")

template(name="fields" type="list" option.jsonf="on") {{
    property(outname="input" name="inputname" format="jsonf")
    property(outname="pri" name="pri" format="jsonf")
    property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
    property(outname="host" name="hostname" format="jsonf")
    property(outname="app" name="app-name" format="jsonf")
    property(outname="process" name="procid" format="jsonf")
    property(outname="id" name="msgid" format="jsonf")
    property(outname="data" name="structured-data" format="jsonf")
    property(outname="text" name="msg" format="jsonf")
    property(outname="raw" name="rawmsg-after-pri" format="jsonf")
}}
ruleset(name="received") {{ action(type="omfile" file="{received}" template="fields") }}
ruleset(name="own") {{ action(type="omfile" file="{own}") }}
$DefaultRuleset own

input(type="imudp" address="127.0.0.1" port="{udp}" name="udp" ruleset="received")
input(type="imtcp" address="127.0.0.1" port="{tcp}" name="tcp" ruleset="received" streamDriver.name="ptcp" streamDriver.mode="0")
input(type="imtcp" address="127.0.0.1" port="{tls}" name="tls" ruleset="received"
      streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="{mutual}" name="mutual" ruleset="received" permittedPeer="lethe"
      streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/name")
"""


class Rsyslog:
    """Ports `udp`, `tcp`, `tls` and `mutual`, the last for clients with the certificate `client`. Servers' host: localhost.

    stopped(), stopped(kill=True) and paused() are blocks in which it is away, with what it has written and ports kept."""

    def __init__(self, folder, certificates):
        program = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin:/sbin")
        if not program:
            raise Missing("no rsyslogd: run tests/parts/install")
        if not any((modules / "lmnsd_ossl.so").exists() for modules in MODULES):
            raise Missing("no rsyslog-openssl: run tests/parts/install")
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.received = self.folder / "received.jsonl"
        self.own = self.folder / "own.log"   # what rsyslog says of itself: refused handshakes, for one
        self.ca_file = certificates.ca
        self.udp, self.tcp, self.tls, self.mutual = (free_port() for _ in range(4))
        certificate, key = certificates.localhost
        settings = self.folder / "rsyslog.conf"
        settings.write_text(SETTINGS.format(folder=self.folder, max_message=MAX_MESSAGE, ca=certificates.ca, certificate=certificate,
                                            key=key, received=self.received, own=self.own, udp=self.udp, tcp=self.tcp,
                                            tls=self.tls, mutual=self.mutual))
        self.server = Server([program, "-n", "-f", settings, "-i", self.folder / "pid"], self.folder / "rsyslogd.log",
                             lambda: all(is_listening(port) for port in (self.tcp, self.tls, self.mutual)))

    def start(self):
        self.server.start()

    def stop(self):
        self.server.stop()

    def stopped(self, kill=False):
        return self.server.stopped(kill)

    def paused(self):
        return self.server.paused()

    def messages(self, containing=""):
        """Of all tests so far, as dicts of texts, in the order of writing: input, pri, time, host, app, process, id, data, text,
        raw. A line that is still being written is not there yet."""
        if not self.received.exists():
            return []
        lines = self.received.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if containing.encode() in line]

    def wait(self, containing, count=1):
        """Returns the messages that contain the text as soon as there are so many."""
        wait_until(lambda: len(self.messages(containing)) >= count, f"{count} messages with {containing}")
        return self.messages(containing)
