"""A sample of the torture: a few faults of every kind. `scripts/torture` has all of them."""
import pathlib
import sys

import pytest

from conftest import LONG

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "torture"))
import torture   # noqa: E402, F401 -- finds the parts
from outcome import PARTS, Context, LeftOut   # noqa: E402


# A comparison; the same as points, for longer; depends on speed; what needs packages of its own; tests and commands, which run by themselves.
NOT_SAMPLED = ("rsyslog", "rsyslog-direct", "syslog-ng", "pairs", "overload", "clock", "calls", "memory", "allocation", "valgrind",
               "threads", "sanitizers", "peers", "worst", "fuzz", "coverage", "mutants")


def broker_if_any(request):
    """What needs none goes on without."""
    try:
        return request.getfixturevalue("kafka")
    except pytest.skip.Exception:
        return None


@pytest.mark.parametrize("name", [name for name in PARTS if name not in NOT_SAMPLED])
def test_nothing_is_lost_and_nothing_leaks(name, tmp_path, request):
    try:
        outcome = PARTS[name](Context(tmp_path, 1 if LONG else 0, 20, lambda: broker_if_any(request)))
    except LeftOut as reason:
        pytest.skip(str(reason))
    print(name, outcome.figures)
    assert outcome.faults > 0, "nothing was injected"
    assert outcome.red == []
