"""The formats of receivers, read by others: the published OCSF schema, a list of ECS fields, a CEF parser of another make, and the
limits of the ingestion protocol. The records are those that ship with the project and the golden ones of every kind."""
import gzip
import ipaddress
import json
import re

import pytest

from conftest import ROOT, files_below

FORMATS = ["ecs", "ocsf", "cef", "appinsights"]
GOLDEN = sorted((ROOT / "tests/golden/encode").glob("*.in"))
MARK = re.compile("«([^|»]*)\\|[^»]*»")   # a value and what it becomes
STAND_INS = {"«{\"s\":1}|\"[redacted:z]\"»": "{\"s\":1}"}
PLANTED = [line.split("\t")[:2] for line in (ROOT / "samples/PLANTED.tsv").read_text().splitlines() if not line.startswith("#")]
SECRETS = sorted({value for value, kind in PLANTED if kind == "secret"})


@pytest.fixture
def records(lethe):
    """A folder with all of them, one document to a file."""
    folder = lethe.folder / "records"
    for name in files_below(ROOT / "samples/export"):
        data = (ROOT / "samples/export" / name).read_bytes()
        target = folder / name.removesuffix(".gz")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.decompress(data) if name.endswith(".gz") else data)
    for path in GOLDEN:
        (folder / f"{path.stem}.json").write_text(MARK.sub(r"\1", path.read_text()))
    return folder


def lines(lethe, records, form):
    """What comes out, record by record. No byte is lost to splitting: only line feeds end a record."""
    run = lethe.redact(records, "--format", form, "--policy", "standard", "--quiet")
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode().split("\n")[:-1]


def test_each_format_has_a_line_for_each_record(lethe, records):
    counts = {form: len(lines(lethe, records, form)) for form in ["original", "flat", *FORMATS]}
    assert len(set(counts.values())) == 1 and counts["original"] > 50, counts


@pytest.mark.parametrize("form", FORMATS)
def test_no_secret_leaves_in_any_format(lethe, records, form):
    text = "\n".join(lines(lethe, records, form))
    plain = re.sub(r'\\+(["\\/=])', r"\1", text)
    assert [secret for secret in SECRETS if secret in text or secret in plain] == []


def leaves(value):
    """Every string and number in a document."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from leaves(member)
    elif isinstance(value, list):
        for element in value:
            yield from leaves(element)
    elif value is not None:
        yield value


DURATION = re.compile(r"(\d+\.)?\d\d:\d\d:\d\d(\.\d+)?$")
NUMBER = re.compile(r"\d+(\.\d+)?$")
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:]{8}(\.\d{1,3}0*)?Z$")


def is_told_otherwise(value, form):
    """Numbers, flags, levels and durations are written in the receiver's way; in CEF, times that milliseconds can tell."""
    if not isinstance(value, str) or DURATION.match(value) or NUMBER.match(value) or value.lower() in ("true", "false"):
        return True
    return form == "cef" and TIME.match(value)


def without_surrogates(text):
    return "".join("\N{REPLACEMENT CHARACTER}" if 0xD800 <= ord(c) <= 0xDFFF else c for c in text)


def cef_unescaped(text):
    """Read by the rules of the guide, and of \\u00XX for other control characters."""
    named = {"n": "\n", "r": "\r"}
    return re.sub(r"\\(u00[0-9a-f]{2}|.)", lambda m: chr(int(m[1][1:], 16)) if len(m[1]) > 1 else named.get(m[1], m[1]), text)


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_is_lost_in_mapping(lethe, records, form):
    lethe.run("keygen", "-o", "key")
    keyed = [records, "--quiet", "--policy", "standard", "--key-file", "key"]
    before = lethe.redact(*keyed).stdout.decode().split("\n")[:-1]
    after = lethe.redact(*keyed, "--format", form).stdout.decode().split("\n")[:-1]
    lost = []
    for original, mapped in zip(before, after, strict=True):
        if form == "cef":
            kept = cef_unescaped(mapped)
        else:
            kept = "\x00".join(without_surrogates(v) if isinstance(v, str) else json.dumps(v) for v in leaves(json.loads(mapped)))
        lost += [value for value in leaves(json.loads(original)) if not is_told_otherwise(value, form) and without_surrogates(value) not in kept]
    assert lost == []


