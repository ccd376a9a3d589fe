"""A program of its own: a JupyterLab, a Chromium that runs a notebook in it, and a picture of what is seen there.

Its interpreter has jupyterlab, selenium and acomps with its extra notebook. It is given a JSON object on standard
input: the server and the token, a folder to work in, where the picture goes, and the path of Chromium's driver.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, cast

DEADLINE_S = 90.0
FIRST = """\
from acomps.cybergis import CyberGISCompute, display
cybergis = await CyberGISCompute({server!r}, None).open()
await cybergis.show_ui(input_params={{'whom': 'JupyterLab'}})"""
CELLS = [FIRST, "display(await cybergis.list_git())"]


class Element(Protocol):
    """What is used of an element of a page."""

    text: str

    def click(self) -> None: ...


class Browser(Protocol):
    """What is used of a driven browser."""

    def get(self, url: str) -> None: ...
    def execute_script(self, script: str) -> object: ...
    def find_elements(self, by: str, value: str) -> list[Element]: ...
    def save_screenshot(self, filename: str) -> bool: ...
    def quit(self) -> None: ...


def until(claim: Callable[[], object], what: str) -> None:
    """Return as soon as `claim` holds."""
    end = time.monotonic() + DEADLINE_S
    while not claim():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


def notebook(server: str) -> str:
    """The notebook, as it lies on disk."""
    cells: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "source": cell.format(server=server),
            **{"metadata": {}, "execution_count": None, "outputs": []},
        }
        for number, cell in enumerate(CELLS)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


def answers(url: str) -> bool:
    """Whether somebody is there."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def browser(chromedriver: str, folder: Path) -> Browser:
    """A Chromium without a screen, and without anything that it does on its own."""
    webdriver = importlib.import_module("selenium.webdriver")
    service = importlib.import_module("selenium.webdriver.chrome.service")
    options = webdriver.ChromeOptions()
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio"),
        *("--disable-default-apps", "--disable-extensions", "--window-size=1400,1500", "--no-proxy-server"),
        f"--user-data-dir={folder / 'chromium'}",
    ):
        options.add_argument(argument)
    made: Browser = webdriver.Chrome(options=options, service=service.Service(chromedriver))
    return made


def act(page: Browser, url: str, picture: Path) -> dict[str, object]:
    """Run the notebook, click, and tell what is seen."""

    def seen(text: str) -> bool:
        return text in str(page.execute_script("return document.body.innerText"))

    def click(text: str) -> None:
        found = [item for item in page.find_elements("css selector", "button, li") if item.text.strip() == text]
        found[0].click()

    page.get(url)
    until(lambda: page.execute_script("return !!(window.jupyterapp && window.jupyterapp.shell.currentWidget)"), "Lab")
    running = "return document.querySelectorAll('.jp-Notebook .jp-Cell').length"
    until(lambda: page.execute_script(running) == len(CELLS), "the notebook is open")
    ready = (
        "const at = window.jupyterapp.shell.currentWidget.sessionContext;"
        "return !!(at && at.session && at.session.kernel && at.session.kernel.status === 'idle')"
    )
    until(lambda: page.execute_script(ready), "the kernel is there")
    page.execute_script("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    until(lambda: seen("Submit Job"), "the form is drawn")
    until(lambda: seen("git://hello_world"), "the table is drawn")
    page.save_screenshot(str(picture.with_stem(f"{picture.stem}_form")))
    click("Submit Job")
    until(lambda: seen("exit code 0"), "the job has ended")
    until(lambda: seen("✅ Download Job Result"), "the results are offered")
    until(lambda: seen("2 tasks will greet JupyterLab"), "the log is shown")
    page.save_screenshot(str(picture))
    for title, mark in (
        ("Your Jobs", "Restore"),
        ("Past Results", "Download Results"),
        ("✅ Download Job Result", "/"),
    ):
        click(title)
        until(partial(seen, mark), title)
        page.save_screenshot(str(picture.with_stem(f"{picture.stem}_{title.split()[-1].lower()}")))
    click("Download")
    until(lambda: seen("files are in"), "the results are downloaded")
    text = str(page.execute_script("return document.body.innerText"))
    return {"text": text, "tables": page.execute_script("return document.querySelectorAll('table').length")}


def main() -> None:
    """Do what standard input says."""
    given = cast("dict[str, str]", json.load(sys.stdin))
    folder = Path(given["folder"])
    (folder / "work").mkdir()
    (folder / "work" / "hello.ipynb").write_text(notebook(given["server"]))
    quiet = folder / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    places = {"HOME": folder, "JUPYTER_CONFIG_DIR": folder / "config", "IPYTHONDIR": folder / "ipython"}
    environ = {**os.environ, **{name: str(place) for name, place in places.items()}}
    environ |= {"CYBERGIS_COMPUTE_TOKEN": given["token"], "JUPYTER_RUNTIME_DIR": str(folder / "runtime")}
    lab = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    lab += [f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=for-this-test"]
    lab += [f"--ServerApp.root_dir={folder / 'work'}"]
    with (folder / "lab.log").open("wb") as log:
        process = subprocess.Popen(lab, env=environ, stdout=log, stderr=log, start_new_session=True)
    page = None
    try:
        root = f"http://127.0.0.1:{port}"
        until(lambda: answers(f"{root}/api"), "JupyterLab answers")
        page = browser(given["chromedriver"], folder)
        json.dump(act(page, f"{root}/lab/tree/hello.ipynb?token=for-this-test", Path(given["picture"])), sys.stdout)
    except TimeoutError:
        if page is not None:
            page.save_screenshot(given["picture"])
        raise
    finally:
        if page is not None:
            page.quit()
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


if __name__ == "__main__":
    main()
