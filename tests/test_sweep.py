"""A sweep: points, configuration files, tags, and what is refused."""

from __future__ import annotations

import itertools
import json
import time
import tracemalloc
import types
import uuid
from typing import TYPE_CHECKING

import numpy as np
import pytest

from acomps.entities import Experiment, Simulation, SimulationFile
from acomps.errors import ContentError, UsageError
from acomps.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE: dict[str, object] = {
    "parameters": {
        "Base_Infectivity_Constant": 0.6,
        "Run_Number": 1,
        "Maternal": {"Effect": 0},
        "Files": ["a.json", "b.json"],
    },
    "Campaign_Name": "Initial Seeding",
    "Events": [{"Start_Day": 1, "Coverage": 0.05}, {"Start_Day": 30, "Coverage": 0.5}],
}


def config_of(simulation: Simulation, *way: str | int) -> object:
    content = simulation.files[0].content
    assert isinstance(content, bytes)
    node = json.loads(content)
    for key in way:
        node = node[key]
    found: object = node
    return found


# ---- points


def test_all_combinations_come_in_order_and_the_last_parameter_varies_fastest() -> None:
    made = sweep(BASE, {"Base_Infectivity_Constant": [0.3, 0.6], "Run_Number": range(3)})
    assert [dict(simulation.tags) for simulation in made] == [
        {"Base_Infectivity_Constant": infectivity, "Run_Number": run}
        for infectivity, run in itertools.product([0.3, 0.6], range(3))
    ]
    assert len(made) == 6


def test_a_sweep_can_be_walked_through_again() -> None:
    made = sweep(BASE, {"Run_Number": range(3)})
    assert list(made) == list(made)
    assert len(list(zip(made, made, strict=True))) == 3


def test_each_simulation_has_the_base_with_its_own_values_in_it() -> None:
    made = list(sweep(BASE, {"Run_Number": [7], "Base_Infectivity_Constant": [0.25]}))
    expected = json.loads(json.dumps(BASE))
    expected["parameters"] |= {"Run_Number": 7, "Base_Infectivity_Constant": 0.25}
    assert config_of(made[0]) == expected
    assert made[0].files[0].file_name == "config.json"


def test_rows_are_points_and_what_a_row_leaves_out_keeps_the_base_value() -> None:
    made = sweep(BASE, rows=[{"Run_Number": 5}, {"Base_Infectivity_Constant": 1.2, "Run_Number": 6}, {}])
    assert len(made) == 3
    assert [dict(simulation.tags) for simulation in made] == [
        {"Run_Number": 5},
        {"Base_Infectivity_Constant": 1.2, "Run_Number": 6},
        {},
    ]
    assert [config_of(simulation, "parameters", "Run_Number") for simulation in made] == [5, 6, 1]


def test_rows_from_an_iterator_are_walked_through_lazily_and_only_once() -> None:
    made = sweep(BASE, rows=({"Run_Number": run} for run in itertools.count()))
    first = list(itertools.islice(made, 3))
    assert [simulation.tags["Run_Number"] for simulation in first] == [0, 1, 2]
    with pytest.raises(UsageError, match="used up"):
        iter(made)
    with pytest.raises(TypeError, match="not known"):
        len(made)


def test_values_without_a_length_are_walked_through_anew_for_each_combination() -> None:
    class Seeds:
        def __iter__(self) -> Iterator[int]:
            return iter((4, 5))

    made = sweep(BASE, {"Base_Infectivity_Constant": [0.1, 0.2], "Run_Number": Seeds()})
    assert [simulation.tags["Run_Number"] for simulation in made] == [4, 5, 4, 5]
    with pytest.raises(TypeError, match="not known"):
        len(made)


def test_without_any_parameter_there_is_one_simulation_of_the_base() -> None:
    assert [config_of(simulation) for simulation in sweep(BASE, {})] == [BASE]


def test_a_million_points_cost_no_memory() -> None:
    made = sweep(BASE, {"Base_Infectivity_Constant": [0.1, 0.2], "Run_Number": range(500_000)})
    tracemalloc.start()
    try:
        seen = sum(1 for _ in itertools.islice(made, 20_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(made) == 1_000_000
    assert seen == 20_000
    assert peak < 64 * 1024


def test_the_first_of_a_huge_sweep_is_there_at_once() -> None:
    started = time.process_time()
    made = sweep(BASE, {"Base_Infectivity_Constant": range(10**9), "Run_Number": range(10**9)})
    next(iter(made))
    assert len(made) == 10**18
    assert time.process_time() - started < 1


# ---- names


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("Run_Number", ("parameters", "Run_Number")),
        ("parameters.Run_Number", ("parameters", "Run_Number")),
        ("Campaign_Name", ("Campaign_Name",)),
        ("Maternal.Effect", ("parameters", "Maternal", "Effect")),
        ("parameters.Maternal.Effect", ("parameters", "Maternal", "Effect")),
        ("Events.1.Coverage", ("Events", 1, "Coverage")),
        ("Files.0", ("parameters", "Files", 0)),
    ],
)
def test_a_name_reaches_its_place(name: str, way: tuple[str | int, ...]) -> None:
    (simulation,) = sweep(BASE, {name: ["new"]})
    assert config_of(simulation, *way) == "new"
    assert dict(simulation.tags) == {name: "new"}


