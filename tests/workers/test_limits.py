"""What environments allow to commands of work items, and how images are run."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from support.local_service import running, text
from support.work_items import ItemClient

from acomps.local.workers.containers import Engine, find_engine

CONFIGURATION = """
[[environments]]
name = "Local"
group = "LOCAL"

[[environments]]
name = "Strict"
group = "LOCAL"
[environments.limits]
allow_host_workers = false
images = ["team/*"]
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Generator[ItemClient]:
    folder = tmp_path_factory.mktemp("limits")
    (folder / "service.toml").write_text(CONFIGURATION)
    with (
        running(folder / "data", "--config", str(folder / "service.toml")) as service,
        ItemClient(service) as logged_in,
    ):
        yield logged_in


def test_a_command_does_not_run_on_the_machine_where_that_is_not_allowed(client: ItemClient) -> None:
    ended = client.run_item(client.command("true", EnvironmentName="Strict"))
    assert ended["State"] == "Failed"
    assert "does not let commands run on the service's own machine" in text(ended, "ErrorMessage")
    assert client.run_item(client.command("true"))["State"] == "Succeeded"


def test_only_the_images_of_the_environment_are_run(client: ItemClient) -> None:
    order = {"Execution": {"Command": "true", "ImageName": "somebody/else:1"}}
    ended = client.run_item(client.item(order, EnvironmentName="Strict"))
    assert ended["State"] == "Failed"
    assert "does not allow the image 'somebody/else:1', only: team/*" in text(ended, "ErrorMessage")


def test_an_image_is_not_replaced_by_the_machine_where_that_is_not_allowed(client: ItemClient) -> None:
    if find_engine(os.environ["PATH"]) is not None:
        pytest.skip("a container engine answers here")
    order = {"Execution": {"Command": "true", "ImageName": "team/analysis:2.1"}}
    ended = client.run_item(client.item(order, EnvironmentName="Strict"))
    assert ended["State"] == "Failed"
    assert "neither podman nor docker answers" in text(ended, "ErrorMessage")


@pytest.mark.parametrize("order", [{"ImageName": "--privileged"}, {"AdditionalMounts": "/"}, {"ImageName": 5}])
def test_an_order_cannot_pass_options_to_an_engine(client: ItemClient, order: dict[str, object]) -> None:
    ended = client.run_item(client.item({"Execution": {"Command": "true", **order}}))
    assert ended["State"] == "Failed"
    assert "of the work order" in text(ended, "ErrorMessage") or "is not the name" in text(ended, "ErrorMessage")


def test_a_command_in_an_image_sees_its_folders_where_they_are(tmp_path: Path) -> None:
    directory, assets, shared = tmp_path / "item", tmp_path / "assets", tmp_path / "shared"
    command = Engine("/usr/bin/podman").command(
        "acomps-1",
        "team/analysis:2.1",
        "python3 'run it.py'",
        directory=directory,
        variables={"COMPS_SERVER": "http://127.0.0.1:1"},
        readable=[assets],
        writable=[shared],
    )
    assert command[:5] == ("/usr/bin/podman", "run", "--rm", "--name", "acomps-1")
    assert command[-5:] == ("--entrypoint", "/bin/sh", "team/analysis:2.1", "-c", "python3 'run it.py'")
    pairs = [command[at : at + 2] for at in range(len(command))]
    assert ("--workdir", str(directory)) in pairs
    assert ("--network", "host") in pairs
    assert ("--env", "COMPS_SERVER=http://127.0.0.1:1") in pairs
    volumes = [value for name, value in (pair for pair in pairs if len(pair) == 2) if name == "--volume"]
    assert volumes == [f"{assets}:{assets}:ro", f"{directory}:{directory}", f"{shared}:{shared}"]


def test_a_program_that_does_not_answer_is_no_engine(tmp_path: Path) -> None:
    podman = tmp_path / "podman"
    podman.write_text("#!/bin/sh\nexit 1\n")
    podman.chmod(0o755)
    assert find_engine(str(tmp_path)) is None
    podman.write_text("#!/bin/sh\nexit 0\n")
    assert find_engine(str(tmp_path)) == Engine(str(podman))
