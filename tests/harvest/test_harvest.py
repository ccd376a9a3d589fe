"""Harvests of a real service: sources, places, second runs, what is missing, and leaving early."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from harvest.conftest import COUNT, Swept, all_of, errors, fetched, names_in, run
from support.faults import through_faults
from support.runs import ended, script, shell_experiment

import acomps
from acomps.comps.child import Service
from acomps.comps.harvesting import HarvestFailed, Source
from acomps.events import Downloaded, Event, Harvesting

BOTH = ["output/a.json", "output/deep/b.bin"]


def tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks()}


async def test_every_file_lies_in_its_place_and_is_what_the_simulation_wrote(
    comps: acomps.Session, swept: Swept, tmp_path: Path
) -> None:
    before = tasks()
    files = await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))
    assert len(files) == 2 * COUNT
    assert errors(files) == []
    for number, simulation in enumerate(swept.simulations):
        folder = tmp_path / str(swept.experiment.id) / str(simulation.id) / "output"
        assert (folder / "a.json").read_text() == f"number {number}\n"
        assert (folder / "deep" / "b.bin").read_bytes() == bytes(3000)
    assert len(names_in(tmp_path)) == 2 * COUNT
    one = next(file for file in files if file.path == "output/deep/b.bin")
    assert one.fetched
    assert one.local is not None
    assert one.content is None
    assert (one.length, one.md5) == (3000, uuid.UUID(hashlib.md5(bytes(3000)).hexdigest()))
    assert tasks() == before


async def test_without_a_folder_the_contents_come_as_bytes(comps: acomps.Session, swept: Swept) -> None:
    files = await all_of(comps.harvest(swept.experiment, "output/a.json"))
    assert sorted(file.content or b"" for file in files) == sorted(b"number %d\n" % n for n in range(COUNT))
    assert all(file.local is None and file.fetched and file.length == len(file.content or b"") for file in files)
    assert {str(file.simulation.tags["Run_Number"]) for file in files} == {str(number) for number in range(COUNT)}


@pytest.mark.parametrize("kind", ["id", "text", "query", "ids", "texts", "simulations", "one", "async", "suite"])
async def test_all_kinds_of_sources_give_the_same_files(
    comps: acomps.Session, swept: Swept, tmp_path: Path, kind: str
) -> None:
    async def later() -> AsyncIterator[acomps.Simulation]:
        for simulation in swept.simulations:
            await anyio.lowlevel.checkpoint()
            yield simulation

    experiment_id = swept.experiment.saved_id
    source: Source = swept.experiment
    match kind:
        case "id":
            source = experiment_id
        case "text":
            source = str(experiment_id)
        case "query":
            source = acomps.Query().select("id").where(experiment_id=experiment_id)
        case "ids":
            source = [simulation.saved_id for simulation in swept.simulations]
        case "texts":
            source = [str(simulation.id) for simulation in swept.simulations]
        case "simulations":
            source = [*swept.simulations, *swept.simulations]
        case "one":
            source = swept.simulations[3]
        case "async":
            source = later()
        case _:
            suite = await comps.suites.save(acomps.Suite(name="of one"))
            inside = await run_in_suite(comps, suite)
            source, experiment_id = suite, inside
    layout = "{experiment.name}/{experiment.id}/{tags[Run_Number]:02}{suffix}"
    files = await all_of(comps.harvest(source, ["output/A.*"], into=tmp_path, layout=layout))
    assert errors(files) == []
    numbers = {"one": [3], "suite": [0, 1]}.get(kind, range(COUNT))
    name = "in a suite" if kind == "suite" else "swept"
    assert names_in(tmp_path) == {f"{name}/{experiment_id}/{number:02}.json" for number in numbers}
    assert len(files) == len(numbers)


async def run_in_suite(comps: acomps.Session, suite: acomps.Suite) -> uuid.UUID:
    experiment = await comps.experiments.save(
        acomps.Experiment(
            name="in a suite",
            suite_id=suite.id,
            configuration=acomps.Configuration(
                environment_name="Local", executable_path="/bin/sh", simulation_input_args="run.sh"
            ),
        )
    )
    lines = "mkdir output; echo {} > output/a.json"
    await comps.simulations.save_all([script(experiment, lines, Run_Number=number) for number in range(2)])
    await comps.experiments.commission(experiment)
    await ended(comps, experiment)
    return experiment.saved_id


async def test_what_cannot_be_a_source_or_is_unknown_says_so(comps: acomps.Session, swept: Swept) -> None:
    with pytest.raises(acomps.UsageError, match="a int cannot be harvested"):
        await all_of(comps.harvest(7, "x"))  # type: ignore[arg-type]  # what a caller without a type checker may do
    with pytest.raises(acomps.NotFound):
        await all_of(comps.harvest(swept.simulations[0].saved_id, "x"))
    with pytest.raises(acomps.InvalidId):
        await all_of(comps.harvest(["not an id"], "x"))


def test_what_is_wrong_in_a_call_is_raised_by_the_call(comps: acomps.Session, swept: Swept) -> None:
    with pytest.raises(acomps.UsageError, match=r"did you mean \{simulation.id\}"):
        comps.harvest(swept.experiment, BOTH, into="x", layout="{simulation.ids}/{path}")
    with pytest.raises(acomps.UsageError, match="nothing is asked for"):
        comps.harvest(swept.experiment, [])
    with pytest.raises(acomps.UsageError, match="a path or pattern is a text"):
        comps.harvest(swept.experiment, ["/"])
    with pytest.raises(acomps.UsageError, match="at_once"):
        comps.harvest(swept.experiment, BOTH, at_once=0)
    with pytest.raises(acomps.UsageError, match="give `into`"):
        comps.harvest(swept.experiment, BOTH, layout="{name}")


async def test_two_files_in_one_place_are_an_error_of_the_second(
    comps: acomps.Session, swept: Swept, tmp_path: Path
) -> None:
    for _ in range(2):
        files = await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path, layout="{name}"))
        assert len(errors(files)) == 2 * COUNT - 2
        assert all("it has to tell them apart" in error for error in errors(files))
        assert names_in(tmp_path) == {"a.json", "b.bin"}


async def test_the_manifest_itself_cannot_be_the_place_of_a_file(
    comps: acomps.Session, swept: Swept, tmp_path: Path
) -> None:
    [file] = await all_of(comps.harvest(swept.simulations[0], "output/a.json", into=tmp_path, layout="Harvest.JSONL"))
    assert isinstance(file.error, acomps.UsageError)


async def test_hostile_names_are_errors_and_hide_no_other_file(comps: acomps.Session, tmp_path: Path) -> None:
    odd = [
        "a:b",
        "CON",
        "dot.",
        "blank ",
        "q?",
        "LPT1.txt",
        "back\\\\slash",
        "less<more",
        "ok.txt",
        "OK.TXT",
        "ünï.txt",
    ]
    lines = "\n".join(["mkdir odd", *(f"printf x > 'odd/{name}'" for name in odd)])
    strange = await run(comps, "hostile", lines)
    files = await all_of(comps.harvest(strange.experiment, "odd/**", into=tmp_path, layout="{path}"))
    good = {file.path for file in files if file.error is None}
    assert good - {"odd/back/slash", "odd/back//slash"} in (
        {"odd/ok.txt", "odd/ünï.txt"},
        {"odd/OK.TXT", "odd/ünï.txt"},
    )
    assert {"odd/a:b", "odd/CON", "odd/dot.", "odd/blank ", "odd/q?", "odd/LPT1.txt", "odd/less<more"} <= {
        file.path for file in files if isinstance(file.error, acomps.MalformedAnswer)
    }
    assert all(path.is_relative_to(tmp_path) for path in tmp_path.rglob("*"))

    renamed = await all_of(
        comps.harvest(strange.experiment, "odd/a:b", into=tmp_path / "2", layout=lambda _, path: path.replace(":", "-"))
    )
    assert errors(renamed) == []
    assert names_in(tmp_path / "2") == {"odd/a-b"}


async def test_a_missing_file_is_reported_and_the_rest_is_there(
    comps: acomps.Session, swept: Swept, tmp_path: Path
) -> None:
    asked = ["output/b.json", "output/*.csv", "output/a.json"]
    for _ in range(2):
        files = await all_of(comps.harvest(swept.experiment, asked, into=tmp_path))
        assert len(files) == 3 * COUNT
        missing = [file for file in files if file.error is not None]
        assert {file.path for file in missing} == {"output/b.json", "output/*.csv"}
        assert all(isinstance(file.error, acomps.NotFound) for file in missing)
        assert len(names_in(tmp_path)) == COUNT


async def test_a_strict_harvest_raises_once_everything_else_is_there(
    comps: acomps.Session, swept: Swept, tmp_path: Path
) -> None:
    handed_out: list[Event] = []
    files = comps.harvest(
        swept.experiment,
        ["output/b.json", "output/a.json"],
        into=tmp_path,
        strict=True,
        on_progress=handed_out.append,
    )
    with pytest.raises(HarvestFailed, match=f"{COUNT} of the files that were asked for") as caught:
        await all_of(files)
    assert len([event for event in handed_out if isinstance(event, Harvesting)]) == 2 * COUNT
    assert caught.value.count == len(caught.value.failures) == COUNT
    assert len(names_in(tmp_path)) == COUNT


async def test_simulations_that_have_not_run_are_errors_and_the_rest_is_there(
    comps: acomps.Session, swept: Swept, tmp_path: Path
) -> None:
    experiment = await shell_experiment(comps, "never run")
    waiting = await comps.simulations.save(script(experiment, "true"))
    nowhere = uuid.uuid4()
    source = [swept.simulations[0].saved_id, waiting.saved_id, nowhere, swept.simulations[1].saved_id]
    files = await all_of(comps.harvest(source, BOTH, into=tmp_path))
    bad = {file.simulation.id: file for file in files if file.error is not None}
    assert set(bad) == {waiting.id, nowhere}
    assert all(isinstance(file.error, acomps.NotFound) and file.path == "" for file in bad.values())
    assert len(fetched(files)) == 4


async def test_a_second_harvest_asks_only_for_the_list_of_simulations(
    service: Service, settings: acomps.Settings, swept: Swept, tmp_path: Path
) -> None:
    async with through_faults(service, settings) as (proxy, comps):
        first = await all_of(comps.harvest(swept.experiment, [*BOTH, "none"], into=tmp_path))
        assert len(proxy.ledger) > 3 * COUNT
        times = {name: (tmp_path / name).stat().st_mtime_ns for name in names_in(tmp_path)}
        manifest = (tmp_path / "harvest.jsonl").read_bytes()
        proxy.ledger.clear()
        second = await all_of(comps.harvest(swept.experiment, [*BOTH, "none"], into=tmp_path))
        assert [request.target.partition("?")[0] for request in proxy.ledger] == ["/api/Simulations"]
        assert fetched(second) == []
        assert len(errors(second)) == COUNT
        assert {(file.local, file.length, file.md5) for file in first} == {
            (file.local, file.length, file.md5) for file in second
        }
        assert times == {name: (tmp_path / name).stat().st_mtime_ns for name in names_in(tmp_path)}
        assert (tmp_path / "harvest.jsonl").read_bytes() == manifest


async def test_only_what_is_gone_cut_or_not_noted_is_fetched_again(
    comps: acomps.Session, swept: Swept, tmp_path: Path
) -> None:
    await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))
    gone, cut, *_ = sorted(tmp_path.rglob("a.json"))
    gone.unlink()
    cut.write_bytes(b"num")
    again = await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))
    assert {file.local for file in fetched(again)} == {gone, cut}
    manifest = tmp_path / "harvest.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join(line for line in lines if b"a.json" not in line)[:-9])
    third = await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))
    assert errors(third) == []
    assert {file.path for file in fetched(third)} >= {"output/a.json"}
    assert COUNT <= len(fetched(third)) <= COUNT + 1
    assert fetched(await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))) == []


async def test_another_request_takes_what_is_there(comps: acomps.Session, swept: Swept, tmp_path: Path) -> None:
    await all_of(comps.harvest(swept.experiment, BOTH[:1], into=tmp_path))
    files = await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))
    assert {file.path for file in fetched(files)} == {BOTH[1]}
    other = await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path, layout="{tags[Run_Number]}/{path}"))
    assert len(fetched(other)) == 2 * COUNT


async def test_what_was_harvested_while_it_ran_is_known_to_a_harvest_of_the_whole_experiment(
    service: Service, settings: acomps.Settings, swept: Swept, tmp_path: Path
) -> None:
    async with through_faults(service, settings) as (proxy, comps):
        first = await all_of(comps.harvest(comps.finished(swept.experiment), BOTH, into=tmp_path))
        assert len(fetched(first)) == 2 * COUNT
        assert fetched(await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))) == []
        proxy.ledger.clear()
        assert fetched(await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))) == []
        assert len(proxy.ledger) == 1


async def test_a_file_of_another_simulation_in_the_same_place_is_never_taken_for_ones_own(
    comps: acomps.Session, swept: Swept, tmp_path: Path
) -> None:
    one, other = swept.simulations[1], swept.simulations[2]
    for simulation in (one, other, one, one):
        await all_of(comps.harvest(simulation, "output/a.json", into=tmp_path, layout="{name}"))
        assert (tmp_path / "a.json").read_text() == f"number {simulation.tags['Run_Number']}\n"


async def test_a_new_attempt_is_fetched_anew(
    service: Service, settings: acomps.Settings, comps: acomps.Session, tmp_path: Path
) -> None:
    experiment = await shell_experiment(comps, "attempts", retries=1)
    # The first attempt fails when the signal is there; both leave a file of the same length.
    marker = tmp_path / "marker"
    lines = (
        f"printf $(test -e {marker} && echo 2 || echo 1) > out.txt; test -e {marker} || {{ touch {marker}; exit 1; }}"
    )
    await comps.simulations.save_all([script(experiment, lines)])
    await comps.experiments.commission(experiment)
    await ended(comps, experiment)
    [simulation] = await comps.simulations.list(
        acomps.Query().where(experiment_id=experiment.id).children("tags", "hpc_jobs")
    )
    assert len(simulation.hpc_jobs) == 2
    into = tmp_path / "into"
    await all_of(comps.harvest(simulation, "out.txt", into=into))
    manifest = into / "harvest.jsonl"
    first, second = (str(job.id) for job in simulation.hpc_jobs)
    [target] = into.rglob("out.txt")
    target.write_text("1")
    listed = await comps.outputs.list(simulation, ["out.txt"], job=simulation.hpc_jobs[0])
    told = manifest.read_text().replace(second, first)
    manifest.write_text(told.replace(str((await comps.outputs.list(simulation, ["out.txt"]))[0].id), str(listed[0].id)))
    [file] = await all_of(comps.harvest(simulation, "out.txt", into=into))
    assert file.fetched
    assert target.read_text() == "2"


async def test_what_a_running_simulation_still_writes_is_fetched_as_it_is_and_again_when_it_has_grown(
    comps: acomps.Session, tmp_path: Path
) -> None:
    signal = tmp_path / "go"
    experiment = await shell_experiment(comps, "grows")
    wait = f"touch {tmp_path}/started; until test -e {signal}; do sleep 0.02; done"
    lines = f"echo one > log.txt; {wait}; echo two >> log.txt"
    await comps.simulations.save_all([script(experiment, lines)])
    await comps.experiments.commission(experiment)
    with anyio.fail_after(60):
        while not (tmp_path / "started").exists():
            await anyio.sleep(0.02)
    into = tmp_path / "into"
    for _ in range(2):
        [file] = await all_of(comps.harvest(experiment, "log.txt", into=into))
        assert file.fetched
        assert file.local is not None
        assert file.local.read_text() == "one\n"
    signal.touch()
    await ended(comps, experiment)
    [file] = await all_of(comps.harvest(experiment, "log.txt", into=into))
    assert file.local is not None
    assert file.local.read_text() == "one\ntwo\n"
    [file] = await all_of(comps.harvest(experiment, "log.txt", into=into))
    assert not file.fetched


async def test_files_come_while_the_source_still_grows(comps: acomps.Session, swept: Swept, tmp_path: Path) -> None:
    send, receive = anyio.create_memory_object_stream[acomps.Simulation](0)
    files = comps.harvest(receive, "output/a.json", into=tmp_path)
    async with send, anyio.create_task_group() as group:
        for simulation in swept.simulations[:5]:
            group.start_soon(send.send, simulation)
            with anyio.fail_after(20):
                file = await anext(files)
            assert file.simulation.id == simulation.id
            assert file.fetched
    assert await all_of(files) == []
    receive.close()


async def test_progress_tells_of_bytes_and_of_files(comps: acomps.Session, swept: Swept, tmp_path: Path) -> None:
    for fetches in (True, False):
        events: list[Event] = []
        await all_of(comps.harvest(swept.experiment, [*BOTH, "none"], into=tmp_path, on_progress=events.append))
        last = [event for event in events if isinstance(event, Harvesting)][-1]
        size = sum(path.stat().st_size for path in tmp_path.rglob("output/**/*") if path.is_file())
        assert sum(event.bytes for event in events if isinstance(event, Downloaded)) == (size if fetches else 0)
        assert (last.files, last.skipped) == ((2 * COUNT, 0) if fetches else (0, 2 * COUNT))
        assert last.errors == COUNT
        assert last.bytes == (size if fetches else 0)


@pytest.mark.parametrize("way", ["break", "close", "raise", "cancel"])
async def test_leaving_early_leaves_no_task_and_what_was_handed_out_is_not_fetched_again(
    comps: acomps.Session, swept: Swept, tmp_path: Path, way: str
) -> None:
    before = tasks()
    seen: set[Path | None] = set()

    async def leave() -> None:
        files = comps.harvest(swept.experiment, BOTH, into=tmp_path, at_once=3)
        if way == "close":
            async with contextlib.aclosing(files):
                async for file in files:
                    seen.add(file.local)
                    if len(seen) == 3:
                        return
        async for file in files:
            seen.add(file.local)
            if len(seen) == 3:
                if way == "break":
                    break
                if way == "raise":
                    raise ValueError("the caller's own")
                await anyio.sleep_forever()

    if way == "cancel":
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(leave)
                while len(seen) < 3:
                    await anyio.sleep(0.005)
                scope.cancel()
    else:
        with contextlib.suppress(ValueError):
            await leave()
    gc.collect()
    with anyio.fail_after(2):
        while tasks() != before:
            await anyio.sleep(0.005)
    assert not list(tmp_path.rglob("*.part"))
    files = await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))
    assert len(files) == 2 * COUNT
    assert errors(files) == []
    assert seen <= {file.local for file in files if not file.fetched}


async def test_a_harvest_can_be_left_and_its_session_closed_at_once(
    service: Service, settings: acomps.Settings, swept: Swept, tmp_path: Path
) -> None:
    before = tasks()
    async with acomps.connect(
        service.url, username=service.username, password=service.password, settings=settings
    ) as session:
        async for _ in session.harvest(swept.experiment, BOTH, into=tmp_path):
            break
    with anyio.fail_after(2):
        while tasks() != before:
            await anyio.sleep(0.005)


async def test_one_that_is_never_begun_does_nothing(comps: acomps.Session, swept: Swept, tmp_path: Path) -> None:
    before = tasks()
    files = comps.harvest(swept.experiment, BOTH, into=tmp_path / "never")
    await files.aclose()
    assert not (tmp_path / "never").exists()
    assert tasks() == before


async def test_a_harvest_that_is_left_early_leaves_no_listing_behind(comps: acomps.Session) -> None:
    experiment = await comps.experiments.save(acomps.Experiment(name="long"))
    # Two pages: the second is on its way, or waits, when the harvest is left.
    made = [acomps.Simulation(name=f"{number}", experiment_id=experiment.id) for number in range(300)]
    (await comps.simulations.save_all(made)).raise_for_failures()
    before = tasks()
    gc.disable()
    try:
        async with contextlib.aclosing(comps.harvest(experiment, "stdout.txt", at_once=2)) as files:
            async for _ in files:
                break
        assert tasks() == before
    finally:
        gc.enable()
