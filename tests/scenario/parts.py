"""The real parts, started once for all scenarios. A part that is not installed skips the tests that ask for it."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "parts"))

from appinsights import Ingestion   # noqa: E402
from azurite import Azurite   # noqa: E402
from broker import Kafka   # noqa: E402
from certificates import Certificates   # noqa: E402
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
def rsyslog(parts_folder, certificates):
    yield from started(lambda: Rsyslog(parts_folder / "rsyslog", certificates))


@pytest.fixture(scope="session")
def syslog_ng(parts_folder, certificates):
    yield from started(lambda: SyslogNg(parts_folder / "syslog-ng", certificates))


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
