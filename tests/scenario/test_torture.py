"""A sample of the torture: a few faults of every kind. `scripts/torture` has all of them."""
import pathlib
import sys

import pytest

from conftest import LONG

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "torture"))
import torture   # noqa: E402, F401 -- finds the parts
from outcome import PARTS, Context, LeftOut   # noqa: E402


# A comparison; the same as points, for longer; depends on speed; unit tests, which run by themselves.
NOT_SAMPLED = ("rsyslog", "pairs", "overload", "allocation", "valgrind", "threads")


@pytest.mark.parametrize("name", [name for name in PARTS if name not in NOT_SAMPLED])
def test_nothing_is_lost_and_nothing_leaks(name, tmp_path):
    try:
        outcome = PARTS[name](Context(tmp_path, 1 if LONG else 0, seed=20))
    except LeftOut as reason:
        pytest.skip(str(reason))
    print(name, outcome.figures)
    assert outcome.faults > 0, "nothing was injected"
    assert outcome.red == []
