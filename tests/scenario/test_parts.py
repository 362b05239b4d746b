"""Each real part works by itself, so that a scenario that fails tells of the program and not of the part."""
import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import time
import urllib.request

import pytest

from appinsights import CLIENTS, PLANTED, marker_of, try_later
from running import Missing


# --- Kafka -------------------------------------------------------------------------------------------------------------

def event_hubs(kafka, **more):
    return {"bootstrap.servers": kafka.sasl_bootstrap, "security.protocol": "sasl_ssl", "ssl.ca.location": str(kafka.ca_file),
            "log_level": 0, **more}


def known_topics(settings):
    """What a client with these settings gets to see; it is polled first, since tokens are asked for while polling."""
    import confluent_kafka
    client = confluent_kafka.Consumer({**settings, "group.id": "nobody"})
    try:
        client.poll(0.2)
        return client.list_topics(timeout=5).topics
    except confluent_kafka.KafkaException:
        return None
    finally:
        client.close()


def test_the_broker_gives_back_what_was_written(kafka):
    topic = kafka.topic(partitions=2)
    topic.write([(b"key", b"one"), b"two"], partition=1, headers={"id": b"7"})
    first, second = topic.read(2)
    assert (first.key, first.value, first.headers, first.partition, first.offset) == (b"key", b"one", {"id": b"7"}, 1, 0)
    assert (second.key, second.value, second.offset) == (None, b"two", 1)
    assert topic.end_offsets() == {0: 0, 1: 2}


@pytest.mark.parametrize("kill", [False, True])
def test_the_broker_keeps_its_data_while_it_is_down(kafka, kill):
    topic = kafka.topic()
    topic.write([b"before"])
    with kafka.stopped(kill=kill):
        pass
    topic.write([b"after"])
    assert [message.value for message in topic.read_all()] == [b"before", b"after"]


def test_the_paused_broker_goes_on(kafka):
    topic = kafka.topic()
    with kafka.paused():
        assert known_topics({"bootstrap.servers": kafka.bootstrap, "log_level": 0}) is None
    topic.write([b"after"])
    assert [message.value for message in topic.read(1)] == [b"after"]


