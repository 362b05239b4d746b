"""The real parts, started once for all scenarios. A part that is not installed skips the tests that ask for it."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "parts"))

from appinsights import Ingestion   # noqa: E402
from azurite import Azurite   # noqa: E402
from broker import Kafka   # noqa: E402
from browser import Browser   # noqa: E402
from certificates import Certificates   # noqa: E402
from opensearch import OpenSearch   # noqa: E402
from otelcol import Otelcol   # noqa: E402
from recorder import Recorder   # noqa: E402
from running import Missing   # noqa: E402
from syslog_servers import Rsyslog, SyslogNg   # noqa: E402


def started(make):
    """Makes, starts, hands out and stops a part."""
    try:
        part = make()
    except Missing as missing:
        pytest.skip(str(missing))
    part.start()
    try:
        yield part
    finally:
        part.stop()


@pytest.fixture(scope="session")
def parts_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="session")
def certificates(parts_folder):
    return Certificates(parts_folder / "certificates")


@pytest.fixture(scope="session")
def kafka(parts_folder, certificates):
    yield from started(lambda: Kafka(parts_folder / "kafka", certificates))


@pytest.fixture(scope="session")
def azurite(parts_folder):
    yield from started(lambda: Azurite(parts_folder / "azurite"))


@pytest.fixture(scope="session")
def tls_azurite(parts_folder, certificates):
    yield from started(lambda: Azurite(parts_folder / "tls-azurite", certificates))


@pytest.fixture(scope="session")
def opensearch(parts_folder):
    yield from started(lambda: OpenSearch(parts_folder / "opensearch"))


@pytest.fixture(scope="session")
def rsyslog(parts_folder, certificates):
    yield from started(lambda: Rsyslog(parts_folder / "rsyslog", certificates))


@pytest.fixture(scope="session")
def syslog_ng(parts_folder, certificates):
    yield from started(lambda: SyslogNg(parts_folder / "syslog-ng", certificates))


@pytest.fixture
def otelcol(tmp_path):
    """Starts receivers by their settings: otelcol({"syslog": {...}}, ports)."""
    with contextlib.ExitStack() as running:
        def start(receivers, ports=()):
            try:
                return running.enter_context(Otelcol(tmp_path / "otelcol", receivers, ports).running())
            except Missing as missing:
                pytest.skip(str(missing))
        yield start


@pytest.fixture(scope="session")
def browser():
    try:
        return Browser()
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def logrotate(tmp_path):
    """Rotates a file once, now: logrotate(file, "rotate 5", "copytruncate", ...)."""
    program = shutil.which("logrotate") or shutil.which("logrotate", path="/usr/sbin:/sbin")
    if not program:
        pytest.skip("no logrotate: run tests/parts/install")

    def rotate(path, *directives):
        settings = tmp_path / "logrotate.conf"
        settings.write_text(f"{path} {{\n" + "\n".join((*directives, "su root root" if os.getuid() == 0 else "")) + "\n}\n")
        settings.chmod(0o644)
        subprocess.run([program, "--force", "--state", str(tmp_path / "logrotate.state"), str(settings)], check=True)

    return rotate


@pytest.fixture
def recorder():
    yield from started(Recorder)


@pytest.fixture
def tls_recorder(certificates):
    yield from started(lambda: Recorder(certificate=certificates.localhost))


@pytest.fixture
def ingestion():
    yield from started(Ingestion)


@pytest.fixture
def tls_ingestion(certificates):
    yield from started(lambda: Ingestion(certificate=certificates.localhost))
