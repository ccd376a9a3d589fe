"""`acomps campaign`: a sweep file with a table more, run, looked at, tried again and exported."""

from __future__ import annotations

import json
import signal

from support.local_service import until
from support.terminal import Terminal

TABLE = """
[campaign]
outputs = ["output/InsetChart.json"]
channels = ["Infected"]
attempts = 1
"""


PYTHON = """
from pathlib import Path
import acomps
from acomps.campaign import Campaign, Channels, Stage

BASE = {"Rate": 0.0, "Run_Number": 0}

def doubled(results):
    return acomps.sweep(BASE, {"Rate": [2 * max(one.inputs["Rate"] for one in results)]})

campaign = Campaign(
    "doubled.campaign",
    name="doubled",
    experiment=acomps.Experiment(
        name="doubled",
        configuration=acomps.Configuration(
            environment_name="Local", executable_path="python3", simulation_input_args="Assets/model.py"
        ),
    ),
    assets=Path("model"),
    stages=[
        Stage(name="first", sweep=acomps.sweep(BASE, {"Rate": [0.5, 1.0]})),
        Stage(name="doubled", sweep=doubled, rounds=2),
    ],
    outputs=["output/InsetChart.json"],
    read=Channels("Infected"),
)
"""


def prepare(cli: Terminal, rates: str, model: str = "") -> None:
    cli.prepare(rates)
    with (cli.folder / "sweep.toml").open("a") as handle:
        handle.write(TABLE)
    if model:
        script = cli.folder / "model" / "model.py"
        script.write_text(model + script.read_text())


def test_a_campaign_runs_is_looked_at_and_exported(cli: Terminal) -> None:
    prepare(cli, "0.5, 1.0")
    done = cli("campaign", "run", "sweep.toml")
    assert "complete; sweep: 4 succeeded of 4" in done.stderr
    status = json.loads(cli("campaign", "status", "sweep.toml", "--format", "json").stdout)
    assert status["complete"]
    assert status["stages"][0]["succeeded"] == 4
    assert "succeeded" in cli("campaign", "status", "sweep.campaign").stdout
    results = json.loads(cli("campaign", "results", "sweep.campaign", "--format", "json").stdout)
    assert [one["inputs"]["Rate"] for one in results] == [0.5, 0.5, 1.0, 1.0]
    assert results[0]["outputs"] == {"Infected": [1.0, 1.5, 2.0, 2.5, 3.0]}
    assert len(cli("campaign", "results", "sweep.campaign").stdout.splitlines()) == 5
    assert len(cli.ids("campaign", "results", "sweep.campaign")) == 4
    for name in ("r.csv", "r.parquet", "r.json"):
        cli("campaign", "export", "sweep.campaign", name)
        assert (cli.folder / name).stat().st_size > 100
    assert '"[1.0,1.5,2.0,2.5,3.0]"' in (cli.folder / "r.csv").read_text()
    again = cli("campaign", "run", "sweep.toml")
    assert "4 succeeded of 4" in again.stderr


def test_what_failed_is_told_and_tried_again_on_demand(cli: Terminal) -> None:
    mended = cli.folder / "mended"
    guard = f"import json, pathlib, sys\nif not pathlib.Path({str(mended)!r}).exists() and "
    prepare(cli, "0.5, 1.0", guard + "json.loads(open('config.json').read())['Rate'] > 0.7: sys.exit('too fast')\n")
    failed = cli("campaign", "run", "sweep.toml", code=1)
    assert "2 points have failed" in failed.stderr
    assert "acomps campaign rerun sweep.toml" in failed.stderr
    mended.touch()
    assert "4 succeeded of 4" in cli("campaign", "rerun", "sweep.toml").stderr


def test_ctrl_c_says_how_to_go_on_and_that_goes_on(cli: Terminal) -> None:
    gate = cli.folder / "gate"
    prepare(
        cli, "0.5, 1.0", f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)\n"
    )
    process = cli.start("campaign", "run", "sweep.toml")

    def sent() -> bool:
        folder = cli.folder / "sweep.campaign"
        if not folder.exists():
            return False
        stage = json.loads(cli("campaign", "status", str(folder), "--format", "json").stdout)["stages"]
        return bool(stage) and stage[0].get("sent") == 4

    until(sent, "the simulations are sent")
    second = cli("campaign", "run", "sweep.toml", code=1)
    assert "is in use by process" in second.stderr
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "next: acomps campaign run sweep.toml" in errors
    gate.touch()
    assert "4 succeeded of 4" in cli("campaign", "run", "sweep.toml").stderr


def test_what_is_wrong_in_the_file_is_said(cli: Terminal) -> None:
    cli.prepare()
    assert "has no table [campaign]" in cli("campaign", "run", "sweep.toml", code=2).stderr
    with (cli.folder / "sweep.toml").open("a") as handle:
        handle.write("\n[campaign]\nwhat = 1\n")
    assert "may have folder, outputs" in cli("campaign", "run", "sweep.toml", code=2).stderr
    (cli.folder / "c.py").write_text("campaign = 1\n")
    assert "must set `campaign`" in cli("campaign", "run", "c.py", code=2).stderr
    assert "no campaign at" in cli("campaign", "status", "nowhere", code=1).stderr


def test_a_python_file_can_have_stages_that_follow_from_others(cli: Terminal) -> None:
    cli.prepare()
    (cli.folder / "doubled.py").write_text(PYTHON)
    done = cli("campaign", "run", "doubled.py")
    assert "complete; first: 2 succeeded of 2; doubled: 2 succeeded of 2" in done.stderr
    results = json.loads(cli("campaign", "results", "doubled.py", "--format", "json").stdout)
    assert [one["inputs"]["Rate"] for one in results] == [0.5, 1.0, 2.0, 4.0]
    (cli.folder / "doubled.py").write_text(PYTHON.replace("2 * max", "3 * max"))
    assert "begun with another definition: stages.doubled.sweep" in cli("campaign", "run", "doubled.py", code=2).stderr