# --- OCSF

def test_ocsf_is_accepted_by_the_published_schema(lethe, records):
    schemas = pytest.importorskip("ocsf_json_schema", reason="no ocsf-json-schema")
    jsonschema = pytest.importorskip("jsonschema", reason="no jsonschema")
    published = schemas.OcsfJsonSchemaEmbedded(schemas.get_ocsf_schema("1.8.0"))
    validators, faults, classes = {}, [], set()
    for line in lines(lethe, records, "ocsf"):
        event = json.loads(line)
        uid = event["class_uid"]
        if uid not in validators:
            schema = published.get_class_schema(published.lookup_class_name_from_uid(uid), profiles=event["metadata"]["profiles"])
            validators[uid] = jsonschema.Draft202012Validator(schema)
        faults += [f"{uid} {'/'.join(map(str, fault.absolute_path))}: {fault.message[:100]}" for fault in validators[uid].iter_errors(event)]
        classes.add(uid)
    assert faults == []
    assert classes == {0, 4002, 6002, 6003, 6008}


def test_ocsf_keeps_what_its_schema_says_in_words(lethe, records):
    for line in lines(lethe, records, "ocsf"):
        event = json.loads(line)
        assert event["type_uid"] == 100 * event["class_uid"] + event["activity_id"]
        assert event["category_uid"] == event["class_uid"] // 1000
        if event["class_uid"] == 6003:
            assert event["actor"] and event["api"]["operation"] and event["src_endpoint"]
        if event["class_uid"] == 4002:
            assert "http_request" in event or "http_response" in event
        if "ip" in event.get("src_endpoint", {}):
            ipaddress.ip_address(event["src_endpoint"]["ip"])


# --- ECS

ECS = {
    "@timestamp": "date", "message": "text", "ecs.version": "keyword", "labels.*": "keyword",
    "event.kind": "keyword", "event.category": "keywords", "event.type": "keywords", "event.dataset": "keyword", "event.action": "keyword",
    "event.outcome": "keyword", "event.duration": "long", "event.id": "keyword", "log.level": "keyword",
    "trace.id": "keyword", "span.id": "keyword", "service.name": "keyword", "service.node.name": "keyword",
    "user.name": "keyword", "user.domain": "keyword", "user.email": "keyword", "user.full_name": "keyword", "user.id": "keyword",
    "source.ip": "ip", "source.address": "keyword", "source.port": "long", "client.ip": "ip", "related.ip": "ips", "related.user": "keywords",
    "cloud.provider": "keyword", "cloud.account.id": "keyword", "cloud.region": "keyword",
    "container.name": "keyword", "container.image.name": "keyword", "error.type": "keyword", "error.stack_trace": "keyword",
    "http.request.method": "keyword", "http.request.id": "keyword", "http.request.body.bytes": "long",
    "http.response.status_code": "long", "http.response.body.bytes": "long",
    "url.original": "keyword", "url.full": "keyword", "url.scheme": "keyword", "url.domain": "keyword", "url.port": "long",
    "url.path": "keyword", "url.query": "keyword", "url.fragment": "keyword", "user_agent.original": "keyword",
}
ALLOWED = {
    "event.kind": {"event", "metric"},
    "event.outcome": {"success", "failure", "unknown"},
    "event.category": {"web", "process", "configuration", "database", "network", "authentication", "iam", "api"},
    "event.type": {"access", "admin", "allowed", "change", "connection", "creation", "deletion", "denied", "end", "error", "info", "start"},
}


def is_address(text):
    ipaddress.ip_address(text)
    return True


