"""Others that find secrets, run live on the same rows: secretlint (npm) and detect-secrets (PyPI). Both are installed below the
build directory, once. Each gives {row number: [(from, to), ...]} and a remark, or None and the reason why not."""
import json
import shutil
import subprocess
import sys

ROW_NAME = "r%d.txt"


def _run(argv, **options):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def _write_rows(rows, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for row in rows:
        (folder / (ROW_NAME % row.number)).write_text(row.text, encoding="utf-8", newline="")


def _number(path):
    return int(path.rsplit("/", 1)[-1][1:-4])


# --- secretlint ---------------------------------------------------------------------------------------------------------------

def _install_secretlint(home):
    if shutil.which("npm") is None:
        return "npm is not installed"
    home.mkdir(parents=True, exist_ok=True)
    if (home / "node_modules/.bin/secretlint").exists():
        return ""
    done = _run(["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", home, "secretlint",
                 "@secretlint/secretlint-rule-preset-recommend"])
    return "" if done.returncode == 0 else "npm cannot install it"


def secretlint(rows, build, work):
    home = build / "peers/secretlint"
    reason = _install_secretlint(home)
    if reason:
        return None, reason
    _write_rows(rows, home / "rows")
    (home / ".secretlintrc.json").write_text('{"rules":[{"id":"@secretlint/secretlint-rule-preset-recommend"}]}')
    done = _run(["node_modules/.bin/secretlint", "--format", "json", "--maskSecrets", "rows/*.txt"], cwd=home)
    try:
        files = json.loads(done.stdout)
    except ValueError:
        return None, f"it ended with {done.returncode}"
    spans = {_number(f["filePath"]): [tuple(m["range"]) for m in f["messages"]] for f in files if f["messages"]}
    version = json.loads((home / "node_modules/secretlint/package.json").read_text())["version"]
    shutil.rmtree(home / "rows")
    return spans, "version " + version


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


def _install_detect_secrets(home):
    python = home / "bin/python"
    if python.exists() and _run([python, "-c", "import detect_secrets"]).returncode == 0:
        return ""
    if _run([sys.executable, "-m", "venv", home]).returncode != 0:
        return "python cannot make a virtual environment"
    done = _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "detect-secrets"])
    return "" if done.returncode == 0 else "pip cannot install it"


def detect_secrets(rows, build, work):
    home = build / "peers/detect-secrets"
    reason = _install_detect_secrets(home)
    if reason:
        return None, reason
    lines = "".join(json.dumps({"n": row.number, "text": row.text}) + "\n" for row in rows)
    done = _run([home / "bin/python", "-c", SCAN], input=lines.encode())
    if done.returncode != 0:
        return None, f"it ended with {done.returncode}"
    version = _run([home / "bin/python", "-c", "import detect_secrets; print(detect_secrets.__version__)"]).stdout.decode().strip()
    spans = {int(n): [tuple(s) for s in found] for n, found in json.loads(done.stdout).items()}
    return spans, "version " + version


PEERS = {"secretlint": secretlint, "detect-secrets": detect_secrets}
