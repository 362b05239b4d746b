"""The documentation says what the program does: options, classes, examples, links."""
import json
import os
import re
import textwrap

import pytest

from conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*/README.md"))]
COMMANDS = ["redact", "scan", "explain", "test", "rules", "check", "keygen", "unseal", "run"]
FOREIGN = {"--preset", "--install", "--prefix", "--build", "--quick", "--save", "--head", "--details", "--hostile", "--corpus", "--peers", "--only"}   # of cmake and of bench/
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
PSEUDONYM = re.compile(r"(run|user|name|ikey)-[A-Z2-7]{4}-[a-z2-7]{26}")


def help_of(lethe, command):
    return lethe.run(command, "--help").stdout.decode()


def options_of(lethe, command):
    listed = help_of(lethe, command).split("Options:\n")[1].split("\n\n")[0]
    return set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", listed, re.MULTILINE))


def blocks(page, language=""):
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def without_keys(text):
    """Pseudonyms differ from run to run."""
    return PSEUDONYM.sub(r"\1-KEY", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_option_that_is_mentioned_exists(lethe, page):
    known = {"--version"}.union(*(options_of(lethe, command) for command in COMMANDS))
    assert set(OPTION.findall(page.read_text())) - FOREIGN - known == set()


@pytest.mark.parametrize("command", ["redact", "run"])
def test_every_option_is_explained(lethe, command):
    assert options_of(lethe, command) - set(OPTION.findall((ROOT / f"docs/{command}.md").read_text())) == set()


def test_the_messages_that_are_explained_are_those_of_the_program():
    """Whatever docs/operations.md quotes, but for commands, names and numbers."""
    source = "".join(path.read_text() for folder in ["collector", "redaction", "sinks"] for path in sorted((ROOT / folder).glob("**/*.c")))
    source = re.sub(r'"\s*\n\s*"', "", re.sub(r'" PRI\w+ "', "", source)).replace("cannot %s store", "cannot open store")
    quoted = re.findall(r"`([a-z][^`]* [^`]*)`", (ROOT / "docs/operations.md").read_text().replace("\n", " "))
    messages = [text for text in quoted if re.match(r"(lethe|sudo|mv|systemctl|cp|rsync) |lethe_|\w+: (true|false)$", text) is None]
    assert len(messages) > 10
    for message in messages:
        for piece in re.split(r"'?\.\.\.'?|\d+|'[\w.-]+'", message):
            assert piece.strip(" :,;") in source, message


def test_the_exit_codes_are_those_of_the_help(lethe):
    told = dict(re.findall(r"^  (\d)  (.*)$", help_of(lethe, "redact"), re.MULTILINE))
    assert set(re.findall(r"^\| (\d) \|", (ROOT / "docs/redact.md").read_text(), re.MULTILINE)) == set(told)


def test_the_formats_are_those_that_the_program_knows(lethe):
    told = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/formats.md").read_text().split("## Which class")[0], re.MULTILINE)
    refusal = lethe.redact("-", "--format", "none").stderr.decode()
    known = re.findall(r"\w+", refusal.split("there are ")[1].replace(" and ", " "))
    assert told == known
    assert [name for name in told if name not in (ROOT / "docs/redact.md").read_text() or name not in help_of(lethe, "redact")] == []


def test_every_place_of_a_field_is_told():
    """The table of docs/formats.md has all places of sinks/mapping.def."""
    places = {place.lstrip("+") for place in re.findall(r'ON\([^"]*"([^"]+)"\)', (ROOT / "sinks/mapping.def").read_text().split("*/", 1)[1])}
    page = (ROOT / "docs/formats.md").read_text()
    told = set(re.findall(r"`([^`]+)`", page))
    claims = "azure.activitylogs.identity.claims_initiated_by_user"
    told |= {claims + name for name in told if name.startswith(".")}
    assert places - told == set()


def test_every_reason_for_withholding_is_explained():
    reasons = re.findall(r'^REFUSAL\(\w+, +"([^"]+)", +"([^"]+)"\)', (ROOT / "collector/base/refusals.def").read_text(), re.MULTILINE)
    rows = re.findall(r"^\| `([a-z0-9]+)` \| ([^|]+) \| [^|]+ \|$", (ROOT / "docs/redact.md").read_text(), re.MULTILINE)
    assert [(label, text) for label, text in rows] == reasons


def classes_of(profile):
    """The `classes:` of a built-in policy, as written."""
    text = (ROOT / f"redaction/policies/{profile}.yaml").read_text()
    return dict(re.findall(r"^  ([a-z-]+): ([a-z-]+)$", text.split("classes:\n")[1].split("\n\n")[0], re.MULTILINE))


def test_the_table_of_classes_is_that_of_the_policies():
    rows = re.findall(r"^\| `([a-z-]+)` \| [^|]+ \| ([a-z-]+) \| ([a-z-]+) \|$", (ROOT / "docs/policies.md").read_text(), re.MULTILINE)
    standard = classes_of("standard")
    hbi = {**standard, **classes_of("hbi")}
    assert rows == [(name, action, hbi[name]) for name, action in standard.items()]


def test_the_list_of_harmless_variables_is_that_of_the_policy():
    text = (ROOT / "redaction/policies/standard.yaml").read_text()
    names = re.findall(r"^  - (\S+)$", text.split("harmless-variables:\n")[1].split("\n\n")[0], re.MULTILINE)
    section = (ROOT / "docs/policies.md").read_text().split("## Which variables are harmless")[1].split("##")[0]
    assert re.findall(r"`(\w+)`", section) == names


def test_the_example_of_a_policy_does_what_is_said(lethe, tmp_path):
    policy, = blocks("docs/policies.md", "yaml")
    before, after = blocks("docs/policies.md", "json")
    (tmp_path / "our-policy.yaml").write_text(policy)
    assert lethe.run("check", "--policy", "our-policy.yaml").returncode == 0
    run = lethe.redact("-", "--policy", "our-policy.yaml", stdin=before.encode())
    assert without_keys(run.stdout.decode()) == without_keys(after)


SECRETS = {"KAFKA_PASSWORD": "heron", "HEC_TOKEN": "heron", "APPLICATIONINSIGHTS_CONNECTION_STRING":
           "InstrumentationKey=6f0f4a8a-3b5e-4f0e-9d1c-0a1b2c3d4e5f;IngestionEndpoint=https://north.example/"}
REST = {"sources": "  - {name: in, type: stdin}\n", "sinks": "  - {name: out, type: stdout}\n"}


def configurations():
    """Every example of a configuration, made whole: a part stands for itself, the rest is standard input and output."""
    for page in PAGES:
        for number, block in enumerate(blocks(page, "yaml"), 1):
            if re.search(r"^(extends|tests):", block, re.MULTILINE) is None:
                block = re.sub(r"\A(?=  - )", "sinks:\n", block)
                for part, standard in REST.items():
                    if f"{part}:\n" not in block:
                        block += f"{part}:\n{standard}"
                yield pytest.param(block, id=f"{page.name}-{number}")
    sidecar = (ROOT / "share/kubernetes/sidecar.yaml").read_text()
    yield pytest.param(textwrap.dedent(re.search(r"^  lethe.yaml: \|\n((?:    .*\n)+)", sidecar, re.MULTILINE)[1]), id="sidecar")


@pytest.mark.parametrize("text", configurations())
def test_every_example_of_a_configuration_is_accepted(lethe, certificates, text):
    """Its files are laid out in the test's own folder."""
    for folder in ["keys", "admin"]:
        (lethe.folder / folder).mkdir()
    lethe.run("keygen", "-o", "keys/lethe.key")
    lethe.run("keygen", "--seal", "-o", "audit.key")
    certificate, key = certificates.localhost
    event_hub = "Endpoint=sb://north.servicebus.windows.net/;SharedAccessKeyName=lethe;SharedAccessKey=aGVyb24="
    files = {"admin.pem": certificate.read_text(), "admin.key": key.read_text(), "ca.pem": certificates.ca.read_text(),
             "admin/tls.crt": certificate.read_text(), "admin/tls.key": key.read_text(), "keys/token": "heron",
             "admin.token": "heron-lake-4471-sandpiper", "keys/admin-token": "heron-lake-4471-sandpiper", "eventhub": event_hub, "sas": "sv=2020-12-06&sig=aGVyb24%3D"}
    for name, content in files.items():
        (lethe.folder / name).write_text(content)
    (lethe.folder / "lethe.yaml").write_text(re.sub(r"/etc/lethe|/run/secrets", str(lethe.folder), text))
    done = lethe.run("check", "-c", "lethe.yaml", env={**os.environ, **SECRETS})
    assert done.returncode == 0, done.stderr.decode()


def test_the_example_of_the_readme_is_what_comes_out(lethe):
    before, after = blocks("README.md")
    assert without_keys(lethe.redact("-", stdin=before.encode()).stdout.decode()) == without_keys(after)


def test_the_members_of_the_example_of_a_report_are_there_in_order(lethe):
    example = json.loads(blocks("docs/redact.md", "json")[0])
    report = lethe.report(ROOT / "samples/export/appinsights-track.json")
    for shown, real in [(example, report), (example["totals"], report["totals"]), (example["inputs"][0], report["inputs"][0])]:
        assert [name for name in real if name in shown] == list(shown)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_files_in_tables_are_there(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target
    if page.name == "README.md" and page.parent != ROOT:
        for cell in re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE):
            for name in re.findall(r"`([\w./-]+\.(?:c|h|def|py))`", cell):
                assert any(page.parent.glob(f"**/{name}")), name
