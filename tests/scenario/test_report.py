"""lethe redact --report: what the page and the object tell, and what they never tell."""
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

PASSWORD = "Tr0ub4dor-and-3-horses"
TOKEN = "glpat-" + "Zq7xK2mW9vLp4TnR8sYd"
VARIABLE = "cedar-lantern-19"


def record(hour, name="password", value=PASSWORD, **more):
    return {"time": f"2026-03-14T{hour:02}:30:00Z", "category": "AmlComputeJobEvent", "resourceId": "/x", "operationName": "o",
            "properties": {name: value, **more}}


def lines(*records):
    return "".join(json.dumps(r) + "\n" for r in records).encode()


@pytest.fixture
def logs(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(lines(record(9), record(11), {"note": "plain"}, record(10, "note", f"push with {TOKEN}")))
    (tmp_path / "b.jsonl").write_bytes(lines(
        record(8, "list", [{"password": PASSWORD}], message=f"login as ada with {PASSWORD} failed"),
        record(12, "environmentVariables", {"FAVOURITE": VARIABLE}, runId="amber_boat_7")))
    return tmp_path


def by_rule(report):
    return {leak["rule"]: leak for leak in report["inventory"]}


def steady(report):
    """What does not depend on when and how fast the run was."""
    return {name: value for name, value in report.items() if name not in ("started", "finished", "seconds")}


@pytest.fixture
def key(lethe):
    lethe.run("keygen", "-o", "key")
    return ["--key-file", "key"]


# --- For machines -------------------------------------------------------------------------------------------------------

def test_a_secret_is_one_entry_that_tells_when_where_and_how_often(lethe, logs):
    leak = by_rule(lethe.report("a.jsonl", "b.jsonl", "-o", "out/"))["sensitive-name"]
    assert re.fullmatch("[a-z2-7]{16}", leak["fingerprint"])
    assert (leak["count"], leak["records"]) == (4, 3)
    assert (leak["first_seen"], leak["last_seen"]) == ("2026-03-14T08:30:00.000Z", "2026-03-14T11:30:00.000Z")
    assert leak["first"] == {"file": "b.jsonl", "line": 1, "path": "properties.list[0].password"}
    assert leak["last"] == {"file": "a.jsonl", "line": 2}
    assert leak["paths"] == ["properties.password", "properties.list[].password", "properties.message"]
    assert leak["more_paths"] == 0
    assert leak["kinds"] == ["aml_resource_log"]
    assert leak["class"] == "secret"


def test_only_credentials_are_in_the_inventory(lethe, logs):
    report = lethe.report("a.jsonl", "b.jsonl", "-o", "out/")
    assert sorted(by_rule(report)) == ["gitlab-personal-token", "sensitive-name"]
    assert report["redactions_by_rule"]["environment"] == 1
    assert report["redactions_by_rule"]["run-name"] == 1


def test_kinds_fields_and_hours_add_up_to_all_redactions(lethe, logs):
    report = lethe.report("a.jsonl", "b.jsonl", "-o", "out/")
    total = report["totals"]["redactions"]
    time = report["over_time"]
    assert total == 7
    assert report["redactions_by_kind"] == {"aml_resource_log": {"sensitive-name": 3, "gitlab-personal-token": 1, "echo": 1,
                                                                 "environment": 1, "run-name": 1}}
    assert {"field": "properties.password", "count": 2} in report["redactions_by_field"]
    assert {"field": "properties.list[].password", "count": 1} in report["redactions_by_field"]
    assert sum(field["count"] for field in report["redactions_by_field"]) == total
    assert sum(sum(bucket["redactions"].values()) for bucket in time["buckets"]) == total
    assert time["bucket_seconds"] == 300   # 8:30 to 12:30: 241 minutes are too many
    assert time["buckets"][0] == {"start": "2026-03-14T08:30:00.000Z", "redactions": {"secret": 1, "echo": 1}}


def test_a_record_without_a_time_is_told_by_file_and_line(lethe, tmp_path):
    (tmp_path / "in.log").write_text(f"starting\npassword={PASSWORD}\n")
    report = lethe.report("in.log", "-o", "out.jsonl")
    leak = report["inventory"][0]
    assert (leak["first_seen"], leak["last_seen"]) == (None, None)
    assert (leak["first"]["file"], leak["first"]["line"]) == ("in.log", 2)
    assert report["over_time"]["buckets"] == []
    assert report["over_time"]["undated"] == {"secret": 1}


def test_a_field_that_only_claims_to_be_a_time_is_not_repeated(lethe, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(lines({**record(9), "time": "cleartext-of-somebody"}))
    lethe.redact("in.jsonl", "-o", "out.jsonl", "--report", "r.json")
    assert "cleartext" not in (tmp_path / "r.json").read_text()
    assert json.loads((tmp_path / "r.json").read_text())["inventory"][0]["first_seen"] is None


def test_the_report_is_the_same_for_any_number_of_jobs(lethe, key, tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.jsonl").write_bytes(lines(*(
            record(n % 24, "list", [{}] * (n % 5) + [{"password": f"{PASSWORD}-{n % 500:04}"}], note="plain words " * 20)
            for n in range(8000))))
    reports = [lethe.report("a.jsonl", "b.jsonl", "c.jsonl", "-o", "out/", *key, "--jobs", jobs) for jobs in (1, 4)]
    assert len(reports[0]["inventory"]) == 500
    assert steady(reports[0]) == steady(reports[1])


