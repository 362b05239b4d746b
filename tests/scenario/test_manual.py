"""The manual page and the completion of shells, as man and bash take them."""
import re
import shutil
import subprocess

import pytest

from test_docs import COMMANDS, options_of


def completed(lethe, *words):
    script = lethe.run("completion").stdout.decode()
    line = " ".join(f"'{word}'" for word in words)
    return subprocess.run(["bash", "-c", f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _lethe; echo \"${{COMPREPLY[@]}}\""],
                          stdout=subprocess.PIPE, check=True).stdout.decode().split()


def test_commands_are_completed(lethe):
    assert completed(lethe, "lethe", "re") == ["redact"]
    assert completed(lethe, "lethe", "help", "uns") == ["unseal"]
    assert sorted(completed(lethe, "lethe", "")) == sorted([*COMMANDS, "completion", "manual", "help"])


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_a_command_are_completed(lethe, command):
    assert set(completed(lethe, "lethe", command, "--")) == options_of(lethe, command)


def test_other_words_are_files(lethe):
    assert completed(lethe, "lethe", "redact", "re") == []


def test_the_manual_page_has_every_command_and_option(lethe):
    if shutil.which("groff") is None:
        pytest.skip("no groff")
    page = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-P-c"], input=lethe.run("manual").stdout, capture_output=True, check=True)
    assert page.stderr == b""
    text = re.sub(r".\x08", "", page.stdout.decode()).replace("\u2010", "-").replace("\u2212", "-")
    for command in COMMANDS:
        section = text.split(f"LETHE {command}\n")[1].split("\nLETHE ")[0]
        assert set(re.findall(r"^ {7}(?:-\w, )?(--[a-z-]+)", section, re.MULTILINE)) == options_of(lethe, command)
    assert "\\" not in text