def test_aborted_transactions_are_not_read(kafka):
    import confluent_kafka
    topic = kafka.topic()
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic.name})
    producer.init_transactions(30)
    for value, end in ((b"kept", producer.commit_transaction), (b"thrown away", producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic.name, value)
        producer.flush(30)
        end(30)
    assert [message.value for message in topic.read_all()] == [b"kept"]
    assert [message.value for message in topic.read_all("read_uncommitted")] == [b"kept", b"thrown away"]


def test_committed_offsets_are_told(kafka):
    import confluent_kafka
    topic = kafka.topic(partitions=2)
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": topic.name})
    consumer.commit(offsets=[confluent_kafka.TopicPartition(topic.name, 1, 5)], asynchronous=False)
    consumer.close()
    assert kafka.committed(topic.name, topic) == {1: 5}


def test_event_hubs_takes_its_connection_string_and_nothing_else(kafka):
    topic = kafka.topic()
    plain = event_hubs(kafka, **{"sasl.mechanism": "PLAIN", "sasl.username": kafka.username})
    assert topic.name in known_topics({**plain, "sasl.password": kafka.password})
    assert known_topics({**plain, "sasl.password": kafka.password + "x"}) is None


def test_event_hubs_takes_tokens_that_hold(kafka):
    topic = kafka.topic()
    until = time.time() + 3600
    bearer = event_hubs(kafka, **{"sasl.mechanism": "OAUTHBEARER"})
    assert topic.name in known_topics({**bearer, "oauth_cb": lambda _: (kafka.token(), until)})
    assert known_topics({**bearer, "oauth_cb": lambda _: (kafka.token(lifetime=-60), until)}) is None


def test_kcat_reads_what_was_written(kafka):
    topic = kafka.topic()
    topic.write([b"one", b"two"])
    try:
        run = subprocess.run(["kcat", "-C", "-q", "-e", "-b", kafka.bootstrap, "-t", topic.name], stdout=subprocess.PIPE,
                             timeout=180, check=True)
    except FileNotFoundError:
        pytest.skip("no kcat: run tests/parts/install")
    assert run.stdout == b"one\ntwo\n"


# --- Blob storage ------------------------------------------------------------------------------------------------------

HOUR = "resourceId=/SUBSCRIPTIONS/S/y=2026/m=11/d=26/h=04/m=00/PT1H.json"


@pytest.mark.parametrize("part", ["azurite", "tls_azurite"])
def test_blob_storage_keeps_what_it_is_given(part, request):
    azurite = request.getfixturevalue(part)
    container = azurite.container()
    container.append(HOUR, b"one\n", b"two\n")
    container.append(HOUR, b"three\n")
    container.upload("block", b"in one go")
    container.upload_blocks("blocks", [b"a" * 10, b"b"])
    with azurite.stopped():
        pass
    assert container.names() == ["block", "blocks", HOUR]
    assert container.names("resourceId=/") == [HOUR]
    assert [container.read(name) for name in (HOUR, "block", "blocks")] == [b"one\ntwo\nthree\n", b"in one go", b"a" * 10 + b"b"]


def get(azurite, path, **headers):
    host = azurite.url.split("/")[2]
    trust = ssl.create_default_context(cafile=azurite.ca_file) if azurite.ca_file else None
    client = http.client.HTTPSConnection(host, context=trust, timeout=180) if trust else http.client.HTTPConnection(host, timeout=180)
    client.request("GET", f"/{azurite.account}/{path}", headers={"x-ms-version": "2021-12-02", **headers})
    answer = client.getresponse()
    return answer.status, answer.read()


def test_blob_storage_takes_a_sas_that_holds(azurite):
    container = azurite.container()
    container.upload("a", b"text")
    assert get(azurite, f"{container.name}/a?{container.sas()}") == (200, b"text")
    assert get(azurite, f"{container.name}/a?{container.sas(lifetime=-60)}")[0] == 403
    assert get(azurite, f"{container.name}/a")[0] != 200


def test_blob_storage_takes_a_token_that_holds(tls_azurite):
    container = tls_azurite.container()
    container.upload("a", b"text")
    assert get(tls_azurite, f"{container.name}/a", Authorization=f"Bearer {tls_azurite.token()}") == (200, b"text")
    assert get(tls_azurite, f"{container.name}/a", Authorization=f"Bearer {tls_azurite.token(-60)}")[0] == 403


# --- The recorder ------------------------------------------------------------------------------------------------------

def post(recorder, body, certificates=None, **headers):
    if recorder.scheme == "https":
        client = http.client.HTTPSConnection("localhost", recorder.port, timeout=180,
                                             context=ssl.create_default_context(cafile=certificates and certificates.ca))
    else:
        client = http.client.HTTPConnection("127.0.0.1", recorder.port, timeout=180)
    with_dashes = {name.replace("_", "-"): value for name, value in headers.items()}
    client.request("POST", "/v2.1/track?x=y", body, with_dashes, encode_chunked="Transfer-Encoding" in with_dashes)
    answer = client.getresponse()
    return answer.status, answer.headers, answer.read()


def test_the_recorder_notes_what_it_is_sent(recorder):
    import gzip
    post(recorder, gzip.compress(b"text"), Content_Encoding="gzip")
    post(recorder, iter([b"in ", b"pieces"]), Transfer_Encoding="chunked")
    assert [request.body for request in recorder.requests] == [b"text", b"in pieces"]
    assert (recorder.requests[0].path, recorder.requests[0].query) == ("/v2.1/track", "x=y")


def test_the_recorder_answers_as_told(recorder):
    recorder.answers.append((503, {"Retry-After": "1"}, b"later"))
    recorder.answers.append(lambda request: (200, {}, request.body.upper()))
    status, headers, body = post(recorder, b"a")
    assert (status, headers["Retry-After"], body) == (503, "1", b"later")
    assert post(recorder, b"a")[2] == b"A"
    assert post(recorder, b"a")[::2] == (200, b"{}")


def test_the_recorder_can_hang_up_and_be_away(recorder):
    recorder.answers.append(None)
    with pytest.raises(http.client.RemoteDisconnected):
        post(recorder, b"a")
    with recorder.stopped(), pytest.raises(ConnectionRefusedError):
        post(recorder, b"a")
    assert post(recorder, b"a")[0] == 200


def test_the_recorder_speaks_tls(tls_recorder, certificates):
    assert post(tls_recorder, b"a", certificates)[0] == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        post(tls_recorder, b"a")


# --- Certificates ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, reason", [("localhost", None), ("wrong_host", "Hostname mismatch"), ("expired", "has expired"),
                                          ("self_signed", "self-signed")])
