"""What the parts of the torture have in common: how they are found, what they give back."""
import dataclasses
import pathlib
import typing


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
    kafka: typing.Callable = lambda: None   # starts the one broker of all parts at its first call; None: there is none
    shard: tuple = (1, 1)  # which piece of how many, of parts that take hours

    def amount(self, sample, full):
        return max(sample, round(full * self.scale))


PARTS = {}   # name -> function(Context) -> Outcome, in the order of the table


def part(name):
    def add(function):
        PARTS[name] = function
        return function
    return add


def summed(verdicts):
    """The figures of several judgements."""
    return {name: round(sum(verdict.figures.get(name, 0) for verdict in verdicts), 1) for verdict in verdicts for name in verdict.figures}


def from_verdict(verdict, faults, wrong="", **figures):
    """An Outcome of the judge's verdict, with what else went wrong and was counted."""
    return from_verdicts([verdict], faults, [wrong], **figures)


def from_verdicts(verdicts, faults, wrongs, **figures):
    red = [wrong for wrong in wrongs if wrong] + [detail for verdict in verdicts for detail in verdict.details]
    return Outcome(faults, {**figures, **summed(verdicts)}, red)
