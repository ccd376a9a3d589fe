"""What goes to the wire comes back as it was: entities, dates, tags, queries; and what comes in is never a crash."""

from __future__ import annotations

import string
import urllib.parse
import uuid
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acomps
from acomps.wire import spelling
from acomps.wire.dates import format_time, parse_time
from acomps.wire.decode import decode_entities
from acomps.wire.encode import create_document, encode
from acomps.wire.params import query_params

USUAL = settings(max_examples=150, derandomize=True, deadline=None)
#: All that a user can type, and much that nobody does; a name is more than white space.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
NAMES = TEXTS.filter(str.strip)
TAG_NAMES = st.text(string.ascii_letters + string.digits + "_- äß漢", min_size=1, max_size=12).filter(str.strip)
TAGS = st.dictionaries(TAG_NAMES, st.integers(-(2**53), 2**53) | TEXTS, max_size=6)
IDS = st.uuids(version=4)
MOMENTS = st.datetimes(
    datetime(1, 1, 2),
    datetime(9999, 12, 30),
    timezones=st.integers(-14, 14).map(lambda h: timezone(timedelta(hours=h))),
)


@USUAL
@given(moment=MOMENTS)
def test_a_moment_comes_back_in_utc_to_the_microsecond(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment.astimezone(UTC)


@USUAL
@given(first=MOMENTS, second=MOMENTS)
def test_the_texts_of_moments_sort_like_the_moments(first: datetime, second: datetime) -> None:
    assert (format_time(first) < format_time(second)) == (first < second)


@USUAL
@given(name=NAMES, description=st.none() | TEXTS, tags=TAGS, experiment=IDS, own=IDS)
def test_a_simulation_survives_the_wire(
    name: str, description: str | None, tags: dict[str, int | str], experiment: uuid.UUID, own: uuid.UUID
) -> None:
    given_ = acomps.Simulation(name=name, description=description, tags=tags, experiment_id=experiment)
    document = orjson.loads(encode(create_document(given_, "somebody")))
    document |= {"Id": str(own), "SimulationState": "Created"}
    [back] = decode_entities(acomps.Simulation, {"Simulations": [document]})
    assert (back.name, back.description, back.experiment_id) == (name, description, given_.experiment_id)
    assert dict(back.tags) == {key: str(value) for key, value in tags.items()}, "a tag is a text on the wire"
    assert back.id == own


@USUAL
@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["Id", "Name", "Tags", "Simulations", "SimulationState", "Files", "x"]),
                inner,
                max_size=6,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_comes_is_read_or_malformed_and_never_a_crash(document: object) -> None:
    try:
        found = decode_entities(acomps.Simulation, document)
    except acomps.MalformedAnswer:
        return
    assert all(isinstance(one, acomps.Simulation) for one in found)


@USUAL
@given(state=TEXTS.filter(lambda text: text not in {one.text for one in acomps.SimulationState}))
def test_a_state_that_nobody_knows_is_unknown(state: str) -> None:
    document = {"Simulations": [{"Id": "01a1f8cc-7f93-7000-ba4f-1d7e19d19b45", "Name": "x", "SimulationState": state}]}
    [found] = decode_entities(acomps.Simulation, document)
    assert found.state == acomps.SimulationState.UNKNOWN


@USUAL
@given(
    name=NAMES.filter(lambda text: "," not in text),
    tag=TAG_NAMES,
    value=st.integers(0, 10**6),
)
def test_a_query_says_on_the_wire_what_it_says_here(name: str, tag: str, value: int) -> None:
    try:
        query = acomps.Query().where(name=name).where_tag(**{tag: value})
        params = query_params(query, spelling.SIMULATION)
    except acomps.UsageError:
        return
    there = dict(urllib.parse.parse_qsl(urllib.parse.urlencode(params), keep_blank_values=True))
    assert there == params
    assert there["filters"] == f"Name={name}"
    assert there["tagfilters"] == f"{tag}={value}"


@pytest.mark.parametrize("state", [one for one in acomps.SimulationState if one != acomps.SimulationState.UNKNOWN])
def test_every_state_comes_back(state: acomps.SimulationState) -> None:
    document = {"Id": "01a1f8cc-7f93-7000-ba4f-1d7e19d19b45", "Name": "x", "SimulationState": state.text}
    [found] = decode_entities(acomps.Simulation, {"Simulations": [document]})
    assert found.state == state