def test_with_a_key_file_equal_secrets_have_equal_fingerprints_in_every_run(lethe, key, logs):
    first, second = (by_rule(lethe.report(name, "-o", "out.jsonl", *key)) for name in ("a.jsonl", "b.jsonl"))
    assert first["sensitive-name"]["fingerprint"] == second["sensitive-name"]["fingerprint"]
    assert first["sensitive-name"]["fingerprint"] != first["gitlab-personal-token"]["fingerprint"]


def test_without_a_key_file_fingerprints_hold_for_one_run(lethe, logs):
    first, second = (lethe.report("a.jsonl", "-o", "out.jsonl") for _ in range(2))
    assert not first["key_lasts"]
    assert by_rule(first)["sensitive-name"]["fingerprint"] != by_rule(second)["sensitive-name"]["fingerprint"]


def test_a_report_does_not_change_the_output(lethe, key, logs):
    plain = lethe.redact("a.jsonl", "b.jsonl", *key).stdout
    assert lethe.redact("a.jsonl", "b.jsonl", *key, "--report", "r.html").stdout == plain


# --- For people ---------------------------------------------------------------------------------------------------------

VOID = {"meta", "br", "wbr"}
OUTSIDE = {"src", "href", "action", "data", "poster", "srcset", "style", "xlink:href", "formaction"}


class Page(HTMLParser):
    """Notes elements, attributes and text, and that every element that begins also ends."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def text(self):
        return "".join(self.texts)

    def tags(self):
        return {tag for tag, _ in self.elements}


@pytest.fixture
def page(lethe, logs):
    lethe.redact("a.jsonl", "b.jsonl", "-o", "out/", "--report", "report.html")
    return (logs / "report.html").read_text()


def test_the_page_needs_nothing_but_itself(page):
    parsed = Page(page)
    assert not parsed.tags() & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    for _, attributes in parsed.elements:
        for name in OUTSIDE & set(attributes):
            assert attributes[name].startswith("#")
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", page)
    assert "default-src 'none'" in page


def test_the_page_holds_no_byte_of_what_was_removed(page):
    for value in (PASSWORD, TOKEN, VARIABLE, "amber_boat_7"):
        for start in range(len(value) - 5):
            assert value[start:start + 6] not in page


def test_the_page_tells_what_the_object_tells(lethe, key, logs):
    report = lethe.report("a.jsonl", "b.jsonl", "-o", "out/", *key)
    lethe.redact("a.jsonl", "b.jsonl", "-o", "out/", *key, "--report", "report.html")
    text = Page((logs / "report.html").read_text()).text()
    for leak in report["inventory"]:
        assert leak["fingerprint"] in text
        assert leak["title"] in text
    for name in (*report["redactions_by_rule"], *report["redactions_by_kind"], *report["classes"], report["key_id"], "a.jsonl"):
        assert name in text


def test_charts_have_a_name_and_tables_have_headers(page):
    parsed = Page(page)
    for tag, attributes in parsed.elements:
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or (attributes["role"] == "img" and attributes["aria-label"])
        if tag == "th":
            assert attributes["scope"] in ("row", "col")
    assert [tag for tag, _ in parsed.elements].count("h1") == 1
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in parsed.elements:
        if tag == "a":
            assert attributes["href"][1:] in ids


def test_hostile_names_of_files_and_fields_are_only_text(lethe, tmp_path):
    name = "<script>alert(1)<!--&\"'\x1b.jsonl"
    (tmp_path / name).write_bytes(lines(record(9, "<img onerror=x>", {"password": PASSWORD})) + b'{"torn": [\n')
    lethe.redact(name, "-o", "out.jsonl", "--report", "report.html", "--policy", "standard")
    page = (tmp_path / "report.html").read_text()
    parsed = Page(page)
    assert not parsed.tags() & {"script", "img"}
    assert "<script>alert(1)<!--&\"'\\x1b.jsonl" in parsed.text()
    assert "'<img onerror=x>'" in parsed.text()
    assert "\x1b" not in page


def test_records_withheld_and_inputs_that_failed_stand_on_the_page(lethe, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(lines(record(9)) + b'{"torn": [\n')
    lethe.redact("in.jsonl", "missing.jsonl", "-o", "out/", "--report", "report.html")
    text = Page((tmp_path / "report.html").read_text()).text()
    assert "Not complete." in text
    assert "truncated" in text
    assert "missing.jsonl" in text


def test_a_run_without_findings_has_a_page_too(lethe, tmp_path):
    assert lethe.redact("-", "--report", "report.html", stdin=b'{"note":"plain"}\n').returncode == 0
    text = Page((tmp_path / "report.html").read_text()).text()
    assert "No credential was found." in text


def test_a_report_of_another_form_is_refused(lethe):
    run = lethe.redact("-", "--report", "report.pdf", stdin=b"{}")
    assert run.returncode == 2
    assert b"should end in .html or .json" in run.stderr


def test_a_browser_draws_the_page(lethe, page, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium here")
    try:
        run = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                              "--disable-background-networking", "--disable-component-update", "--disable-sync",
                              f"--user-data-dir={tmp_path}/profile", "--window-size=360,800", "--virtual-time-budget=1000",
                              "--dump-dom", (tmp_path / "report.html").as_uri()],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("chromium does not get going here")
    assert b"What to rotate" in run.stdout