def test_each_certificate_is_what_its_name_says(certificates, name, reason):
    from recorder import Recorder
    recorder = Recorder(certificate=getattr(certificates, name))
    recorder.start()
    try:
        if reason is None:
            assert post(recorder, b"a", certificates)[0] == 200
        else:
            with pytest.raises(ssl.SSLCertVerificationError, match=reason):
                post(recorder, b"a", certificates)
    finally:
        recorder.stop()


# --- Syslog ------------------------------------------------------------------------------------------------------------

SYSLOG = '<134>1 2026-11-22T04:20:00.123456Z collector-1 lethe 4711 SCORE [aml@32473 note="quote \\" bracket \\]"] %s'


@contextlib.contextmanager
def connect(server, port, certificates=None, client=None):
    """A stream to one of its ports, with TLS if certificates are given; TLS ends in order, or the last bytes may be lost."""
    with socket.create_connection(("127.0.0.1", getattr(server, port)), timeout=180) as plain:
        if not certificates:
            yield plain
            return
        context = ssl.create_default_context(cafile=certificates.ca)
        if client:
            context.load_cert_chain(*map(str, client))
        stream = context.wrap_socket(plain, server_hostname="localhost")
        yield stream
        stream.unwrap().close()


def counted(message):
    data = message.encode()
    return b"%d %s" % (len(data), data)


@pytest.fixture(params=["rsyslog", "syslog_ng"])
def syslog_server(request):
    return request.getfixturevalue(request.param)


def test_syslog_servers_take_each_transport(syslog_server, certificates):
    with connect(syslog_server, "tcp") as stream:
        stream.sendall(counted(SYSLOG % "\ufeffone m\u00f6re\nline") + counted(SYSLOG % "two"))
    with connect(syslog_server, "tls", certificates) as stream:
        stream.sendall(counted(SYSLOG % ("three " + "x" * 100_000)))
    with connect(syslog_server, "mutual", certificates, certificates.client) as stream:
        stream.sendall(counted(SYSLOG % "four"))
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto((SYSLOG % "five").encode(), ("127.0.0.1", syslog_server.udp))
    seen = {message["text"].lstrip("\ufeff"): message for message in syslog_server.wait("collector-1", 5)}
    assert {text[:9]: message["input"] for text, message in seen.items()} == {
        "one m\u00f6re\n": "tcp", "two": "tcp", "three xxx": "tls", "four": "mutual", "five": "udp"}
    assert max(map(len, seen)) == len("three ") + 100_000
    two = {**seen["two"], "time": seen["two"]["time"].replace("+00:00", "Z")}
    assert [two[name] for name in ("pri", "time", "host", "app", "process", "id", "data")] == [
        "134", "2026-11-22T04:20:00.123456Z", "collector-1", "lethe", "4711", "SCORE",
        '[aml@32473 note="quote \\" bracket \\]"]']


def test_syslog_servers_refuse_clients_without_the_certificate(syslog_server, certificates):
    with pytest.raises(OSError), connect(syslog_server, "mutual", certificates) as stream:
        while True:   # TLS 1.3 tells a client only afterwards
            stream.sendall(counted(SYSLOG % "nobody"))
    assert not syslog_server.messages("nobody")


@pytest.mark.parametrize("kill", [False, True])
def test_syslog_servers_come_back_to_their_ports(syslog_server, certificates, kill):
    with syslog_server.stopped(kill=kill):
        with pytest.raises(ConnectionRefusedError), connect(syslog_server, "tls", certificates):
            pass
    with connect(syslog_server, "tls", certificates) as stream:
        stream.sendall(counted(SYSLOG % f"after {kill}"))
    syslog_server.wait(f"after {kill}")


def test_rsyslog_takes_lines(rsyslog):
    with connect(rsyslog, "tcp") as stream:
        stream.sendall((SYSLOG % "ends with a line feed\n").encode())
    rsyslog.wait("ends with a line feed")


# --- Official telemetry clients ----------------------------------------------------------------------------------------

def ingestion_for(client, request):
    return request.getfixturevalue("tls_ingestion" if client.tls_only else "ingestion")