TYPES = {
    "keyword": lambda v: isinstance(v, str),
    "text": lambda v: isinstance(v, str),
    "keywords": lambda v: isinstance(v, list) and all(isinstance(e, str) for e in v),
    "long": lambda v: isinstance(v, int) and not isinstance(v, bool) and abs(v) < 2**63,
    "ip": lambda v: is_address(v),
    "ips": lambda v: isinstance(v, list) and all(is_address(e) for e in v),
    "date": lambda v: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", v) is not None,
}


def fields(value, path=""):
    for name, member in value.items():
        if not path and name == "azure":
            continue
        yield from fields(member, f"{path}{name}.") if isinstance(member, dict) else [(path + name, member)]


def test_ecs_has_the_fields_and_types_of_ecs(lethe, records):
    for line in lines(lethe, records, "ecs"):
        document = json.loads(line)
        assert document["@timestamp"] and document["ecs"]["version"] and document["event"]["kind"]
        for name, value in fields(document):
            known = ECS.get(name) or ECS.get(name.rsplit(".", 1)[0] + ".*")
            assert known is not None, f"{name} is no field of ECS"
            assert TYPES[known](value), f"{name} is no {known}"
            if name in ALLOWED:
                assert set(value if isinstance(value, list) else [value]) <= ALLOWED[name], name


def names_below(value):
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from names_below(member)
    elif isinstance(value, list):
        for element in value:
            yield from names_below(element)


def test_ecs_has_no_name_that_elasticsearch_would_take_apart_or_refuse(lethe, records):
    for line in lines(lethe, records, "ecs"):
        assert [name for name in names_below(json.loads(line)) if "." in name or not name.strip()] == []


def test_ecs_objects_and_texts_never_share_a_name(lethe, records):
    """What is an object in one record and a text in another could not be indexed together."""
    shapes = {}
    for line in lines(lethe, records, "ecs"):
        document = json.loads(line)
        own = document.get("azure", {}).get(document["event"]["dataset"].split(".")[1], {})
        if document["event"]["dataset"] == "azure.eventhub":
            continue   # records of no known kind
        for name, value in own.items():
            shapes.setdefault((document["event"]["dataset"], name), set()).add(isinstance(value, (dict, list)))
    assert [name for name, kinds in shapes.items() if len(kinds) > 1] == []


# --- CEF

def cef_parts(line):
    """Header and extension, by the rules of the guide."""
    header = re.match(r"CEF:0\|" + r"((?:[^|\\]|\\[|\\])*)\|" * 6, line)
    assert header is not None, line[:200]
    return list(header.groups()), line[header.end():]


def cef_pairs(extension):
    pairs = {}
    starts = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", extension))
    starts = [s for s in starts if s.start() == 0 or not extension[:s.end() - 1].endswith("\\")]
    for this, following in zip(starts, [*starts[1:], None]):
        assert this[1] not in pairs, f"twice: {this[1]}"
        pairs[this[1]] = extension[this.end():following.start() if following else len(extension)]
    return pairs


def test_cef_is_as_the_guide_has_it(lethe, records):
    for line in lines(lethe, records, "cef"):
        header, extension = cef_parts(line)
        assert all(header) and header[0] == "Microsoft" and 0 <= int(header[5]) <= 10
        assert re.search(r"[\x00-\x1f\x7f]", line) is None
        pairs = cef_pairs(extension)
        for key, value in pairs.items():
            assert value and value == value.strip(" "), key
            assert re.search(r"(?<!\\)(\\\\)*=", value) is None, f"{key} has a bare ="
            assert re.fullmatch(r"(?:[^\\]|\\[\\=nr]|\\u00[0-9a-f]{2})*", value), key
            if re.fullmatch(r"cs[1-6]|cn[1-3]|c6a[1-4]", key):
                assert f"{key}Label" in pairs
            if key in ("rt", "cn1", "cn2", "cn3", "in", "out", "spt"):
                int(value)
            if key == "src":
                assert ipaddress.ip_address(value).version == 4


