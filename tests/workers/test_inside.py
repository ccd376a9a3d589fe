"""What a command of a work item finds: the real clients are logged in there, without being asked anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from interop.pycomps import interpreter
from support.local_service import Running, records, text
from support.work_items import ItemClient

import acomps

#: Logs in as programs of this kind do, to the host that the variable names.
PYCOMPS = b"""
import json, os
from COMPS import Client
from COMPS.Data import AssetCollection, AssetCollectionFile, Experiment, QueryCriteria, WorkItem
from COMPS.Data.WorkItem import RelationType

class Nobody:
    pass

Client.login(os.environ["COMPS_SERVER"])
own = WorkItem.get(os.environ["COMPS_WORKITEM_GUID"], QueryCriteria().select_children("files"))
(experiment,) = own.get_related_experiments(RelationType.DependsOn)
outputs = [
    simulation.retrieve_output_files(["stdout.txt"])[0].decode().strip()
    for simulation in experiment.get_simulations()
]
collection = AssetCollection()
collection.add_asset(AssetCollectionFile("summary.json", ""), data=json.dumps(sorted(outputs)).encode())
collection.save()
own.add_related_asset_collection(collection.id, RelationType.Created)
print(Client.auth_manager().username, own.name, own.state.name)
"""

ACOMPS = b"""
import os
import anyio
import acomps

async def main():
    async with acomps.connect() as comps:
        own = await comps.work_items.get(os.environ["COMPS_WORKITEM_GUID"])
        experiment = await comps.experiments.save(acomps.Experiment(name="made inside"))
        await comps.work_items.relate(own, acomps.RelationType.CREATED, experiment)
        print(await comps.user(), own.name, own.state)

anyio.run(main)
"""

EXAMPLE = Path(__file__).parents[2] / "examples" / "work_item.py"


def test_pycomps_is_logged_in_inside_a_work_item(client: ItemClient) -> None:
    python = interpreter()
    if python is None:
        pytest.skip("needs idm-pycomps 2.11.0: let ACOMPS_PYCOMPS_PYTHON name an interpreter that has it")
    experiment = client.experiment("echo", "hello")
    simulations = client.simulations(experiment, 2)
    item = client.command(f"'{python}' inside.py", {"inside.py": PYCOMPS})
    client.depend(item, "Experiment", experiment)
    client.commission("WorkItems", item)
    client.commission("Experiments", experiment)
    ended = client.until_item(item, "Succeeded", "Failed")
    assert (ended["State"], ended.get("ErrorMessage")) == ("Succeeded", None)
    assert client.item_output(item, "stdout.txt").splitlines()[-1] == f"{client.username} item Running"
    (collection,) = client.related(item, "Created", "AssetCollection")
    (asset,) = records(client.one("AssetCollections", collection, "Assets")["Assets"])
    assert client.http.get(text(asset, "Uri")).json() == ["hello"] * len(simulations)


def test_acomps_is_logged_in_inside_a_work_item(client: ItemClient) -> None:
    item = client.command("python3 inside.py", {"inside.py": ACOMPS})
    ended = client.run_item(item)
    assert (ended["State"], ended.get("ErrorMessage")) == ("Succeeded", None)
    assert client.item_output(item, "stdout.txt") == f"{client.username} item Running\n"
    (experiment,) = client.related(item, "Created", "Experiment")
    assert client.one("Experiments", experiment)["Name"] == "made inside"


async def test_acomps_commissions_a_work_item_waits_for_it_and_reads_its_outputs(
    workplace: Running, settings: acomps.Settings, tmp_path: Path
) -> None:
    order = {"Execution": {"Command": "mkdir deep && cat in.txt > deep/out.txt && echo said"}}
    async with acomps.connect(
        workplace.url, username=workplace.username, password=workplace.password, settings=settings
    ) as comps:
        item = await comps.work_items.save(
            acomps.WorkItem(
                name="w",
                worker=acomps.Worker("DockerWorker", "1.0.0.0_RELEASE"),
                environment_name="Local",
                files=(
                    acomps.WorkItemFile.work_order(json.dumps(order).encode()),
                    acomps.WorkItemFile(file_name="in.txt", content=b"through"),
                ),
            )
        )
        await comps.work_items.commission(item)
        progress = await comps.wait(item)
        assert dict(progress.counts) == {acomps.WorkItemState.SUCCEEDED: 1}
        assert sorted(file.path for file in await comps.outputs.list(item)) == [
            "WorkOrder.json",
            "deep/out.txt",
            "in.txt",
            "stderr.txt",
            "stdout.txt",
        ]
        assert await comps.outputs.read(item, "deep/out.txt") == b"through"
        assert await comps.outputs.tail(item, "stdout.txt") == "said\n"
        (zipped,) = await comps.outputs.zip(item, ["deep/out.txt"], tmp_path / "out.zip")
        assert zipped.stat().st_size > 0
        failing = await comps.work_items.save(
            acomps.WorkItem(
                name="f",
                worker=acomps.Worker("DockerWorker", "1.0.0.0_RELEASE"),
                environment_name="Local",
                files=(acomps.WorkItemFile.work_order(b'{"Execution": {"Command": "exit 4"}}'),),
            )
        )
        await comps.work_items.commission(failing)
        failed = await comps.wait(failing, errors=True)
        assert dict(failed.counts) == {acomps.WorkItemState.FAILED: 1}
        assert "exit code 4" in str(failed.failures[0].error_message)


def test_the_example_prints_its_summary(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(EXAMPLE)], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout[done.stdout.index("{") :])
    assert list(summary) == [f"seed {seed}" for seed in range(1, 6)]
    assert all(0 < mean < 1 for mean in summary.values())
    assert "1 Waiting" in done.stdout
