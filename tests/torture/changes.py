"""Small changes to the code that decides, as texts: one at each place where one can be made."""
import re
import typing

from judge import ROOT

# (what, by what); a statement that is a call alone is dropped besides.
CHANGES = [
    (r"==", "!="), (r"!=", "=="), (r"<=", "<"), (r">=", ">"), (r"(?<= )<(?= )", "<="), (r"(?<= )>(?= )", ">="),
    (r"&&", "||"), (r"\|\|", "&&"), (r"\breturn true;", "return false;"), (r"\breturn false;", "return true;"),
    (r"(?<== )true\b", "false"), (r"(?<== )false\b", "true"), (r"(?<=\bif \()(?=[^;]*\))", "!!!"), (r" \+ 1\b", ""), (r" - 1\b", ""),
    (r"\bcontinue;", "break;"), (r" \|= ", " = "), (r"\+=", "-="),
]
CALL = re.compile(r"^\s+(?:\(void\))?[a-z_]\w*\([^;]*\);\s*(?:/\*.*)?$")


class Change(typing.NamedTuple):
    file: str      # below the root
    line: int      # counted from 0
    column: int    # -1: the whole line
    text: str      # what becomes of the line
    what: str      # in words

    def place(self):
        return f"{self.file}:{self.line + 1}:{self.column} {self.what}"

    def told(self):
        return f"{self.file}:{self.line + 1}: {self.what}: {(ROOT / self.file).read_text().splitlines()[self.line].strip()}"


def deciding():
    """The files that scripts/coverage calls deciding."""
    listed = re.search(r'^verdict="\n(.*?)^"', (ROOT / "scripts/coverage").read_text(), re.M | re.S)[1]
    return [line.split()[0] for line in listed.splitlines()]


def blanked(line):
    """The line without what stands in quotes and comments, as long as it was."""
    return re.sub(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])+\'|/\*.*?\*/|/\*.*$', lambda m: " " * len(m[0]), line)


def changes_of(name):
    """A Change for each place of a file; no two make the same text."""
    inside = comment = False
    for number, line in enumerate((ROOT / name).read_text().splitlines()):
        begins = line.startswith("/*") or line.lstrip().startswith("/* ")
        comment = comment or begins
        if comment:
            comment = "*/" not in line
            continue
        inside = line == "{" or (inside and line != "}")
        code = blanked(line)
        if not inside or code.lstrip().startswith(("CHECK(", "static const", "#")):
            continue
        seen = {line}
        for column, new, what in changes_of_line(line, code):
            if new not in seen:
                yield Change(name, number, column, new, what)
            seen.add(new)


def changes_of_line(line, code):
    for what, by in CHANGES:
        for match in re.finditer(what, code):
            new = negated(line, code, match.start()) if by == "!!!" else line[:match.start()] + by + line[match.end():]
            yield match.start(), new, f"{match[0] or 'condition'} -> {'not' if by == '!!!' else by or 'nothing'}"
    if CALL.match(code):
        yield -1, "    ;", "call dropped"


def negated(line, code, at):
    """The condition that begins at `at`, negated."""
    depth, end = 1, at
    while depth > 0 and end < len(code):
        depth += (code[end] == "(") - (code[end] == ")")
        end += 1
    if depth > 0:   # goes on in the next line
        return line
    return f"{line[:at]}!({line[at:end - 1]}){line[end - 1:]}"
