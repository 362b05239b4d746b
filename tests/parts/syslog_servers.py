"""Receivers of syslog: rsyslog and syslog-ng. Each writes a message as one JSON line, its fields as its own RFC 5424 parser
understood them. Both see the end of a TLS connection without close_notify as an error; rsyslog then may lose what it had got."""
import json
import os
import pathlib
import shutil

from running import INSTALLED, Missing, Server, free_port, is_listening, needed, wait_until

MODULES = pathlib.Path("/usr/lib/x86_64-linux-gnu/rsyslog"), pathlib.Path("/usr/lib/aarch64-linux-gnu/rsyslog")
MAX_MESSAGE = 256 * 1024

RSYSLOG = """
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


SYSLOG_NG = """@version: 3.38
options {{ log-msg-size({max_message}); chain-hostnames(no); use-dns(no); keep-hostname(yes); stats-freq(0); frac-digits(6); }};
source tcp {{ syslog(ip(127.0.0.1) transport("tcp") port({tcp}) max-connections(500)); }};
source lines {{ network(ip(127.0.0.1) transport("tcp") port({lines}) flags(syslog-protocol)); }};
source udp {{ syslog(ip(127.0.0.1) transport("udp") port({udp})); }};
source tls {{ syslog(ip(127.0.0.1) transport("tls") port({tls}) max-connections(500)
    tls(key-file("{key}") cert-file("{certificate}") ca-file("{ca}") peer-verify(optional-untrusted))); }};
source mutual {{ syslog(ip(127.0.0.1) transport("tls") port({mutual})
    tls(key-file("{key}") cert-file("{certificate}") ca-file("{ca}") peer-verify(required-trusted))); }};
destination received {{ file("{received}" template("$(format-json --auto-cast no input=$SOURCE pri=$PRI time=$S_ISODATE host=$HOST \
app=$PROGRAM process=$PID id=$MSGID data=$SDATA text=$MSG)\n")); }};
log {{ source(tcp); source(lines); source(udp); source(tls); source(mutual); destination(received); }};
"""


class SyslogServer:
    """Ports `udp`, `tcp`, `tls` and `mutual`, the last for clients with the certificate `client`. Servers' host: localhost.

    stopped(), stopped(kill=True) and paused() are blocks in which it is away, with what it has written and ports kept."""

    def __init__(self, folder, certificates):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.received = self.folder / "received.jsonl"
        self.ca_file = certificates.ca
        self.udp, self.tcp, self.tls, self.mutual, self.lines = (free_port() for _ in range(5))
        certificate, key = certificates.localhost
        self.names = {"folder": self.folder, "received": self.received, "max_message": MAX_MESSAGE, "ca": certificates.ca,
                      "certificate": certificate, "key": key, "udp": self.udp, "tcp": self.tcp, "tls": self.tls,
                      "mutual": self.mutual, "lines": self.lines}
        self.server = None   # set by each kind

    def _is_listening(self):
        return all(is_listening(port) for port in (self.tcp, self.tls, self.mutual))

    def start(self):
        self.server.start()

    def stop(self):
        self.server.stop()

    def stopped(self, kill=False):
        return self.server.stopped(kill)

    def paused(self):
        return self.server.paused()

    def messages(self, containing=""):
        """Of all tests so far, as dicts of texts, in the order of writing: input (the port's name), pri, time, host, app, process,
        id, data, text. A line that is still being written is not there yet."""
        if not self.received.exists():
            return []
        lines = self.received.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if containing.encode() in line]

    def wait(self, containing, count=1):
        """Returns the messages that contain the text as soon as there are so many."""
        wait_until(lambda: len(self.messages(containing)) >= count, f"{count} messages with {containing}")
        return self.messages(containing)


class Rsyslog(SyslogServer):
    """Takes both framings on each of its TCP ports. `own`: what it says of itself, refused handshakes for one."""

    def __init__(self, folder, certificates):
        program = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin:/sbin")
        if not program:
            raise Missing("no rsyslogd: run tests/parts/install")
        if not any((modules / "lmnsd_ossl.so").exists() for modules in MODULES):
            raise Missing("no rsyslog-openssl: run tests/parts/install")
        super().__init__(folder, certificates)
        self.own = self.folder / "own.log"
        settings = self.folder / "rsyslog.conf"
        settings.write_text(RSYSLOG.format(**self.names, own=self.own))
        self.server = Server([program, "-n", "-f", settings, "-i", self.folder / "pid"], self.folder / "rsyslogd.log",
                             self._is_listening)


def unpacked_syslog_ng():
    """The start of its command line, and the environment it needs beside ours."""
    root = INSTALLED / "syslog-ng"
    program = needed(root / "usr/sbin/syslog-ng", "syslog-ng")
    modules = next((root / "usr/lib/syslog-ng").glob("[0-9]*"))
    libraries = [root / "usr/lib/syslog-ng", *root.glob("usr/lib/*-linux-gnu"), *root.glob("lib/*-linux-gnu")]
    return [program, "--module-path", modules], {"LD_LIBRARY_PATH": ":".join(map(str, libraries))}


class SyslogNg(SyslogServer):
    """Takes counted messages; those that end with a line feed on the port `lines` alone. Unpacked below build/parts, since its
    package and rsyslog's exclude each other. Strips the BOM from texts."""

    def __init__(self, folder, certificates):
        start, environment = unpacked_syslog_ng()
        super().__init__(folder, certificates)
        settings = self.folder / "syslog-ng.conf"
        settings.write_text(SYSLOG_NG.format(**self.names))
        own = {"-f": settings, "-R": self.folder / "persist", "-p": self.folder / "pid", "-c": self.folder / "control"}
        command = [*start, "-F", "--no-caps", *(word for pair in own.items() for word in pair)]
        self.server = Server(command, self.folder / "syslog-ng.log", self._is_listening,
                             environment={**os.environ, **environment})