def delivered(ingestion):
    """Marker -> baseType of what was taken; what an SDK adds of its own accord has no marker."""
    return {marker_of(envelope): envelope["data"]["baseType"] for envelope in ingestion.received if marker_of(envelope)}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_each_client_delivers_every_type_with_the_planted_secrets(client, request, certificates, tmp_path):
    ingestion = ingestion_for(client, request)
    run = start_client(client, ingestion, certificates, tmp_path, count=2).wait()
    assert (run.status, run.left) == (0, 0), (run.diagnostics, run.errors)
    assert set(run.sent.values()) == client.types
    assert len(run.sent) == 2 * len(client.types)
    assert delivered(ingestion) == run.sent
    body = b"".join(post.body for post in ingestion.requests)
    assert [name for name, secret in PLANTED.items() if secret.encode() not in body] == []
    assert {post.path for post in ingestion.requests} == {"/v2.1/track"}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_each_client_keeps_what_an_absent_service_did_not_take(client, request, certificates, tmp_path):
    ingestion = ingestion_for(client, request)
    with ingestion.stopped():
        run = start_client(client, ingestion, certificates, tmp_path, count=4, every_ms=300)
        run.says(f"p-2-{min(client.types)}")
    run.wait()
    assert (run.status, run.left) == (0, 0), (run.diagnostics, run.errors)
    assert delivered(ingestion) == run.sent


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_each_client_sends_again_what_is_to_come_later(client, status, request, certificates, tmp_path):
    ingestion = ingestion_for(client, request)
    ingestion.answers.extend([try_later(status)] * 5)
    run = start_client(client, ingestion, certificates, tmp_path, count=3, every_ms=300).wait()
    assert (run.status, run.left) == (0, 0), (run.diagnostics, run.errors)
    assert not ingestion.answers
    assert delivered(ingestion) == run.sent


def start_client(client, ingestion, certificates, folder, **options):
    try:
        return client.start(ingestion.connection_string, folder, ca=certificates.ca, prefix="p", **options)
    except Missing as missing:
        pytest.skip(str(missing))


# --- OpenSearch --------------------------------------------------------------------------------------------------------

def bulk(opensearch, index, *documents):
    """The status of each document, which is created under its number."""
    lines = [json.dumps(part) for number, document in enumerate(documents)
             for part in ({"create": {"_index": index, "_id": str(number)}}, document)]
    request = urllib.request.Request(f"{opensearch.url}/_bulk", "\n".join([*lines, ""]).encode(),
                                     {"Content-Type": "application/x-ndjson"})
    with urllib.request.urlopen(request, timeout=180) as answer:
        return [item["create"]["status"] for item in json.load(answer)["items"]]


def test_opensearch_takes_refuses_and_keeps(opensearch):
    index = opensearch.index(score={"type": "float"})
    assert bulk(opensearch, index, {"score": 0.5}, {"score": "not a number"}) == [201, 400]
    with opensearch.stopped(kill=True):
        pass
    assert bulk(opensearch, index, {"score": 0.7}) == [409]
    assert opensearch.documents(index) == {"0": {"score": 0.5}}


# --- Browser, logrotate ------------------------------------------------------------------------------------------------

PAGE = b"""<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>A page</title><body><p id=p>before</p>
<script>p.textContent = "after"; fetch("http://127.0.0.1:1/elsewhere").catch(() => 0); fetch("/missing"); nothing()</script>"""


def test_the_browser_tells_what_a_page_does(browser, recorder, tmp_path):
    recorder.answer = lambda request: (200 if request.path == "/" else 404, {"Content-Type": "text/html"}, PAGE)
    view = browser.look(recorder.url + "/", tmp_path / "page.png")
    assert (view.title, view.text) == ("A page", "after")
    assert view.foreign == ["http://127.0.0.1:1/elsewhere"]
    assert any("nothing is not defined" in error for error in view.errors)
    assert f"404 {recorder.url}/missing" in view.failed
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_logrotate_rotates(logrotate, tmp_path):
    log = tmp_path / "a.log"
    log.write_text("first\n")
    logrotate(log, "rotate 3", "create")
    log.write_text("second\n")
    logrotate(log, "rotate 3", "copytruncate")
    assert (log.read_text(), (tmp_path / "a.log.1").read_text(), (tmp_path / "a.log.2").read_text()) == ("", "second\n", "first\n")