def test_a_key_with_dots_in_it_is_found_before_a_path() -> None:
    (simulation,) = sweep({"a.b": 1, "a": {"b": 2}}, {"a.b": [9]})
    assert config_of(simulation) == {"a.b": 9, "a": {"b": 2}}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Base_Infectivty_Constant", "did you mean 'Base_Infectivity_Constant'"),
        ("parameters.Run_Nunber", "did you mean 'Run_Number'"),
        ("Event.0.Start_Day", "did you mean 'Events'"),
        ("Events.0.Start_Dai", "did you mean 'Start_Day'"),
        ("Events.2.Start_Day", "'2' is no index of a list of 2"),
        ("Events.first.Start_Day", "'first' is no index"),
        ("Run_Number.Seed", "nothing inside 'Run_Number', which is 1"),
        ("zzzzz", "the base has no parameter 'zzzzz': there are Base_Infectivity_Constant"),
        ("", "must be a text"),
        ("parameters.", "must be a text"),
    ],
)
def test_an_unknown_name_is_refused_at_once_with_what_it_may_have_been(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sweep(BASE, {name: [1, 2]})
    with pytest.raises(UsageError, match=message):
        list(sweep(BASE, rows=iter([{name: 1}])))


def test_a_new_parameter_must_be_announced() -> None:
    with pytest.raises(UsageError, match=r"adding=\['Enable_Births'\]"):
        sweep(BASE, {"Enable_Births": [0, 1]})
    made = sweep(BASE, {"Enable_Births": [0, 1]}, adding=["Enable_Births"])
    assert [config_of(simulation, "parameters", "Enable_Births") for simulation in made] == [0, 1]


def test_a_new_parameter_may_lie_in_objects_that_are_not_there_yet() -> None:
    (simulation,) = sweep({"a": {}}, {"a.b.c": [1], "d": [2]}, adding=["a.b.c", "d"])
    assert config_of(simulation) == {"a": {"b": {"c": 1}}, "d": 2}


@pytest.mark.parametrize("other", ["parameters.Run_Number", "parameters"])
def test_two_parameters_in_one_place_are_refused(other: str) -> None:
    with pytest.raises(UsageError, match="same place"):
        sweep(BASE, {"Run_Number": [1], other: [2]})


# ---- values


def test_a_value_that_is_no_scalar_is_json_in_the_configuration_and_in_the_tag() -> None:
    (simulation,) = sweep(BASE, {"Maternal": [{"Effect": [1, None]}]})
    assert config_of(simulation, "parameters", "Maternal") == {"Effect": [1, None]}
    assert simulation.tags["Maternal"] == '{"Effect":[1,null]}'


def test_numbers_of_numpy_become_plain_numbers() -> None:
    made = list(sweep(BASE, {"Base_Infectivity_Constant": np.linspace(0, 1, 3), "Run_Number": np.arange(2)}))
    assert [type(made[0].tags[name]) for name in ("Base_Infectivity_Constant", "Run_Number")] == [float, int]
    assert config_of(made[3], "parameters", "Base_Infectivity_Constant") == 0.5


@pytest.mark.parametrize("value", [None, True, False, 0, -(2**63), 0.1, 1e-300, "", 'a "text"', "ü", "\\u0000"])
def test_scalars_arrive_as_they_are(value: object) -> None:
    (simulation,) = sweep(BASE, {"Run_Number": [value]})
    assert config_of(simulation, "parameters", "Run_Number") == value
    assert simulation.tags["Run_Number"] == value
    assert type(simulation.tags["Run_Number"]) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        [1, float("nan")],
        np.float32("nan"),
        np.array([1.0, np.nan]),
        {1, 2},
        2**64,
        object(),
    ],
)
def test_a_value_that_json_cannot_hold_is_refused_before_anything_is_made(value: object) -> None:
    with pytest.raises(UsageError, match="Run_Number"):
        sweep(BASE, {"Run_Number": [1, value]})
    with pytest.raises(UsageError, match="Run_Number"):
        sweep(BASE, rows=[{"Run_Number": 1}, {"Run_Number": value}])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("abc", "give a list"),
        (3, "give a list"),
        ({"a": 1}, "give a list"),
        (iter([1, 2]), "only once"),
        ({1, 2}, "no order"),
        ([], "no values"),
    ],
)
def test_values_that_would_make_another_sweep_than_meant_are_refused(values: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sweep(BASE, {"Run_Number": values})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType] - on purpose


