"""What commands say and do, beyond their examples."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import anyio
import anyio.to_thread
import pytest
from support.local_service import until
from support.terminal import MODEL, Terminal

from acomps.cli.exits import Exit
from acomps.comps.child import start_service


def test_an_id_may_be_cut_short_or_be_latest_and_any_kind_is_found(cli: Terminal) -> None:
    experiment = cli.submit("0.5", "--create-only")
    for reference in (experiment, experiment.replace("-", ""), experiment[:-3], "latest"):
        shown = json.loads(cli("show", reference, "--format", "json").stdout)
        assert (shown["id"], shown["name"]) == (experiment, "infectivity")
    simulation = cli.ids("list", "sims", "--experiment", "latest")[0]
    assert json.loads(cli("show", simulation, "--format", "json").stdout)["experiment_id"] == experiment
    assert cli.ids("show", "latest", "--kind", "collection") == cli.ids("list", "collections", "--limit", "1")


def test_a_beginning_of_several_ids_is_refused_and_names_them(cli: Terminal) -> None:
    experiment = cli.submit("0.5", "--create-only")
    said = cli("show", experiment[:4], code=Exit.USAGE).stderr
    assert "is the beginning of several ids" in said


def test_what_is_not_there_ends_with_5_and_what_is_no_id_with_2(cli: Terminal) -> None:
    missing = "00000000-aaaa-bbbb-cccc-000000000000"
    for words in (("show", missing), ("show", "000"), ("watch", missing), ("tail", "Simulation", missing)):
        done = cli(*words, code=Exit.NOT_FOUND)
        assert "acomps: " in done.stderr
        assert "next: " in done.stderr
        assert done.stdout in {"", f"Simulation {missing}\n"}
    assert "is no id" in cli("show", "xyz", code=Exit.USAGE).stderr


def test_an_unknown_kind_or_field_ends_with_2_and_names_those_there_are(cli: Terminal) -> None:
    assert "asset collection" in cli("list", "things", code=Exit.USAGE).stderr
    assert "did you mean 'name'" in cli("list", "experiments", "--where", "nam=x", code=Exit.USAGE).stderr


def test_a_list_has_the_format_that_was_asked_for(cli: Terminal) -> None:
    experiment = cli.submit("0.5", "--create-only")
    words = ("list", "simulations", "--experiment", experiment, "--order-by", "name", "--children", "tags")
    table = cli(*words).stdout.splitlines()
    assert table[0].split() == ["id", "name", "state", "date", "created", "tags"]
    assert len(table) == 3
    ids = cli.ids(*words)
    assert [line.split()[0] for line in table[1:]] == ids
    documents = json.loads(cli(*words, "--format", "json").stdout)
    assert [document["id"] for document in documents] == ids
    assert [document["tags"]["Run_Number"] for document in documents] == ["1", "2"]
    assert cli.ids(*words, "--tag", "Run_Number>1") == ids[1:]
    cut = cli(*words, "--limit", "1")
    assert "the first 1 of 2" in cut.stderr
    assert len(cut.stdout.splitlines()) == 2


def test_a_dry_run_says_how_much_it_is_and_sends_nothing(cli: Terminal) -> None:
    cli.prepare()
    before = cli.ids("list", "experiments", "--limit", "1")
    elsewhere = ("--server", "http://127.0.0.1:9")  # where nobody answers
    told = json.loads(cli("submit", "sweep.toml", "--dry-run", "--format", "json", *elsewhere).stdout)
    assert (told["simulations"], told["core_hours"], told["bytes_shared"]) == (4, 1.0, len(MODEL.encode()))
    assert told["bytes_of_simulations"] == sum(
        len(json.dumps({"Rate": rate, "Run_Number": run}, separators=(",", ":")))
        for rate in (0.5, 1.0)
        for run in (1, 2)
    )
    assert cli.ids("list", "experiments", "--limit", "1") == before


def test_a_watch_of_simulations_that_fail_ends_with_1_and_tells_why(cli: Terminal) -> None:
    experiment = cli.submit("0.5, -1.0")
    done = cli("watch", experiment, "--format", "json", code=Exit.FAILED)
    assert json.loads(done.stdout) == {"id": experiment, "Succeeded": 2, "Failed": 2}
    assert done.stderr.count("failed: simulation") == 2
    assert "next: acomps tail Simulation" in done.stderr


def test_failed_simulations_are_run_again_and_the_old_ones_deleted(cli: Terminal) -> None:
    experiment = cli.submit("0.5, -1.0")
    cli("watch", experiment, code=Exit.FAILED)
    failed = cli.ids("list", "simulations", "--experiment", experiment, "--where", "state=Failed")
    clones = cli.ids("rerunsims", experiment, "--deleteold")
    assert len(clones) == len(failed) == 2
    cli("watch", experiment, code=Exit.FAILED)
    left = cli.ids("list", "simulations", "--experiment", experiment, "--where", "state=Failed")
    assert sorted(left) == sorted(clones)


def test_a_simulation_is_cloned_to_another_experiment(cli: Terminal) -> None:
    cli("watch", cli.submit("0.5"))
    original = cli.ids("list", "simulations", "--limit", "1")[0]
    target = cli.submit("1.0", "--create-only")
    [clone] = cli.ids("clonesim", original, "-eid", target)
    shown = json.loads(cli("show", clone, "--format", "json").stdout)
    assert shown["experiment_id"] == target
    assert shown["tags"]["ClonedFromSimulation"] == original
    cli("commission", clone)
    cli("watch", clone)


def test_tags_are_added_removed_and_replaced(cli: Terminal) -> None:
    experiment = cli.submit("0.5", "--create-only")

    def tags(*words: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(cli("tag", experiment, *words, "--format", "json").stdout)
        return found

    assert tags() == {"study": "test"}
    assert tags("a=1", "b") == {"study": "test", "a": "1", "b": ""} or tags() == {"study": "test", "a": "1", "b": None}
    assert tags("--remove", "b", "--remove", "study") == {"a": "1"}
    assert tags("--replace", "c=3") == {"c": "3"}


def test_nothing_is_deleted_without_a_yes(cli: Terminal) -> None:
    experiment = cli.submit("0.5", "--create-only")
    said = cli("delete", experiment, code=Exit.USAGE).stderr
    assert "with 2 simulations: add --yes" in said
    assert cli.ids("delete", experiment, "--yes", "--expire-now") == [experiment]
    cli("show", experiment, code=Exit.NOT_FOUND)


def test_a_harvest_fetches_only_what_is_new_and_tables_have_the_tags(cli: Terminal) -> None:
    experiment = cli.submit()
    cli("watch", experiment)
    words = (
        "harvest",
        experiment,
        "output/InsetChart.json",
        "--into",
        "out",
        "--layout",
        "{tags[Rate]}-{tags[Run_Number]}.json",
    )
    first = json.loads(cli(*words, "--format", "json").stdout)
    again = json.loads(cli(*words, "--format", "json").stdout)
    assert (first["fetched"], again["fetched"], again["there_already"]) == (4, 0, 4)
    assert {path.name for path in (cli.folder / "out").glob("*.json")} == {
        f"{rate}-{run}.json" for rate in (0.5, 1.0) for run in (1, 2)
    }
    cli("harvest", experiment, "--table", "table.csv", "--channel", "Infected")
    with (cli.folder / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    last = next(row for row in rows if (row["Rate"], row["Run_Number"], row["time"]) == ("1.0", "2.0", "4.0"))
    assert float(last["Infected"]) == 6.0
    assert not (cli.folder / "results").exists()


def test_a_harvest_of_what_is_not_there_ends_with_1(cli: Terminal) -> None:
    cli("watch", cli.submit("0.5"))
    done = cli("harvest", "latest", "nothing.json", code=Exit.FAILED)
    assert "2 files are missing" in done.stderr


def test_a_tail_that_follows_ends_with_the_simulation(cli: Terminal) -> None:
    cli.submit("0.5")
    assert cli("tail", "Simulation", "latest", "stdout.txt", "--follow").stdout == "rate 0.5, run 2\n"


def test_the_run_info_tells_no_secrets(cli: Terminal) -> None:
    assert cli.service is not None
    secret = {"ACOMPS_USERNAME": "me", "ACOMPS_PASSWORD": "hush-hush"}
    told = cli("run-info", "--format", "json", environment=secret).stdout
    assert "hush-hush" not in told
    facts = json.loads(told)
    assert (facts["server"], facts["server_because_of"]) == (cli.service.url, "COMPS_SERVER")
    assert facts["settings"]["timeouts"]["connect_s"] > 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_options(shell: str, cli: Terminal) -> None:
    script = cli("completion", shell).stdout
    assert "rerunsims" in script
    assert "overwrite" in script


def line_with(stream: IO[str] | None, pattern: str) -> str:
    """The first line that matches; the test's own timeout is the deadline."""
    assert stream is not None
    for line in stream:
        if re.search(pattern, line):
            return line
    raise AssertionError(f"no line like {pattern!r} came")


