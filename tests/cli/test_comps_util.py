"""Side by side with the real comps-util: the same words on the same data give the same files and the same lines."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.terminal import DEADLINE_S, Terminal

PYTHON = os.environ.get("ACOMPS_PYCOMPS_PYTHON", "")
pytestmark = pytest.mark.skipif(
    not PYTHON, reason="ACOMPS_PYCOMPS_PYTHON names no interpreter that has pyCOMPS installed"
)

LOG = "COMPS_log.log"


def comps_util(cli: Terminal, folder: Path, *words: str) -> str:
    """Run pyCOMPS's own command in a folder of its own; what it says, without the marks of its log."""
    assert cli.service is not None
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [PYTHON, "-m", "COMPS", words[0], "--comps-server", cli.service.url, *words[1:]],
        cwd=folder,
        env=cli.variables(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder by their path, without pyCOMPS's log."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != LOG
    }


@pytest.fixture
def ours(cli: Terminal) -> Terminal:
    """The same terminal in a folder that is empty."""
    (cli.folder / "ours").mkdir()
    return Terminal(cli.folder / "ours", cli.service, cli.home)


@pytest.mark.parametrize(
    ("names", "flags"),
    [
        ("insetchart.json", ()),
        ("stdout.txt,InsetChart.json,nothing.txt", ()),
        ("stdout.txt", ("--overwrite",)),
        ("insetchart.json", ("-cs",)),
    ],
)
def test_output_files_of_an_experiment_are_the_same(
    names: str, flags: tuple[str, ...], cli: Terminal, ours: Terminal
) -> None:
    experiment = cli.submit()
    cli("watch", experiment)
    for command in ("get_output_files_for_experiment", "getexpout"):
        comps_util(cli, cli.folder / "theirs", command, experiment, names, *flags)
        ours(command, experiment, names, *flags)
        assert files(ours.folder) == files(cli.folder / "theirs")
    assert files(ours.folder) or "-cs" in flags


def test_a_file_that_is_there_is_left_alone_by_both(cli: Terminal, ours: Terminal) -> None:
    experiment = cli.submit()
    cli("watch", experiment)
    theirs, said = cli.folder / "theirs", ""
    for _ in range(2):
        comps_util(cli, theirs, "getexpout", experiment, "stdout.txt")
        said = ours("getexpout", experiment, "stdout.txt").stderr
        for folder in (theirs, ours.folder):
            sorted(folder.rglob("stdout.txt"))[0].write_text("mine")
    assert "--overwrite" in said
    assert b"mine" in files(theirs).values()
    assert files(ours.folder) == files(theirs)


def test_the_status_of_an_experiment_and_of_a_simulation_reads_the_same(cli: Terminal) -> None:
    experiment = cli.submit("0.5, -1.0")
    cli("watch", experiment, code=1)
    simulation = cli.ids("list", "simulations", "--experiment", experiment)[0]
    for words in (("Experiment", experiment), ("experiment", "latest"), ("Simulation", simulation)):
        said = comps_util(cli, cli.folder / "theirs", "get_status", *words)
        heading, states = cli("status", *words).stdout.splitlines()
        assert heading in said
        assert all(state in said for state in states.split(", "))


def test_the_tail_of_a_simulation_reads_the_same(cli: Terminal) -> None:
    cli("watch", cli.submit("0.5"))
    said = comps_util(cli, cli.folder / "theirs", "tail", "Simulation", "latest", "stdout.txt")
    told = cli("tail", "Simulation", "latest", "stdout.txt").stdout.splitlines()
    assert told[2] == "./stdout.txt :"
    assert all(line in said for line in told if line.strip() and line.strip() != ">>")


def test_collections_of_the_same_folder_are_the_same(cli: Terminal) -> None:
    cli.prepare()
    (cli.folder / "model" / "inner").mkdir()
    (cli.folder / "model" / "inner" / "table.csv").write_text("a,b\n1,2\n")
    (cli.folder / "model" / "tool.exe").write_bytes(b"MZ")
    [mine] = cli.ids("createac", "model", "-n", "a name")
    comps_util(cli, cli.folder, "createac", "model", "-n", "a name")
    [theirs] = cli.ids("list", "collections", "--limit", "1")
    shown = [json.loads(cli("show", each, "--format", "json").stdout) for each in (mine, theirs)]
    contents = [{(asset["file_name"], asset["md5_checksum"]) for asset in each["assets"]} for each in shown]
    assert contents[0] == contents[1]
    assert shown[0]["tags"] == shown[1]["tags"] == {"Name": "a name"}


def test_reruns_and_clones_have_the_same_tags(cli: Terminal) -> None:
    failed = [cli.submit("-1.0"), cli.submit("-1.0")]
    for experiment in failed:
        cli("watch", experiment, code=1)
    cli("rerunsims", failed[0], "--createonly")
    comps_util(cli, cli.folder / "theirs", "rerunsims", failed[1], "--createonly")

    def described(experiment: str) -> list[tuple[str, list[str]]]:
        words = ("list", "simulations", "--experiment", experiment, "--children", "tags,files", "--format", "json")
        listed = json.loads(cli(*words).stdout)
        return sorted((each["state"], sorted(each["tags"])) for each in listed)

    assert described(failed[0]) == described(failed[1])


def test_the_record_of_a_user_is_the_same(cli: Terminal) -> None:
    assert cli.service is not None
    said = comps_util(cli, cli.folder / "theirs", "getuser", cli.service.username)
    told = json.loads(cli("getuser", cli.service.username).stdout)
    assert f'"UserName": "{told["UserName"]}"' in said
    assert all(f'"{key}"' in said for key in told)


def test_who_is_logged_in_with_pycomps_is_logged_in_here(cli: Terminal) -> None:
    """The cache of tokens is one file for both; here pyCOMPS renews what we have written."""
    assert cli.service is not None
    program = f"import COMPS.Client as c; c.login({cli.service.url!r}); c.auth_manager().get_auth_token(); print('in')"
    done = subprocess.run(
        [PYTHON, "-c", program], cwd=cli.folder, env=cli.variables(), capture_output=True, text=True, check=False
    )
    assert "in" in done.stdout, done.stderr
    assert f"user          {cli.service.username}" in cli("whoami").stdout
