"""The admin listener of lethe run: metrics, health, the status page, and who may see them."""
import base64
import http.client
import json
import re
import signal
import socket
import ssl
import subprocess

import pytest

from conftest import BINARY, ROOT, wait_for
from running import free_port

TOKEN = "heron-lake-4471-sandpiper"
PASSWORD = "Tr0ub4dor-and-3-horses"
CLEAN, REDACTED, BROKEN = b'{"note":"nothing here"}\n', json.dumps({"password": PASSWORD}).encode() + b"\n", b'{"cut": tru}\n'


class Run:
    """lethe run with an admin listener; reads standard input."""

    def __init__(self, folder, admin="", context=None, more=""):
        self.port = free_port()
        (folder / "lethe.yaml").write_text(f"sources: [{{name: console, type: stdin}}]\nsinks: [{{name: archive, type: file, path: '{folder}/out.jsonl'}}]\n"
                                           f"admin: {{listen: '127.0.0.1:{self.port}'{admin}}}\n{more}")
        self.context = context
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen([BINARY, "run", "-c", "lethe.yaml"], cwd=folder, stdin=subprocess.PIPE,
                                        stderr=self.log)
        wait_for(self.listens)

    def listens(self):
        assert self.process.poll() is None, "it ended"
        try:
            return self.ask("/healthz").status == 200 and self.ask("/readyz").status == 200
        except ConnectionError:
            return False

    def ask(self, path, method="GET", **headers):
        if self.context is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=180)
        else:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=180, context=self.context)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        return answer

    def write(self, *lines):
        self.process.stdin.write(b"".join(lines))
        self.process.stdin.flush()

    def metrics(self, **headers):
        return parse(self.ask("/metrics", **headers).text)

    def status(self):
        return json.loads(self.ask("/status.json").text)

    def end(self):
        self.process.terminate()
        code = self.process.wait(timeout=180)
        self.process.stdin.close()
        self.log.close()
        return code


@pytest.fixture
def begin(tmp_path):
    """Starts runs with settings of the test's own; those that are left are ended."""
    begun = []

    def make(**settings):
        begun.append(Run(tmp_path, **settings))
        return begun[-1]
    yield make
    for left in begun:
        left.process.kill()
        left.process.wait()


@pytest.fixture
def run(tmp_path):
    started = Run(tmp_path)
    yield started
    assert started.end() == 0


@pytest.fixture(scope="module")
def idle(tmp_path_factory):
    """A run that nothing is written to, for all tests that only ask."""
    started = Run(tmp_path_factory.mktemp("idle"))
    yield started
    assert started.end() == 0


# --- A strict reader of the Prometheus text format, from its specification ---------------------------------------------

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ([0-9.e+-]+)")


def family_of(name, types):
    for suffix in ("_bucket", "_sum", "_count"):
        if name.endswith(suffix) and types.get(name[:-len(suffix)]) == "histogram":
            return name[:-len(suffix)]
    return name


def parse(text):
    """Samples by (name, labels...); each family has HELP and TYPE, once, before its samples, which stand together."""
    types, helps, samples, current = {}, set(), {}, None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in helps and len(line.split(" ", 3)[3]) > 0
            helps.add(current)
        elif line.startswith("# TYPE "):
            _, _, name, type_ = line.split(" ")
            assert name == current and name not in types and type_ in ("counter", "gauge", "histogram")
            types[name] = type_
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels = match[1], tuple((label, value) for label, value in re.findall(LABEL, match[2] or ""))
            assert family_of(name, types) == current and current in types and name.startswith("lethe_")
            assert (name, *labels) not in samples
            assert name.endswith("_total") == (types[current] == "counter"), name
            samples[(name, *labels)] = float(match[match.lastindex])
    assert set(types) == helps
    return samples


# --- Metrics ------------------------------------------------------------------------------------------------------------

def source(metrics, what):
    return metrics[(f"lethe_source_records_{what}_total", ("source", "console"))]


def test_the_metrics_add_up(run):
    run.write(CLEAN * 3, REDACTED * 4, BROKEN * 2)

    def settled(m):
        """One figure after another is brought up to date."""
        return (source(m, "received") == 9 and m[("lethe_sink_records_delivered_total", ("sink", "archive"))] == 7
                and m[("lethe_sink_lag_blocks", ("sink", "archive"))] == 0 and source(m, "withheld") == 2)
    wait_for(lambda: settled(run.metrics()))
    m = run.metrics()
    assert [source(m, what) for what in ("received", "clean", "redacted", "withheld")] == [9, 3, 4, 2]
    assert sum(value for key, value in m.items() if key[0] == "lethe_withheld_total") == 2
    assert sum(value for key, value in m.items() if key[0] == "lethe_records_total") == 7
    assert m[("lethe_redactions_total", ("rule", "sensitive-name"))] == 4
    assert m[("lethe_source_bytes_total", ("source", "console"))] > 0
    assert m[("lethe_sink_lag_blocks", ("sink", "archive"))] == 0 and m[("lethe_sink_failing_seconds", ("sink", "archive"))] == 0
    assert m[("lethe_started",)] == 1
    assert not any(key[0].startswith("lethe_spool") for key in m)   # there is no store


