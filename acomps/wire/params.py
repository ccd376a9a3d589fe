"""Queries as the service's query parameters (protocol 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acomps.query import Query
    from acomps.wire.spelling import Spelling

__all__ = ["query_params"]

#: Without this basic field an answer could not be told apart.
_ALWAYS = "id"


def query_params(query: Query, spelling: Spelling) -> dict[str, str]:
    """The parameters of `query`, without its paging; a name that the entity lacks raises UnknownField."""
    params: dict[str, str] = {}
    if query.fields:
        names = dict.fromkeys((_ALWAYS, *query.fields))
        params["fields"] = ",".join(spelling.basic(name) for name in names)
    if query.child_names:
        names = dict.fromkeys(query.child_names)
        params["children"] = ",".join(spelling.child(name) for name in names)
    if query.conditions:
        params["filters"] = ",".join(
            f"{spelling.filterable(item.field)}{item.operator}{item.value}" for item in query.conditions
        )
    if query.tag_conditions:
        params["tagfilters"] = ",".join(query.tag_conditions)
    if query.order is not None:
        name, descending = query.order
        params["orderby"] = spelling.basic(name) + (" desc" if descending else "")
    params.update(query.extras)
    return params
