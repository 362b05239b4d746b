"""Others that find secrets, run live on the same rows: secretlint (npm) and detect-secrets (PyPI). Both are installed below the
build directory, once. Each gives {row number: [(from, to), ...]} and a remark, or None and the reason why not."""
import json
import shutil
import subprocess
import sys

TIMEOUT_S = 300
CHUNK, CHUNK_TIMEOUT_S = 500, 12


def _lines(rows):
    return "".join(json.dumps({"n": row.number, "text": row.text}) + "\n" for row in rows).encode()


def _spans(output):
    return {int(n): [tuple(span) for span in found] for n, found in json.loads(output).items()}


def _run(argv, timeout=TIMEOUT_S, **options):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, **options)


# --- secretlint ---------------------------------------------------------------------------------------------------------------

LINT = """
import { lintSource } from "@secretlint/core";
import { creator } from "@secretlint/secretlint-rule-preset-recommend";
import { createInterface } from "node:readline";
const found = {};
for await (const line of createInterface({ input: process.stdin })) {
    const row = JSON.parse(line);
    const result = await lintSource({
        source: { filePath: "/row.txt", content: row.text, ext: ".txt", contentType: "text" },
        options: { config: { rules: [{ id: "@secretlint/secretlint-rule-preset-recommend", rule: creator, options: {} }] } },
    });
    if (result.messages.length > 0) found[row.n] = result.messages.map(m => m.range);
}
console.log(JSON.stringify(found));
"""


def _install_secretlint(home):
    if shutil.which("npm") is None:
        return "npm is not installed"
    home.mkdir(parents=True, exist_ok=True)
    if (home / "node_modules/@secretlint/core").exists():
        return ""
    done = _run(["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", home, "@secretlint/core",
                 "@secretlint/secretlint-rule-preset-recommend"])
    return "" if done.returncode == 0 else "npm cannot install it"


def _lint(home, rows, spans, stuck):
    """Some texts keep it busy for ever: those are sought by halves and left to it as not found."""
    try:
        done = _run(["node", "lint.mjs"], timeout=CHUNK_TIMEOUT_S if len(rows) > 20 else 3, cwd=home, input=_lines(rows))
        spans.update(_spans(done.stdout) if done.returncode == 0 else {})
    except subprocess.TimeoutExpired:
        if len(rows) == 1:
            stuck.append(rows[0])
        else:
            _lint(home, rows[:len(rows) // 2], spans, stuck)
            _lint(home, rows[len(rows) // 2:], spans, stuck)


def secretlint(rows, build):
    home = build / "peers/secretlint"
    reason = _install_secretlint(home)
    if reason:
        return None, reason
    (home / "lint.mjs").write_text(LINT)
    spans, stuck = {}, []
    for at in range(0, len(rows), CHUNK):
        _lint(home, rows[at:at + CHUNK], spans, stuck)
    version = json.loads((home / "node_modules/@secretlint/core/package.json").read_text())["version"]
    remark = f"; gave up on {len(stuck)} rows" if stuck else ""
    return spans, "version " + version + remark


# --- detect-secrets -------------------------------------------------------------------------------------------------------------

SCAN = """
import json, sys
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import default_settings
found = {}
with default_settings():
    for line in sys.stdin:
        row = json.loads(line)
        spans, at = [], 0
        for text in row["text"].split("\\n"):
            for secret in scan_line(text):
                value = secret.secret_value or ""
                place = text.find(value)
                if value and place >= 0:
                    spans.append((at + place, at + place + len(value)))
            at += len(text) + 1
        if spans:
            found[row["n"]] = spans
print(json.dumps(found))
"""
VERSION = "from importlib.metadata import version; print(version('detect-secrets'))"


def _install_detect_secrets(home):
    python = home / "bin/python"
    if python.exists() and _run([python, "-c", "import detect_secrets"]).returncode == 0:
        return ""
    if _run([sys.executable, "-m", "venv", home]).returncode != 0:
        return "python cannot make a virtual environment"
    done = _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "detect-secrets"])
    return "" if done.returncode == 0 else "pip cannot install it"


def detect_secrets(rows, build):
    home = build / "peers/detect-secrets"
    reason = _install_detect_secrets(home)
    if reason:
        return None, reason
    done = _run([home / "bin/python", "-c", SCAN], input=_lines(rows))
    if done.returncode != 0:
        return None, f"it ended with {done.returncode}"
    version = _run([home / "bin/python", "-c", VERSION]).stdout.decode().strip()
    return _spans(done.stdout), "version " + version


PEERS = {"secretlint": secretlint, "detect-secrets": detect_secrets}