def test_cef_is_parsed_by_a_parser_of_another_make(lethe, records):
    pycef = pytest.importorskip("pycef", reason="no pycef")
    for line in lines(lethe, records, "cef"):
        header, extension = cef_parts(line)
        if "\\" in "".join(header):
            continue   # it knows no escapes in headers
        parsed = pycef.parse(line)
        assert [parsed["DeviceVendor"], parsed["DeviceProduct"], parsed["DeviceEventClassID"], parsed["Name"], parsed["Severity"]] == [
            header[0], header[1], header[3], header[4], header[5]]
        pairs = cef_pairs(extension)
        labels = {key: pairs[f"{key}Label"] for key in pairs if f"{key}Label" in pairs}
        expected = {labels.get(key, key): value for key, value in pairs.items() if not key.endswith("Label")}
        assert {key: parsed.get(key) for key in expected} == expected


# --- Application Insights

REQUIRED = {
    "RequestData": {"id": str, "duration": str, "success": bool, "responseCode": str}, "MessageData": {"message": str},
    "ExceptionData": {"exceptions": list}, "EventData": {"name": str}, "MetricData": {"metrics": list},
    "RemoteDependencyData": {"name": str, "duration": str}, "AvailabilityData": {"id": str, "name": str, "duration": str, "success": bool},
    "PageViewData": {"id": str, "name": str}, "PageViewPerfData": {"id": str, "name": str},
}
OPTIONAL = {
    "RequestData": {"name", "source", "url"}, "MessageData": {"severityLevel"}, "ExceptionData": {"severityLevel", "problemId"}, "EventData": set(),
    "MetricData": set(), "RemoteDependencyData": {"id", "resultCode", "data", "type", "target", "success"},
    "AvailabilityData": {"runLocation", "message"}, "PageViewData": {"url", "duration", "referredUri"},
    "PageViewPerfData": {"url", "duration", "perfTotal", "networkConnect", "sentRequest", "receivedResponse", "domProcessing"},
}
TIMESPAN = re.compile(r"(\d{1,3}\.)?\d\d:\d\d:\d\d(\.\d{1,7})?")


def test_application_insights_gets_what_its_protocol_asks_for(lethe, records):
    types = set()
    for line in lines(lethe, records, "appinsights"):
        item = json.loads(line)
        assert set(item) <= {"ver", "iKey", "time", "name", "sampleRate", "flags", "tags", "data"} and len(line.encode()) < 65536
        assert re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", item["iKey"])
        assert TYPES["date"](item["time"]) and len(item["name"]) <= 1024
        assert all(isinstance(tag, str) and len(tag) <= 1024 for tag in item["tags"].values())
        kind, data = item["data"]["baseType"], item["data"]["baseData"]
        types.add(kind)
        assert data["ver"] == 2
        assert set(data) <= set(REQUIRED[kind]) | OPTIONAL[kind] | {"ver", "properties", "measurements"}
        for name, python_type in REQUIRED[kind].items():
            assert isinstance(data[name], python_type) and data[name] != "", name
        if "duration" in data:
            assert TIMESPAN.fullmatch(data["duration"])
        assert all(isinstance(v, str) and 0 < len(k) <= 150 and len(v) <= 8192 for k, v in data["properties"].items())
        assert all(isinstance(v, (int, float)) for v in data.get("measurements", {}).values())
        for exception in data.get("exceptions", []):
            assert exception["message"] and exception["typeName"]
        for metric in data.get("metrics", []):
            assert metric["name"] and isinstance(metric["value"], (int, float))
    assert types == set(REQUIRED)


# --- The command line

def test_unknown_formats_are_refused_and_the_known_ones_named(lethe):
    run = lethe.redact("-", "--format", "leef")
    assert run.returncode == 2
    assert all(form in run.stderr.decode() for form in ["original", "flat", *FORMATS])


@pytest.mark.parametrize("form", ["flat", *FORMATS])
def test_containers_are_kept_in_the_original_format_only(lethe, form):
    run = lethe.redact("-", "--format", form, "--keep-container")
    assert run.returncode == 2
