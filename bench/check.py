#!/usr/bin/env python3
"""Compares what a redactor wrote with the generated input and its sidecar, and prints one row of a table.

    check.py INPUT SIDECAR OUTPUT [--reserialised] [--name NAME] [--details] [--head]

Input and output hold one record a line, in the same order; records are matched by their correlationId, so that a lost
one is counted as lost and not as a thousand changed ones. What is counted:

  lost, extra, invalid    records missing, records too many, lines that are no JSON
  secrets                 planted secrets of which any 8 bytes in a row are left (of a JWT: of its payload or signature),
                          in the line as it stands, percent-decoded, or with its JSON escapes undone
  env values              values of environment variables left in place, or of 8 characters and more left anywhere
  run ids                 run ids left anywhere in their record
  names gone              variables whose name went with the value
  changed                 values that changed though nothing in them had to go, or that were not there before
  rewritten               records with nothing to remove whose bytes changed all the same
  words kept              of the words around secrets and run ids in the same value, the share that is still there

--reserialised is for programs that write JSON anew: values are compared as parsed, bytes and order of members are not.
Exit code 1 if anything was left, lost or invalid, if more than one record in a thousand has a changed value, or if fewer
than nine words of ten were kept. Messages name records and places, never values."""
import argparse
import collections
import json
import re
import sys
from urllib.parse import unquote

HARMLESS = frozenset("PATH LD_LIBRARY_PATH PYTHONPATH HOME HOSTNAME PWD LANG TZ OMP_NUM_THREADS CUDA_VISIBLE_DEVICES "
                     "NCCL_DEBUG HF_HOME".split())
RUN_IDS = ("RunId", "RootRunId", "ParentRunId")
MAY_CHANGE = frozenset(("runid", "rootrunid", "parentrunid", "experimentid", "experimentname"))
NESTED = "<json>"       # a step of a path: the string before it is JSON text
WINDOW = 8
LOOK_AHEAD = 2000       # records by which input and output may be apart
IDENTITY = re.compile(r'"correlationId":\s*"([0-9a-f-]{36})"')
WORD = re.compile(r"\w{3,}")


class Number(str):
    """A number as it is spelled."""


def parse(line, reserialised):
    if reserialised:
        return json.loads(line)
    return json.loads(line, parse_int=Number, parse_float=Number)


