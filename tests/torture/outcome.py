"""What the parts of the torture have in common: how they are found, what they give back."""
import dataclasses
import pathlib


class LeftOut(Exception):
    """A part cannot run here; the text says why."""


@dataclasses.dataclass
class Outcome:
    faults: int                                            # injected; a part that injected none has failed
    figures: dict = dataclasses.field(default_factory=dict)
    red: list = dataclasses.field(default_factory=list)    # what is wrong, in words


@dataclasses.dataclass
class Context:
    folder: pathlib.Path   # of this part's own
    scale: float           # of the full size; 0: a sample
    seed: int

    def amount(self, sample, full):
        return max(sample, round(full * self.scale))


PARTS = {}   # name -> function(Context) -> Outcome, in the order of the table


def part(name):
    def add(function):
        PARTS[name] = function
        return function
    return add


def from_verdict(verdict, faults, wrong="", **figures):
    """An Outcome of the judge's verdict, with what else went wrong and was counted."""
    red = ([wrong] if wrong else []) + verdict.details
    return Outcome(faults, {**figures, **verdict.figures}, red)