def test_the_latency_is_a_histogram(run):
    run.write(CLEAN)
    wait_for(lambda: run.metrics()[("lethe_sink_latency_seconds_count", ("sink", "archive"))] >= 1)
    m = run.metrics()
    buckets = [(key[2][1], value) for key, value in m.items() if key[0] == "lethe_sink_latency_seconds_bucket"]
    assert [bound for bound, _ in buckets] == ["0.001", "0.002", "0.005", "0.01", "0.02", "0.05", "0.1", "0.25", "1", "5", "60", "+Inf"]
    counts = [count for _, count in buckets]
    assert counts == sorted(counts) and counts[-1] == m[("lethe_sink_latency_seconds_count", ("sink", "archive"))]


def test_with_a_store_the_spool_is_shown(begin, tmp_path):
    run = begin(more=f"store: {{path: '{tmp_path}/state', max_bytes: 2M}}\n")
    run.write(CLEAN)
    wait_for(lambda: run.metrics()[("lethe_sink_records_delivered_total", ("sink", "archive"))] == 1)
    spool = {key[0]: value for key, value in run.metrics().items() if key[0].startswith("lethe_spool_")}
    page = (ROOT / "docs/monitoring.md").read_text()
    assert spool.keys() == set(re.findall(r"^\| `(lethe_spool_\w+)`", page, re.MULTILINE))
    assert (spool["lethe_spool_max_bytes"], spool["lethe_spool_full"], spool["lethe_spool_damaged_blocks_total"]) == (2097152, 0, 0)
    assert run.status()["spool"]["max_bytes"] == 2097152 and run.ask("/readyz").status == 200
    assert run.end() == 0


def test_labels_come_from_closed_sets(run):
    run.write(CLEAN, REDACTED, BROKEN)
    wait_for(lambda: source(run.metrics(), "received") == 3 and source(run.metrics(), "withheld") == 1)
    labels = {label for key in run.metrics() for label, _ in key[1:]}
    assert labels == {"source", "sink", "rule", "reason", "kind", "le", "version", "build"}


def test_every_metric_is_documented(idle):
    names = {line.split(" ")[2] for line in idle.ask("/metrics").text.split("\n") if line.startswith("# TYPE")}
    page = (ROOT / "docs/monitoring.md").read_text()
    listed = set(re.findall(r"^\| `(lethe_\w+)`", page, re.MULTILINE))
    assert names - listed == set()
    assert {name for name in listed - names if not name.startswith("lethe_spool_")} == set()


def test_no_figure_holds_a_secret(run):
    run.write(REDACTED)
    wait_for(lambda: source(run.metrics(), "received") == 1)
    assert PASSWORD not in run.ask("/metrics").text + run.ask("/status.json").text


# --- Health and requests ------------------------------------------------------------------------------------------------

def test_a_run_that_works_is_healthy_and_ready(idle):
    assert (idle.ask("/healthz").status, idle.ask("/healthz").text) == (200, "ok\n")
    assert (idle.ask("/readyz").status, idle.ask("/readyz").text) == (200, "ready\n")


def test_wrong_requests_are_refused(idle):
    assert idle.ask("/nothing").status == 404
    assert idle.ask("/metrics/").status == 404
    answer = idle.ask("/metrics", "POST")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert idle.ask("/healthz", "DELETE").status == 405
    head = idle.ask("/status.json", "HEAD")
    assert (head.status, head.text) == (200, "")


def test_a_name_that_leads_here_cannot_read_the_figures(idle):
    """DNS rebinding: a page of evil.example whose name now means 127.0.0.1."""
    for host, status in {f"localhost:{idle.port}": 200, f"[::1]:{idle.port}": 200, "127.0.0.1": 200, f"evil.example:{idle.port}": 421,
                         "127.0.0.1.evil.example": 421, "localhost.evil.example": 421}.items():
        assert idle.ask("/status.json", Host=host).status == status, host


def test_answers_are_hardened(idle):
    headers = idle.ask("/").headers
    assert headers["Content-Security-Policy"].startswith("default-src 'self';") and "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"], headers["Referrer-Policy"]) == ("nosniff", "no-store", "no-referrer")


