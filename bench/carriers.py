"""Carriers: ways in which a text gets into a log record, and back out of one. Each is a name, what it does to a text, and
whether bytes that it removes beside the secret are its own fault (a cookie or a base64 run goes as a whole)."""
import base64
import html
import json
import re
import urllib.parse

PREFIX = "abc"   # shifts base64 by so many bytes


def _json(value):
    return json.dumps(value, ensure_ascii=False)


def record(number, **fields):
    return _json({"n": number, **fields})


def _message(change):
    return lambda number, text: record(number, message=change(text))


def _nested(levels):
    def change(text):
        for _ in range(levels):
            text = _json({"text": text})
        return text
    return change


def _percent(text):
    return urllib.parse.quote(text, safe="")


def _lower(match):
    return match[0].lower()


def _every_escape(number, text):
    units = text.encode("utf-16-be", "surrogatepass")
    escapes = "".join("\\u%04x" % (units[i] << 8 | units[i + 1]) for i in range(0, len(units), 2))
    return '{"n":%d,"message":"%s"}' % (number, escapes)


def _utf16_pairs(number, text):
    units = text.encode("utf-16-le", "surrogatepass")
    escapes = "".join(chr(b) if 48 <= b < 58 or 65 <= b < 91 or 97 <= b < 123 else "\\u%04x" % b for b in units)
    return '{"n":%d,"message":"%s"}' % (number, escapes)


def _hex_escapes(text):
    return "".join("\\x%02x" % b for b in text.encode())


def _base64(offset, alphabet):
    def change(text):
        return "payload " + alphabet((PREFIX[:offset] + text).encode()).decode()
    return change


def _base64_utf16(text):
    return "powershell -EncodedCommand " + base64.b64encode(text.encode("utf-16-le", "surrogatepass")).decode()


def _glued(text):
    return "GET /v1/items/" + base64.urlsafe_b64encode(text.encode()).decode() + " HTTP/1.1"


def _entities(form):
    return lambda text: "".join(c if c.isalnum() else form % ord(c) for c in text)


def _indented(text):
    return "config:\n  items:\n" + "\n".join("    " + line for line in text.split("\n")) + "\n  retries: 3\n"


CARRIERS = {
    "plain": _message(lambda t: t),
    "JSON in a string": _message(_nested(1)),
    "JSON in a string, 3 levels": _message(_nested(3)),
    "array element": lambda n, t: record(n, items=["first", t, "last"]),
    "header pair array": lambda n, t: record(n, headers=[["Accept", "*/*"], ["X-Note", t]]),
    "percent, upper case": _message(_percent),
    "percent, lower case": _message(lambda t: re.sub("%[0-9A-F]{2}", _lower, _percent(t))),
    "percent, twice": _message(lambda t: _percent(_percent(t))),
    "base64, offset 0": _message(_base64(0, base64.b64encode)),
    "base64, offset 1": _message(_base64(1, base64.b64encode)),
    "base64, offset 2": _message(_base64(2, base64.b64encode)),
    "base64url, offset 0": _message(_base64(0, base64.urlsafe_b64encode)),
    "base64url, offset 1": _message(_base64(1, base64.urlsafe_b64encode)),
    "base64url, offset 2": _message(_base64(2, base64.urlsafe_b64encode)),
    "base64url in a path": _message(_glued),
    "base64 of UTF-16": _message(_base64_utf16),
    "HTML entities, named": _message(lambda t: html.escape(t)),
    "HTML entities, decimal": _message(_entities("&#%d;")),
    "HTML entities, hex": _message(_entities("&#x%X;")),
    "\\u escapes": _every_escape,
    "\\x escapes": _message(_hex_escapes),
    "UTF-16 as escapes": _utf16_pairs,
    "traceback": _message(lambda t: 'Traceback (most recent call last):\n  File "/mnt/run.py", line 12, in main\n    step()\n'
                                    "ValueError: " + t + "\n"),
    "log line": _message(lambda t: "2026-11-23T08:25:00.123Z INFO [worker-3] trainer.io: " + t),
    "URL query": _message(lambda t: "GET https://api.example.net/search?page=2&q=" + _percent(t) + "&lang=en 200"),
    ".env text": _message(lambda t: "RETRIES=3\n" + t + "\nLOG_LEVEL=info\n"),
    "YAML text": _message(_indented),
    "command line": _message(lambda t: "+ /usr/bin/tool --verbose run " + t),
    "CSV column": _message(lambda t: '2026-11-23T08:25:00Z,3,"' + t.replace('"', '""') + '",ok'),
    "cookie": _message(lambda t: "Cookie: lang=en; theme=dark; " + t),
}

# --- Back: every text that an output still holds, decoded ---------------------------------------------------------------------

MAX_LAYERS = 6
_RUN = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")


def _leaves(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)


def _base64_texts(text):
    for run in _RUN.findall(text):
        run = run.replace("-", "+").replace("_", "/")
        for start in range(4):
            piece = run[start:]
            piece = piece[:len(piece) - (len(piece) % 4 == 1)]
            yield base64.b64decode(piece + "=" * (-len(piece) % 4)).decode("latin-1")


def _json_texts(text):
    if text.lstrip()[:1] in ("{", "["):
        try:
            yield from _leaves(json.loads(text))
        except ValueError:
            pass


def _decoded(text, layer):
    if "%" in text:
        yield urllib.parse.unquote(text)
    if "&" in text:
        yield html.unescape(text)
    if "\\" in text:
        yield _ESCAPE.sub(lambda m: chr(int(m[1] or m[2], 16)), text)
        yield text.replace('\\"', '"').replace("\\\\", "\\").replace("\\n", "\n").replace("\\t", "\t")
    if '""' in text:
        yield text.replace('""', '"')
    if "\0" in text:
        yield text.replace("\0", "")
    yield from _json_texts(text)
    if layer < 2:
        yield from _base64_texts(text)


def views(line):
    """The leaves of a JSON line and what they decode to, layer by layer."""
    seen, fresh = set(), set(_leaves(json.loads(line)))
    for layer in range(MAX_LAYERS):
        seen |= fresh
        fresh = {d for text in fresh for d in _decoded(text, layer)} - seen
        if not fresh:
            break
    return seen
