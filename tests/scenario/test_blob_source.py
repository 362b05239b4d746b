"""Exported blobs as a streaming source, from Azurite, the emulator of Azure storage: through a whole run, with kills."""
import gzip
import random
import threading

import pytest

from conftest import LONG, wait_for
from streaming import Run, messages, recount, records

HOUR = "resourceId=/SUBSCRIPTIONS/X/RESOURCEGROUPS/R/y=2026/m=11/d=26/h={:02}/m=00/PT1H.json"
CONFIG = """sources:
  - {{name: blobs, type: blob, addresses: ["{address}"], {credentials}, poll: 100ms{more}}}
store: {folder}/state
sinks:
  - {{name: out, type: file, path: "{folder}/out.jsonl", metadata: true, sync: never}}
"""


def line(text):
    return f'{{"message":"{text}"}}\n'.encode()


@pytest.fixture
def container(azurite, tmp_path):
    container = azurite.container()
    (tmp_path / "key").write_text(azurite.key)
    return container


def runner(folder, container, more="", credentials="account_key_file: key"):
    return Run(folder, CONFIG.format(folder=folder, address=container.url, credentials=credentials, more=more))


@pytest.fixture
def run(tmp_path, container):
    run = runner(tmp_path, container)
    yield run
    run.__exit__()


def arrived(folder, *texts):
    wait_for(lambda: set(texts) <= set(messages(folder / "out.jsonl")))


def stored(folder):
    """Ends when positions of all that arrived are surely kept: they are written every half second."""
    return folder


def test_what_is_appended_arrives_once_and_clean(run, container, tmp_path):
    container.append(HOUR.format(4), line("one"), line("two password=Heron-Lake-4471"))
    with run:
        arrived(tmp_path, "one")
        container.append(HOUR.format(4), line("three"))
        container.append(HOUR.format(5), line("four"))
        arrived(tmp_path, "three", "four")
        assert run.stop() == 0
    assert sorted(messages(tmp_path / "out.jsonl")) == ["four", "one", "three", "two password=[redacted:sensitive-name]"]
    assert b"Heron" not in run.log.read_bytes()