def sleeping(cli: Terminal) -> str:
    """An experiment of which nothing ends by itself."""
    cli.prepare("0.5")
    (cli.folder / "model" / "model.py").write_text("import time; time.sleep(600)")
    return cli("submit", "sweep.toml", "--format", "ids").stdout.strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_ctrl_c_stops_and_tells_the_command_that_goes_on(number: signal.Signals, cli: Terminal) -> None:
    experiment = sleeping(cli)
    with cli.start("watch", experiment[:-2]) as process:
        try:
            line_with(process.stderr, "0 of 2 done")
            process.send_signal(number)
            _, said = process.communicate()
        finally:
            process.kill()
    cli("cancel", experiment)
    assert process.returncode == Exit.INTERRUPTED
    assert said.splitlines()[-2:] == ["acomps: interrupted", f"next: acomps watch {experiment}"]


def test_the_second_ctrl_c_leaves_at_once(cli: Terminal) -> None:
    """The first one is stuck in a cleanup that takes for ever."""
    stuck = (
        "import anyio, sys, acomps.cli.app as a\n"
        "async def hold():\n"
        "    try:\n"
        "        print('ready', flush=True)\n"
        "        await anyio.sleep(60)\n"
        "    finally:\n"
        "        with anyio.CancelScope(shield=True):\n"
        "            print('stopping', flush=True)\n"
        "            await anyio.sleep(60)\n"
        "a.app.command(hold, name='hold')\n"
    )
    program = (
        f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{stuck}sys.exit(a.run(['hold']))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            for expected in ("ready", "stopping"):
                line_with(process.stdout, expected)
                process.send_signal(signal.SIGINT)
            assert process.wait(30) == Exit.INTERRUPTED
        finally:
            process.kill()


async def test_an_interrupted_submit_goes_on_where_it_was(cli_home: Path, tmp_path: Path) -> None:
    """The service takes its time, so that the first batches are confirmed when the last are not yet sent."""
    async with start_service(tmp_path / "data", latency_ms=300) as slow:
        cli = Terminal(tmp_path, slow, cli_home)
        await anyio.to_thread.run_sync(interrupt_and_go_on, cli)


def interrupt_and_go_on(cli: Terminal) -> None:
    cli.log_in()
    cli.prepare(", ".join(str(rate) for rate in range(1, 2_001)))
    with cli.start("submit", "sweep.toml", "--create-only") as process:
        try:
            journals = cli.home / "state" / "acomps" / "submits"
            until(lambda: any(path.stat().st_size for path in journals.glob("*.journal")), "a batch is confirmed")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate()
        finally:
            process.kill()
    assert process.returncode == Exit.INTERRUPTED, said
    [line] = re.findall(r"^next: acomps (submit .*)$", said, re.MULTILINE)
    told = json.loads(cli(*line.split(), "--create-only", "--format", "json").stdout)
    assert told["simulations"] == 4_000
    listed = ("list", "simulations", "--experiment", told["experiment"], "--limit", "0", "--format", "json")
    names = [document["name"] for document in json.loads(cli(*listed).stdout)]
    assert len(names) == len(set(names)) == 4_000
    assert not any(journals.iterdir())


def test_a_submit_adds_to_an_experiment(cli: Terminal) -> None:
    experiment = cli.submit("0.5", "--create-only")
    assert len(cli.ids("list", "simulations", "--experiment", experiment)) == 2
    cli("submit", "sweep.toml", "--experiment", experiment[:-3], "--create-only")
    assert len(cli.ids("list", "simulations", "--experiment", experiment)) == 4
