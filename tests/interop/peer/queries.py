"""Queries: operators, order, pages, and whatever else a query can say."""

from __future__ import annotations

from typing import Any

from interop.peer.entities import kind_named
from interop.peer.library import data
from interop.peer.scenario import scenario


@scenario("QueryCriteria.__init__ QueryCriteria.to_param_dict")
def find(
    kind: str,
    where: list[str] | None = None,
    where_tag: list[str] | None = None,
    orderby: str | None = None,
    offset: int = 0,
    count: int = 0,
    select: list[str] | None = None,
    select_children: list[str] | None = None,
    extra: dict[str, Any] | None = None,
) -> object:
    """The names (of asset collections: the ids) of what a query finds, in its order."""
    found = _asked(kind, where, where_tag, orderby, offset, count, select, select_children, extra)
    return [getattr(entity, "name", None) or entity.id for entity in found]


@scenario("QueryCriteria.__init__ QueryCriteria.to_param_dict")
def find_whole(
    kind: str,
    where: list[str],
    select: list[str] | None = None,
    select_children: list[str] | None = None,
    extra: dict[str, Any] | None = None,
) -> object:
    """What a query finds, whole."""
    return _asked(kind, where, None, None, 0, 0, select, select_children, extra)


def _asked(
    kind: str,
    where: list[str] | None,
    where_tag: list[str] | None,
    orderby: str | None,
    offset: int,
    count: int,
    select: list[str] | None,
    select_children: list[str] | None,
    extra: dict[str, Any] | None,
) -> Any:
    query = data.QueryCriteria()
    if where:
        query.where(where)
    if where_tag:
        query.where_tag(where_tag)
    if orderby:
        query.orderby(orderby)
    if offset:
        query.offset(offset)
    if count:
        query.count(count)
    if select:
        query.select(select)
    if select_children:
        query.select_children(select_children)
    if extra:
        query.add_extra_params(extra)
    return kind_named(kind).get(query_criteria=query)


@scenario(
    "QueryCriteria.select QueryCriteria.select_children QueryCriteria.where QueryCriteria.where_tag",
    "QueryCriteria.orderby QueryCriteria.offset QueryCriteria.count QueryCriteria.add_extra_params",
    "QueryCriteria.fields QueryCriteria.children QueryCriteria.filters QueryCriteria.tag_filters",
    "QueryCriteria.xparams QueryCriteria.to_param_dict Simulation.get",
)
def find_with_everything(experiment: str) -> object:
    """A query that says all that a query can say, how it is sent, and what it finds."""
    query = (
        data.QueryCriteria()
        .select(["id", "name"])
        .select_children(["tags"])
        .where([f"experiment_id={experiment}", "name~simulation"])
        .where_tag(["number>=2", "number<8"])
        .orderby("name desc")
        .offset(1)
        .count(3)
        .add_extra_params({"format": "json"})
    )
    held = [query.fields, query.children, query.filters, query.tag_filters, query.xparams]
    found = data.Simulation.get(query_criteria=query)
    return {"held": held, "sent": query.to_param_dict(data.Simulation), "found": found}


@scenario("Simulation.get")
def fetch_badly(id: str) -> object:
    """A fetch by something that is no id, or by one that nobody has."""
    return data.Simulation.get(id)


@scenario("Experiment.get")
def fetch_experiment_badly(id: str) -> object:
    """A fetch of an experiment that is not there."""
    return data.Experiment.get(id)
