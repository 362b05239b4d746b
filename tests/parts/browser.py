"""Chromium looks at a page; see screenshot.js for what it tells."""
import json
import os
import pathlib
import shutil
import subprocess

from running import INSTALLED, PATIENCE, Missing, needed


class Browser:
    def __init__(self):
        self.modules = needed(INSTALLED / "node/node_modules", "playwright-core")
        self.program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        if not self.program:
            raise Missing("no chromium: run tests/parts/install")

    def look(self, url, picture, width=1280, height=800, scheme="light"):
        """Returns the page as a View; the picture is a PNG of the whole page. scheme: light or dark."""
        environment = {**os.environ, "NODE_PATH": str(self.modules), "CHROMIUM": self.program}
        script = pathlib.Path(__file__).with_name("screenshot.js")
        run = subprocess.run(["node", str(script), url, str(picture), str(width), str(height), scheme], env=environment,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
        if run.returncode != 0:
            raise RuntimeError(f"the browser failed: {run.stderr.decode(errors='replace')[-2000:]}")
        return View(**json.loads(run.stdout))


class View:
    """title, text, html; lists of errors (scripts, console), failed (requests), foreign (requests to other origins); overflows:
    the page is wider than the window."""

    def __init__(self, **facts):
        self.__dict__.update(facts)
