"""Work items and the end of the service, in good order and otherwise."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from support.local_service import alive, running, text, until
from support.work_items import ItemClient

#: Counts how often it was begun, says that it runs, and ends with the code that it finds behind the gate.
GATED = (
    "echo begun >> '{log}'; echo $$ > pid.tmp; mv pid.tmp pid; "
    "while ! test -e '{gate}'; do sleep 0.02; done; exit $(cat '{gate}')"
)


def begun(client: ItemClient, folder: Path, name: str = "gate") -> tuple[str, int]:
    """A work item whose command runs until the gate opens, and the number of its process."""
    item = client.command(GATED.format(log=folder / f"{name}.log", gate=folder / name))
    client.commission("WorkItems", item)
    client.until_item(item, "Running")
    place = client.item_folder(item) / "pid"
    until(place.exists, "the command says that it runs")
    return item, int(place.read_text())


def open_gate(folder: Path, code: int, name: str = "gate") -> None:
    beside = folder / f"{name}.tmp"
    beside.write_text(f"{code}\n")
    beside.rename(folder / name)


def test_a_command_that_still_runs_after_a_crash_is_taken_over(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as service, ItemClient(service) as client:
        item, pid = begun(client, tmp_path)
        service.kill()
    assert alive(pid)
    with running(data) as service, ItemClient(service) as client:
        assert client.item_state(item) == "Running"
        open_gate(tmp_path, 0)
        assert client.until_item(item, "Succeeded", "Failed")["State"] == "Succeeded"
    assert (tmp_path / "gate.log").read_text() == "begun\n"
    assert list((data / "working").iterdir()) == []
    assert list((data / "logins").iterdir()) == []


def test_a_command_that_was_taken_over_can_be_cancelled(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as service, ItemClient(service) as client:
        item, pid = begun(client, tmp_path)
        service.kill()
    with running(data, "--cancel-grace", "1") as service, ItemClient(service) as client:
        assert client.ask("WorkItems", item, "CancelRequested").status_code == 200
        client.until_item(item, "Canceled")
        until(lambda: not alive(pid), "the process is gone")


def test_commands_that_ended_while_no_service_ran_are_judged_by_their_exit_codes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as service, ItemClient(service) as client:
        items = {code: begun(client, tmp_path, f"gate{code}") for code in (0, 5)}
        service.kill()
    for code in items:
        open_gate(tmp_path, code, f"gate{code}")
    until(lambda: not any(alive(pid) for _, pid in items.values()), "both commands end")
    with running(data) as service, ItemClient(service) as client:
        client.until_item(items[0][0], "Succeeded")
        assert "exit code 5" in text(client.until_item(items[5][0], "Failed"), "ErrorMessage")


def test_a_command_that_was_lost_with_the_machine_has_failed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as service, ItemClient(service) as client:
        item, pid = begun(client, tmp_path)
        service.kill()
    os.killpg(os.getpgid(pid), signal.SIGKILL)
    with running(data) as service, ItemClient(service) as client:
        ended = client.until_item(item, "Failed", "Succeeded")
        assert ended["State"] == "Failed"
        assert "no exit code" in text(ended, "ErrorMessage")
    assert (tmp_path / "gate.log").read_text() == "begun\n", "nobody knows what it has done: it is not done again"


def test_a_stop_ends_commands_and_the_next_service_begins_them_anew(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data, "--cancel-grace", "1") as service, ItemClient(service) as client:
        item, pid = begun(client, tmp_path)
        assert service.stop() == 0
        assert not alive(pid)
        assert list((data / "logins").iterdir()) == []
    open_gate(tmp_path, 0)
    with running(data) as service, ItemClient(service) as client:
        client.until_item(item, "Succeeded")
    assert (tmp_path / "gate.log").read_text() == "begun\nbegun\n"


def test_an_item_goes_on_waiting_after_a_crash(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as service, ItemClient(service) as client:
        first, second, third = (client.command("echo done") for _ in range(3))
        client.depend(second, "WorkItem", first)
        client.commission("WorkItems", second)
        client.until_item(second, "Waiting")
        client.commission("WorkItems", third)
        service.kill()
    with running(data) as service, ItemClient(service) as client:
        client.until_item(third, "Succeeded")
        assert client.item_state(second) == "Waiting"
        client.commission("WorkItems", first)
        client.until_item(second, "Succeeded")
