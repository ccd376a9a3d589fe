"""What simulations ask of their environments, checked for many of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import String, func, select, type_coerce

from acomps.local.records import schema

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from acomps.local.environments import Environments

__all__ = ["check_bounds"]


def check_bounds(connection: Connection, environments: Environments, meant: ColumnElement[bool]) -> None:
    """Refuse when one of the simulations asks for what its environment can never give.

    Environments that do not exist are left to provisioning, which says so on the simulation itself.
    """
    if all(one.limits.max_cores is None and not one.node_groups for one in environments.all()):
        return
    simulations, experiments, suites = schema.simulations, schema.experiments, schema.suites

    def said(key: str) -> ColumnElement[str | None]:
        """The value on the lowest level that has one; configurations are stored level by level."""
        levels = (table.c.configuration for table in (simulations, experiments, suites))
        return type_coerce(func.coalesce(*(func.json_extract(level, f"$.{key}") for level in levels)), String)

    asked = (
        select(said("EnvironmentName"), said("NodeGroupName"), said("MinCores"))
        .select_from(simulations)
        .outerjoin(experiments, experiments.c.id == simulations.c.experiment_id)
        .outerjoin(suites, suites.c.id == experiments.c.suite_id)
        .where(meant)
        .distinct()
    )
    for name, node_group, cores in connection.execute(asked):
        environment = environments.get(str(name)) if name else None
        if environment is not None:
            environment.check(node_group=node_group, min_cores=None if cores is None else int(cores))
