"""Places: templates that are checked before anything is fetched, names that are good everywhere, no two the same."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

import acomps
from acomps.comps.harvesting.layout import DEFAULT_LAYOUT, Layout, Places

INTO = Path("results")
EXPERIMENT = acomps.Experiment(id=uuid.UUID(int=1), name="measles", tags={"site": "north"})
SIMULATION = acomps.Simulation(
    id=uuid.UUID(int=2),
    name="run",
    experiment_id=EXPERIMENT.id,
    state=acomps.SimulationState.SUCCEEDED,
    tags={"Run_Number": "7", "Rate": "0.3", "where": "a/b", "nothing": None, "flag": True},
)


def place(layout: Layout, path: str = "output/InsetChart.json", *, into: Path = INTO) -> str:
    return Places(into, layout).place(SIMULATION, EXPERIMENT, path).relative_to(into).as_posix()


def by_function(simulation: acomps.Simulation, path: str) -> str:
    return f"{simulation.name}_{Path(path).name}"


@pytest.mark.parametrize(
    ("layout", "local"),
    [
        (DEFAULT_LAYOUT, f"{uuid.UUID(int=1)}/{uuid.UUID(int=2)}/output/InsetChart.json"),
        ("{experiment.name}/{simulation.name}-{simulation.state}/{name}", "measles/run-Succeeded/InsetChart.json"),
        ("{stem}-{tags[Run_Number]}{suffix}", "InsetChart-7.json"),
        ("rate-{tags[Rate]:.2f}/run-{tags[Run_Number]:03}.json", "rate-0.30/run-007.json"),
        ("{simulation.tags[Run_Number]:s}/{experiment.tags[site]}/{name}", "7/north/InsetChart.json"),
        ("{tags[where]}/{tags[flag]}.json", "a/b/True.json"),
        ("{{{simulation.name}}}/{name}", "{run}/InsetChart.json"),
        (by_function, "run_InsetChart.json"),
    ],
)
def test_a_layout_names_files_by_experiment_simulation_tags_and_path(layout: Layout, local: str) -> None:
    assert place(layout) == local


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ("{simulaton.id}/{path}", "did you mean {simulation.id}?"),
        ("{id}/{path}", "did you mean {"),
        ("{simulation.tag[x]}", "did you mean {simulation.tags[...]}?"),
        ("{tags}", "there is no field {tags}"),
        ("{}", "there is no field {}"),
        ("{path", "expected '}'"),
        ("{path!r}", "a field has a name and a format"),
        ("{path:{name}}", "a field has a name and a format"),
        ("{tags[a]:.2q}", "no format that Python knows"),
        ("/tmp/{path}", "not below the folder"),
        ("../{path}", "not below the folder"),
        ("C:{path}", "not below the folder"),
        ("{path}.", "not below the folder"),
        ("con/{path}", "not below the folder"),
        ("a?{path}", "not below the folder"),
        ("", "not below the folder"),
    ],
)
def test_a_template_that_is_wrong_for_every_file_is_refused_at_once(layout: str, said: str) -> None:
    with pytest.raises(acomps.UsageError) as caught:
        Places(INTO, layout)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "../up.txt",
        "/etc/passwd",
        "a/../../b",
        "C:/x",
        "a:b",
        "CON",
        "aux.txt",
        "trailing.",
        "blank /x",
        "a<b",
        'q"',
        "a|b",
    ],
)
def test_a_name_of_the_server_that_leaves_the_folder_or_that_windows_refuses_is_its_error(path: str) -> None:
    with pytest.raises(acomps.MalformedAnswer) as caught:
        place("{simulation.id}/{path}", path)
    assert repr(path) in str(caught.value)


def test_another_layout_can_take_a_name_that_windows_refuses() -> None:
    assert place(lambda simulation, path: path.replace(":", "-"), "12:00.txt") == "12-00.txt"


@pytest.mark.parametrize("local", ["../x", "/x", "a/./b", "a//b", "nul", "a" * 256, "ä" * 128, "a\0b", ""])
def test_a_name_that_the_layout_makes_bad_is_the_layouts_error(local: str) -> None:
    with pytest.raises(acomps.UsageError, match="change the layout"):
        place(lambda simulation, path: local)


def test_a_path_that_is_too_long_for_the_system_is_an_error() -> None:
    with pytest.raises(acomps.UsageError, match="change the layout"):
        place(lambda simulation, path: "/".join(["a" * 200] * 25))


def test_a_tag_that_a_simulation_lacks_is_found_before_its_files_are_listed() -> None:
    with pytest.raises(acomps.UsageError, match="has no tag 'Run_Nmber'; did you mean 'Run_Number'"):
        Places(INTO, "{tags[Run_Nmber]}/{path}").check(SIMULATION, EXPERIMENT)
    with pytest.raises(acomps.UsageError, match=r"is 'a/b', and '.2f' cannot format that"):
        Places(INTO, "{tags[where]:.2f}/{path}").check(SIMULATION, EXPERIMENT)


def test_a_layout_function_that_fails_is_an_error_of_the_file() -> None:
    with pytest.raises(acomps.UsageError, match="KeyError"):
        place(lambda simulation, path: str(simulation.tags["missing"]))


def test_no_place_is_given_twice_also_where_capitals_and_accents_make_no_difference() -> None:
    places = Places(INTO, "{path}", "harvest.jsonl")
    assert places.take(INTO / "a" / "Chart.json")
    assert not places.take(INTO / "A" / "chart.JSON")
    assert places.take(INTO / "caf\u00e9")
    assert not places.take(INTO / "cafe\u0301")
    assert not places.take(INTO / "Harvest.jsonl")
    assert places.take(INTO / "b" / "Chart.json")


def test_a_folder_that_is_the_working_directory_itself_works() -> None:
    places = Places(Path(), "{path}")
    assert places.local(places.place(SIMULATION, EXPERIMENT, "a/b.txt")) == "a/b.txt"