def leaves(value, path=()):
    """Every scalar with its path; strings that are JSON text are opened."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, path + (key,))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, path + (index,))
    elif type(value) is str and value.lstrip()[:1] in ("{", "["):
        try:
            yield from leaves(json.loads(value, parse_int=Number, parse_float=Number), path + (NESTED,))
        except ValueError:
            yield path, value
    else:
        yield path, value


def read_sidecar(path):
    secrets = collections.defaultdict(list)
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            number, kind, place, secret = line.rstrip("\n").split("\t")
            secrets[int(number)].append((kind, place, secret))
    return secrets


def windows(kind, secret):
    body = secret.partition(".")[2] if kind == "jwt" else secret
    for form in {body, unquote(body), unquote(unquote(body))}:
        for start in range(max(1, len(form) - WINDOW + 1)):
            yield form[start:start + WINDOW]


def variable_of(path):
    """The part of this path that leads to an environment variable, its name last."""
    for end, step in enumerate(path[:-1], 2):
        if isinstance(step, str) and step.lower() == "environmentvariables":
            return path[:end]
    return None


class Check:
    def __init__(self, secrets, reserialised=False):
        self.secrets, self.reserialised = secrets, reserialised
        self.counts = collections.Counter()
        self.left = collections.Counter()
        self.places = collections.Counter()
        self.examples = []

    # --- one record ----------------------------------------------------------------------------------------------

    def record(self, number, before, after):
        planted = self.secrets.get(number, ())
        sensitive = bool(planted) or '"RunId"' in before or "nvironmentVariables" in before
        self.counts["records"] += 1
        if before == after and not sensitive:
            return
        try:
            new = parse(after, self.reserialised)
        except ValueError:
            self.counts["invalid"] += 1
            return
        old = dict(leaves(parse(before, self.reserialised)))
        new = dict(leaves(new))
        texts = [v for v in new.values() if isinstance(v, str)]
        everything = "\n".join([after, unquote(after), *texts])
        self.secrets_left(planted, everything)
        runs = [v for p, v in old.items() if len(p) == 2 and p[0] == "properties" and p[1] in RUN_IDS and v]
        self.counts["run_ids"] += sum(run in everything for run in runs)
        self.compare(number, old, new, planted, runs, everything)
        if not sensitive and not self.reserialised:
            self.counts["rewritten"] += 1
        elif not self.reserialised and list(old) != list(new):
            self.counts["rewritten"] += [p for p in old if p in new] != [p for p in new if p in old]

    def secrets_left(self, planted, everything):
        for kind, place, secret in planted:
            if any(window in everything for window in windows(kind, secret)):
                self.counts["secrets"] += 1
                self.left[kind, place] += 1

    def compare(self, number, old, new, planted, runs, everything):
        names = {v for p, v in old.items() if str(p[-1]).lower() in ("experimentname", "experimentid")}
        gone = {form for _, _, secret in planted for form in (secret, unquote(secret))}
        variables = {variable_of(path) for path in new}
        for path, value in old.items():
            is_there, found = path in new, new.get(path)
            variable = variable_of(path)
            if variable is not None and variable[-1] not in HARMLESS:
                self.variable(number, path, value, found, variable in variables, "" if value in runs else everything)
            elif is_there and found == value and type(found) is type(value):
                pass
            elif {str(step).lower() for step in path} & MAY_CHANGE:
                pass
            elif isinstance(value, str) and any(form in value for form in gone.union(runs)):
                self.words(value, found, gone.union(runs, names))
            else:
                self.changed(number, path)
        if added := new.keys() - old.keys():
            steps = {path[:end] for path in old for end in range(1, len(path) + 1)}
            for path in added:
                if path not in steps and not any(path[:end] in old for end in range(1, len(path))):
                    self.changed(number, path)

    def variable(self, number, path, value, found, is_named, everything):
        text = str(value)
        if found == value or (len(text) >= WINDOW and not text.isdigit() and text in everything):
            self.counts["env_values"] += 1
        self.counts["names_gone"] += not is_named

    def words(self, value, found, gone):
        for form in sorted(gone, key=len, reverse=True):
            value = value.replace(form, " ")
        expected = WORD.findall(value)
        self.counts["words"] += len(expected)
        self.counts["words_kept"] += sum(word in str(found) for word in expected)

    def changed(self, number, path):
        self.counts["changed"] += 1
        self.places["/".join(map(str, path))] += 1
        if len(self.examples) < 5:
            self.examples.append((number, "/".join(map(str, path))))

    # --- the whole file -------------------------------------------------------------------------------------------

    def files(self, before, after):
        """Walks both files; where they differ in which record comes next, looks ahead for the one that both have."""
        outputs = iter(after)
        waiting = next(outputs, None)
        ahead = collections.deque()
        inputs = enumerate(before, 1)

        def refill():
            while len(ahead) < LOOK_AHEAD:
                item = next(inputs, None)
                if item is None:
                    return
                ahead.append(item)

        refill()
        while ahead:
            number, line = ahead[0]
            if waiting is None:
                self.counts["lost"] += 1
                ahead.popleft()
                if not ahead:
                    refill()
                continue
            if self.same(line, waiting):
                self.record(number, line, waiting)
            else:
                identity = IDENTITY.search(waiting)
                if identity is None:
                    self.counts["invalid"] += 1
                else:
                    refill()
                    skip = next((i for i, (_, other) in enumerate(ahead) if identity.group(1) in other), None)
                    if skip is None:
                        self.counts["extra"] += 1
                        waiting = next(outputs, None)
                        continue
                    self.counts["lost"] += skip
                    for _ in range(skip):
                        ahead.popleft()
                    continue
            ahead.popleft()
            if not ahead:
                refill()
            waiting = next(outputs, None)
        while waiting is not None:
            self.counts["extra"] += 1
            waiting = next(outputs, None)

    @staticmethod
    def same(before, after):
        if before == after:
            return True
        a, b = IDENTITY.search(before), IDENTITY.search(after)
        return a is not None and b is not None and a.group(1) == b.group(1)

    # --- result ---------------------------------------------------------------------------------------------------

    def words_share(self):
        return self.counts["words_kept"] / self.counts["words"] if self.counts["words"] else 1.0

    def passed(self):
        c = self.counts
        return (c["records"] > 0 and not any(c[k] for k in ("lost", "extra", "invalid", "secrets", "env_values", "run_ids", "names_gone"))
                and c["changed"] <= c["records"] / 1000 and c["rewritten"] == 0 and self.words_share() >= 0.9)


COLUMNS = ("records", "lost", "extra", "invalid", "secrets", "env_values", "run_ids", "names_gone", "changed", "rewritten")


def head():
    names = ("program",) + COLUMNS + ("words kept",)
    return "| " + " | ".join(names).replace("_", " ") + " |\n|" + "---|" * len(names)


def row(name, check):
    total = sum(map(len, check.secrets.values()))
    cells = [f"{check.counts[c]} of {total}" if c == "secrets" else str(check.counts[c]) for c in COLUMNS]
    return "| " + " | ".join([name, *cells, f"{check.words_share():.3f}"]) + " |"


def run(before, sidecar, after, reserialised=False):
    check = Check(read_sidecar(sidecar), reserialised)
    with open(before, encoding="utf-8") as a, open(after, encoding="utf-8", errors="replace") as b:
        check.files(a, b)
    return check


def main():
    parser = argparse.ArgumentParser(description="what a redactor left in and took out of generated telemetry")
    parser.add_argument("input")
    parser.add_argument("sidecar")
    parser.add_argument("output")
    parser.add_argument("--reserialised", action="store_true", help="the output is JSON written anew: compare parsed trees")
    parser.add_argument("--name", default="output", help="what the row is called")
    parser.add_argument("--details", action="store_true", help="also say which secrets were left and what was changed")
    parser.add_argument("--head", action="store_true", help="print the head of the table first")
    options = parser.parse_args()
    check = run(options.input, options.sidecar, options.output, options.reserialised)
    if options.head:
        print(head())
    print(row(options.name, check))
    if options.details:
        for (kind, place), count in check.left.most_common():
            print(f"  left: {kind} in {place}: {count}")
        for place, count in check.places.most_common(20):
            print(f"  changed: {place}: {count}")
        for number, place in check.examples:
            print(f"  for example record {number}: {place}")
    return 0 if check.passed() else 1


if __name__ == "__main__":
    sys.exit(main())
