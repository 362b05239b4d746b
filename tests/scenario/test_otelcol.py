"""What the sinks send, as the OpenTelemetry Collector's own receivers understand it."""
import json
import subprocess

import pytest

from running import free_port
from streaming import Run

TIME = "2026-11-22T04:20:00.123Z"
NANOSECONDS = 1_795_321_200_123_000_000
LEVELS = {"Critical": 2, "Error": 3, "Warning": 4, "Informational": 6, "Verbose": 7}   # severities of syslog
RECORDS = [f'{{"time":"{TIME}","resourceId":"/SUBSCRIPTIONS/{n}/X","operationName":"MICROSOFT.X/WRITE","category":"quote\\" bracket] backslash\\\\ möre",'
           f'"level":"{level}","resultType":"Success"}}' for n in range(40) for level in LEVELS]
CONFIG = """sources:
  - {{name: in, type: stdin}}
sinks:
  - {{name: out, type: {sink}, format: original}}
"""


@pytest.fixture
def deliver(tmp_path):
    runs = []

    def start(sink):
        runs.append(Run(tmp_path, CONFIG.format(sink=sink)))
        runs[-1].start(stdin=subprocess.PIPE)
        runs[-1].process.stdin.write("".join(r + "\n" for r in RECORDS).encode())
        runs[-1].process.stdin.close()
        assert runs[-1].process.wait(timeout=180) == 0, runs[-1].log.read_text()
        return runs[-1]

    yield start
    for run in runs:
        run.__exit__()


@pytest.mark.parametrize("framing", ["counted", "line"])
def test_syslog_over_tls_is_read_with_every_field(deliver, otelcol, certificates, framing):
    certificate, key = certificates.localhost
    port = free_port()
    receiver = otelcol({"syslog": {"protocol": "rfc5424", "enable_octet_counting": framing == "counted", "tcp": {
        "listen_address": f"127.0.0.1:{port}", "tls": {"cert_file": certificate, "key_file": key}}}}, [port])
    run = deliver(f'syslog, host: localhost, port: {port}, ca_file: "{certificates.ca}", framing: {framing}, hostname: collector-1')
    got = [r["attributes"] for r in receiver.wait(len(RECORDS))]
    assert sorted(a["message"] for a in got) == sorted(RECORDS)
    assert {r["time"] for r in receiver.records()} == {NANOSECONDS}
    for a in got:
        assert a["priority"] == 16 * 8 + LEVELS[json.loads(a["message"])["level"]]
        assert (a["hostname"], a["appname"], a["proc_id"], a["msg_id"]) == ("collector-1", "lethe", str(run.process.pid), "resource_log")
        data = a["structured_data"]["lethe@32473"]
        assert data["category"] == json.loads(a["message"])["category"] and data["policy"] == "standard"
    assert len({a["structured_data"]["lethe@32473"]["event_id"] for a in got}) == len(RECORDS)


def test_kafka_is_read_with_keys_and_headers(deliver, otelcol, kafka):
    topic = kafka.topic()
    receiver = otelcol({"kafka": {"brokers": [kafka.bootstrap], "group_id": f"otelcol-{topic.name}", "initial_offset": "earliest",
                                  "logs": {"topics": [topic.name], "encoding": "text"},
                                  "header_extraction": {"extract_headers": True, "headers": ["lethe-kind", "lethe-event-id", "lethe-policy"]}}})
    deliver(f'kafka, brokers: "{kafka.bootstrap}", security: plaintext, topic: {topic.name}')
    got = receiver.wait(len(RECORDS))
    assert sorted(r["body"] for r in got) == sorted(RECORDS)
