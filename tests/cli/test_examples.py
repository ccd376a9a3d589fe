"""Every command has an example in its help, and the example works as it is written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Generator
from pathlib import Path

import anyio
import pytest
from support.terminal import Terminal

import acomps
from acomps.cli.app import COMMANDS
from acomps.comps.child import Service

NAMES = [names.split()[0] for commands in COMMANDS.values() for names, _, _ in commands]
#: Commands with commands of their own; those have their own tests.
GROUPS = {"campaign", "cybergis", "serve-user"}
#: What an example needs, if it is not an experiment that has succeeded; and what leaves something new.
CREATED = {"commission", "delete"}
ACTIVE = {"cancel"}
FAILED = {"rerun_failed_simulations_for_experiment"}
CHANGING = CREATED | ACTIVE | FAILED | {"clone_simulation", "submit"}
WORK_ITEM = {"get_output_files_for_workitem"}
NEW_HOME = {"login", "logout"}


def example(cli: Terminal, name: str) -> list[str]:
    """The words of the example in a command's help."""
    found = re.findall(r"Example: acomps (.*?)\s*$", cli(name, "--help").stdout, re.MULTILINE)
    assert len(found) == 1, f"acomps {name} --help has {len(found)} examples"
    return shlex.split(found[0].replace("Base_Infectivity_Constant", "Rate"))


@pytest.fixture
def newcomer(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Terminal]:
    """A terminal of somebody who has never logged in anywhere."""
    terminal = Terminal(tmp_path, None, tmp_path_factory.mktemp("newcomer"))
    yield terminal
    terminal.stop_local()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cli_home: Path, cli_service: Service) -> Terminal:
    """A terminal in a folder with a sweep, which has been submitted and has succeeded."""
    terminal = Terminal(tmp_path_factory.mktemp("finished"), cli_service, cli_home)
    terminal("watch", terminal.submit())
    return terminal


async def save_work_item(service: Service, folder: Path) -> None:
    """A work item, which has no output yet."""
    settings = acomps.Settings(token_cache_dir=folder)
    async with acomps.connect(
        service.url, username=service.username, password=service.password, settings=settings
    ) as comps:
        worker = acomps.Worker("DockerWorker", "1.0.0.0_RELEASE")
        await comps.work_items.save(acomps.WorkItem(name="a work item", worker=worker, environment_name="Local"))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in GROUPS | NEW_HOME | CHANGING])
def test_the_example_of_a_command_that_looks_works(name: str, finished: Terminal, cli_service: Service) -> None:
    if name in WORK_ITEM:
        anyio.run(save_work_item, cli_service, finished.home)
    finished(*[word.replace("jdoe", cli_service.username) for word in example(finished, name)])


@pytest.mark.parametrize("name", sorted(CHANGING))
def test_the_example_of_a_command_that_changes_things_works(name: str, cli: Terminal) -> None:
    words = example(cli, name)
    if name in CREATED:
        cli.submit("0.5", "--create-only")
    elif name in ACTIVE:
        cli.prepare()
        (cli.folder / "model" / "model.py").write_text("import time; time.sleep(60)")
        cli("submit", "sweep.toml")
    elif name in FAILED:
        cli("watch", cli.submit("-1.0"), code=1)
    else:
        cli.submit()
    cli(*words)


@pytest.mark.parametrize("name", sorted(NEW_HOME))
def test_the_example_of_a_login_works(name: str, newcomer: Terminal) -> None:
    newcomer(*example(newcomer, "login"))
    newcomer(*example(newcomer, name))


def test_every_command_has_its_own_line_in_the_list_of_all(cli: Terminal) -> None:
    told = cli("--help").stdout
    assert all(name in told for name in NAMES)
