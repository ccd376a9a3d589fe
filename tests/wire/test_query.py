"""Queries: checked before they are sent, and spelled as the service reads them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from acomps import Query, SimulationState, UnknownField, UsageError
from acomps.wire.params import query_params
from acomps.wire.spelling import EXPERIMENT, SIMULATION, SPELLINGS, SUITE, WORK_ITEM, pascal

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_query_is_a_value_and_each_step_makes_a_new_one() -> None:
    first = Query().where("name~Test")
    second = first.where(state=SimulationState.FAILED)
    assert len(first.conditions) == 1
    assert query_params(second, SIMULATION)["filters"] == "Name~Test,SimulationState=Failed"


def test_everything_is_spelled_for_the_wire() -> None:
    an_id = uuid.UUID(int=7)
    query = (
        Query()
        .select("name", "state")
        .children("tags", "hpc_jobs")
        .where("date_created>=2026-01-01", experiment_id=an_id)
        .where_tag("Run", "x>5", model="SEIR")
        .order_by("date_created", descending=True)
        .extra(coalesceConfig="True")
    )
    assert query_params(query, SIMULATION) == {
        "fields": "Id,Name,SimulationState",
        "children": "Tags,HPCJobs",
        "filters": f"DateCreated>=2026-01-01,ExperimentId={an_id}",
        "tagfilters": "Run,x>5,model=SEIR",
        "orderby": "DateCreated desc",
        "coalesceConfig": "True",
    }


def test_the_state_of_a_work_item_has_another_name_than_that_of_a_simulation() -> None:
    assert query_params(Query().where("state=Running"), WORK_ITEM)["filters"] == "State=Running"


def test_names_may_be_given_in_the_spelling_of_the_wire() -> None:
    query = Query().where("SimulationState=Running", "EnvironmentName=Local").select("ExperimentId")
    params = query_params(query, SIMULATION)
    assert params["filters"] == "SimulationState=Running,EnvironmentName=Local"
    assert params["fields"] == "Id,ExperimentId"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (Query().where("stat=Running"), r"Simulation has no field 'stat'; did you mean 'state'\?"),
        (Query().select("nam"), r"Simulation has no field 'nam'; did you mean 'name'\?"),
        (Query().children("tag"), r"Simulation has no child 'tag'; did you mean 'tags'\?"),
        (Query().children("zzz"), r"it has tags, configuration, files, hpc_jobs"),
        (Query().order_by("tags"), r"Simulation has no field 'tags'"),
    ],
)
def test_an_unknown_name_is_refused_and_the_near_one_is_named(query: Query, message: str) -> None:
    with pytest.raises(UnknownField, match=message):
        query_params(query, SIMULATION)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Query().where("just words"),
        lambda: Query().where("name=a,b"),
        lambda: Query().where_tag(""),
        lambda: Query().where_tag("a,b"),
        lambda: Query().limit(0),
        lambda: Query().offset(-1),
        lambda: Query().where(name=object()),
    ],
)
def test_what_the_service_cannot_understand_is_refused_before_it_is_sent(make: Callable[[], Query]) -> None:
    with pytest.raises(UsageError):
        make()


def test_times_are_compared_in_utc() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (
        query_params(Query().where(date_created=moment), SUITE)["filters"] == "DateCreated=2026-01-02T03:04:05.000000Z"
    )


def test_the_rule_of_the_spelling_and_its_exceptions() -> None:
    assert pascal("asset_collection_id") == "AssetCollectionId"
    assert pascal("hpc_jobs") == "HPCJobs"
    assert pascal("md5_checksum") == "MD5Checksum"
    assert EXPERIMENT.basics["suite_id"] == "SuiteId"
    assert [spelling.plural for spelling in SPELLINGS.values()] == [
        "Suites",
        "Experiments",
        "Simulations",
        "WorkItems",
        "AssetCollections",
    ]