def test_a_reload_that_replaces_the_stream_keeps_the_listener(run, tmp_path):
    run.write(CLEAN)
    wait_for(lambda: source(run.metrics(), "received") == 1)
    text = (tmp_path / "lethe.yaml").read_text().replace("name: archive", "name: other")
    (tmp_path / "lethe.yaml").write_text(text)
    run.process.send_signal(signal.SIGHUP)

    def other_sink():
        try:
            return [sink["name"] for sink in run.status()["sinks"]] == ["other"]
        except ConnectionError:
            return False
    wait_for(other_sink)
    wait_for(lambda: run.ask("/readyz").status == 200)


# --- Tokens and addresses -----------------------------------------------------------------------------------------------

def test_with_a_token_only_its_owner_sees_names_and_numbers(begin, tmp_path):
    run = begin(admin=f", token: {TOKEN}")
    basic = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
    wrong = base64.b64encode(f"{TOKEN}:wrong".encode()).decode()
    for path in ("/", "/metrics", "/status.json", "/status.js", "/nothing"):
        answer = run.ask(path)
        assert answer.status == 401 and answer.headers["WWW-Authenticate"] == 'Basic realm="lethe", Bearer'
    for given in (f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ", f"Basic {wrong}", "Basic !", f"Digest {TOKEN}", TOKEN):
        assert run.ask("/metrics", Authorization=given).status == 401, given
    for given in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Basic {basic}"):
        assert run.ask("/metrics", Authorization=given).status == 200, given
    assert (run.ask("/healthz").status, run.ask("/readyz").status) == (200, 200)   # for probes
    assert run.ask("/status.json", Host="proxy.example", Authorization=f"Bearer {TOKEN}").status == 200
    assert run.end() == 0
    assert TOKEN.encode() not in (tmp_path / "log").read_bytes()


def test_figures_are_served_over_tls(begin, certificates):
    certificate, key = certificates.localhost
    context = ssl.create_default_context(cafile=str(certificates.ca))
    run = begin(admin=f", token: {TOKEN}, certificate: '{certificate}', key: '{key}'", context=context)
    assert run.ask("/metrics").status == 401
    assert run.ask("/metrics", Authorization=f"Bearer {TOKEN}").status == 200
    assert run.end() == 0


@pytest.mark.parametrize("admin, place, message", [
    ("{listen: '0.0.0.0:9464'}", "5:17", "it needs a certificate, its key and a token"),
    ("{listen: '[::]:9464', token: %s}" % TOKEN, "5:17", "it needs a certificate, its key and a token"),
    ("{listen: '10.0.0.1:9464', certificate: c, key: k}", "5:17", "it needs a certificate, its key and a token"),
    ("{listen: 'localhost:9464'}", "5:17", "is not an address to listen at"),
    ("{listen: '127.0.0.1'}", "5:17", "is not an address to listen at"),
    ("{listen: '127.0.0.1:0', certificate: c}", "5:8", "certificate and key go together"),
    ("{listen: '127.0.0.1:0', token: short}", "5:39", "a token has at least 16 characters"),
    ("{token: %s}" % TOKEN, "5:8", "'listen' is missing"),
])
def test_a_mistake_in_the_admin_settings_is_shown_where_it_is(lethe, admin, place, message):
    (lethe.folder / "lethe.yaml").write_text("sources:\n  - {name: in, type: stdin}\nsinks:\n  - {name: out, type: stdout}\n"
                                             f"admin: {admin}\n")
    done = lethe.run("check", "-c", "lethe.yaml")
    stderr = done.stderr.decode()
    assert done.returncode == 2 and message in stderr and f"lethe.yaml:{place}" in stderr, stderr
    assert TOKEN not in stderr and "short" not in stderr


def test_an_address_that_is_taken_ends_the_start_before_anything_is_read(lethe):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (lethe.folder / "lethe.yaml").write_text("sources: [{name: in, type: stdin}]\nsinks: [{name: out, type: stdout}]\n"
                                                 f"admin: {{listen: '127.0.0.1:{port}'}}\n")
        done = lethe.run("run", "-c", "lethe.yaml", stdin=CLEAN)
    assert done.returncode != 0 and f"127.0.0.1:{port}".encode() in done.stderr and done.stdout == b""


# --- The page -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("width, scheme", [(1280, "light"), (360, "dark")])
def test_the_page_shows_sources_and_sinks(run, browser, tmp_path, width, scheme):
    run.write(CLEAN, REDACTED * 2, BROKEN)
    wait_for(lambda: source(run.metrics(), "received") == 4)
    view = browser.look(f"http://127.0.0.1:{run.port}/", tmp_path / "page.png", width=width, scheme=scheme)
    assert (view.errors, view.failed, view.foreign, view.overflows) == ([], [], [], False)
    assert view.title == "lethe status"
    for shown in ("console", "archive", "ready", "sensitive-name", "syntax"):
        assert shown in view.text, shown
    assert PASSWORD not in view.html