# ---- simulations


def test_the_experiment_gives_its_id_and_its_name() -> None:
    experiment = Experiment(id=uuid.uuid4(), name="infectivity")
    (simulation,) = sweep(BASE, {"parameters.Run_Number": [3], "Campaign_Name": ["x"]}, experiment=experiment)
    assert simulation.experiment_id == experiment.id
    assert simulation.name == "infectivity Run_Number=3 Campaign_Name=x"


def test_a_name_of_its_own_wins_and_a_long_one_is_cut() -> None:
    (simulation,) = sweep(BASE, {"Campaign_Name": ["x" * 500]}, name="mine")
    assert simulation.name.startswith("mine Campaign_Name=xxx")
    assert len(simulation.name) == 200
    assert len(str(simulation.tags["Campaign_Name"])) == 500


def test_an_experiment_that_was_not_saved_is_refused() -> None:
    with pytest.raises(UsageError, match="save it first"):
        sweep(BASE, {"Run_Number": [1]}, experiment=Experiment(name="new"))


def test_shared_files_and_tags_come_with_every_simulation() -> None:
    campaign = SimulationFile(file_name="campaign.json", content=b"{}")
    made = list(sweep(BASE, {"Run_Number": [1, 2]}, files=[campaign], tags={"who": "me"}, config="settings.json"))
    assert [[file.file_name for file in one.files] for one in made] == [["settings.json", "campaign.json"]] * 2
    assert [dict(one.tags) for one in made] == [{"who": "me", "Run_Number": 1}, {"who": "me", "Run_Number": 2}]


def test_a_file_or_tag_of_a_name_that_the_sweep_writes_is_refused() -> None:
    with pytest.raises(UsageError, match=r"files hold a 'config.json'"):
        sweep(BASE, {"Run_Number": [1]}, files=[SimulationFile(file_name="Config.json", content=b"{}")])
    with pytest.raises(UsageError, match="one tag of a name"):
        sweep(BASE, {"Run_Number": [1]}, tags={"Run_Number": 2})
    with pytest.raises(UsageError, match="folders"):
        sweep(BASE, {"Run_Number": [1]}, config="../config.json")


# ---- the base


def test_the_base_may_be_a_file_also_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(BASE).encode())
    (simulation,) = sweep(path, {"Run_Number": [9]})
    assert config_of(simulation, "parameters", "Run_Number") == 9


def test_a_later_change_of_the_base_does_not_reach_the_sweep() -> None:
    base = {"a": [1], "b": 2}
    made = sweep(base, rows=[{"b": 3}])
    base["a"] = [5]
    assert config_of(next(iter(made))) == {"a": [1], "b": 3}


def test_any_mapping_is_a_base() -> None:
    (simulation,) = sweep(types.MappingProxyType({"a": 1}), {"a": [2]})
    assert config_of(simulation) == {"a": 2}


@pytest.mark.parametrize(("text", "message"), [("{", "is no JSON"), ("[]", "no object"), ('{"a": NaN}', "is no JSON")])
def test_a_base_file_that_is_no_json_object_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "base.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        sweep(path, {"a": [1]})
    assert str(path) in str(caught.value)


def test_a_base_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"nothing\.json"):
        sweep(tmp_path / "nothing.json", {"a": [1]})


def test_a_base_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(UsageError, match="NaN"):
        sweep({"a": {"b": float("nan")}}, {"a": [1]})
    with pytest.raises(UsageError, match="the base"):
        sweep({"a": object()}, {"a": [1]})
    with pytest.raises(UsageError, match="mapping or a pathlib"):
        sweep("config.json", {"a": [1]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - on purpose


def test_parameters_or_rows_but_not_both_nor_neither() -> None:
    with pytest.raises(UsageError, match="both"):
        sweep(BASE)
    with pytest.raises(UsageError, match="both"):
        sweep(BASE, {"Run_Number": [1]}, rows=[{"Run_Number": 1}])
    with pytest.raises(UsageError, match="in a list"):
        sweep(BASE, {"Run_Number": [1]}, adding="Run_Number")
