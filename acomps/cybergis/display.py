"""Records as a table, for a terminal and for a notebook."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeGuard

from acomps.cybergis.job import Job
from acomps.cybergis.listings import Container, Hpc, Info, JupyterHost, Maintainer, SlurmUsage, Template
from acomps.cybergis.reading import is_object, is_sequence
from acomps.cybergis.records import Folder, JobEvent, JobLog, JobRecord
from acomps.errors import UsageError

__all__ = ["Table", "display", "markdown"]

_WIDEST: Final = 60


@dataclass(frozen=True, slots=True)
class Table:
    """Text cells under headings: `print` it, or let it be the last line of a notebook's cell."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""

    def __str__(self) -> str:
        if not self.rows:
            return f"{self.title}\n(nothing)" if self.title else "(nothing)"
        cells = [tuple(_short(cell) for cell in row) for row in (self.headings, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join([self.title, *lines] if self.title else lines)

    def _repr_html_(self) -> str:
        return self.html()

    def html(self) -> str:
        """As HTML, for a notebook."""
        title = f"<h4>{html.escape(self.title)}</h4>" if self.title else ""
        if not self.rows:
            return f"{title}<p>nothing</p>"
        head = "".join(f"<th>{html.escape(heading)}</th>" for heading in self.headings)
        body = "".join(f"<tr>{''.join(f'<td>{_cell_html(cell)}</td>' for cell in row)}</tr>" for row in self.rows)
        return f"{title}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@dataclass(frozen=True, slots=True)
class Tables:
    """Several tables, one below the other."""

    tables: tuple[Table, ...]

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.tables))

    def _repr_html_(self) -> str:
        return self.html()

    def html(self) -> str:
        """As HTML, for a notebook."""
        return "".join(table.html() for table in self.tables)


def display(records: object, columns: Sequence[str] = ()) -> Table | Tables:
    """A table of records, of one record (which stands upright), or of whatever a listing of this package has given.

    `columns` are the ones to show, by default those that matter for such records.
    """
    match records:
        case Info():
            named = {"Templates": records.templates, "HPCs": records.hpcs, "Jobs": records.jobs}
            named |= {"Maintainers": records.maintainers, "Containers": records.containers}
            return Tables(tuple(_table(items, title) for title, items in named.items() if items))
        case Job():
            return _upright(records.record, columns)
        case SlurmUsage():
            return _usage(records)
        case _ if _is_several(records):
            return _table(records, columns=columns)
        case _:
            return _upright(records, columns)


def markdown(rows: Iterable[Iterable[object]], headings: Iterable[str]) -> str:
    """A Markdown table of any cells; nothing without headings."""
    head = [str(heading) for heading in headings]
    if not head:
        return ""
    lines = [head, ["---"] * len(head)]
    lines += [[str(cell).replace("|", "&#124;").replace("\n", "<br>") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


#: The columns of each kind of record, in the order of the SDK's tables.
_Columns = Mapping[str, Callable[[object], object]]


def _attributes(*names: str) -> _Columns:
    return {name: _Attribute(name) for name in names}


@dataclass(frozen=True, slots=True)
class _Attribute:
    path: str

    def __call__(self, record: object) -> object:
        value: object = record
        for name in self.path.split("."):
            value = None if value is None else getattr(value, name)
        return value


_COLUMNS: Final[Mapping[type, _Columns]] = {
    JobRecord: {
        "id": _Attribute("id"),
        "state": _Attribute("state.value"),
        "exit_code": _Attribute("exit_code"),
        "slurm_id": _Attribute("slurm_id"),
        "hpc": _Attribute("hpc"),
        "template": _Attribute("template"),
        "result_folder": _Attribute("remote_result_folder.id"),
        "param": _Attribute("param"),
        "slurm": _Attribute("slurm"),
        "user_id": _Attribute("user_id"),
        "maintainer": _Attribute("maintainer"),
        "created_at": _Attribute("created_at"),
    },
    JobEvent: _attributes("type", "message", "created_at"),
    JobLog: _attributes("message", "created_at"),
    Folder: _attributes("id", "name", "hpc", "globus_path", "user_id", "writable", "created_at"),
    Hpc: _attributes("name", "ip", "port", "is_community_account", "description"),
    Template: _attributes("link", "name", "container", "repository", "commit"),
    Container: _attributes("name", "dockerfile", "dockerhub"),
    Maintainer: _attributes("name", "hpc", "default_hpc", "job_pool_capacity", "from_user", "must_have"),
    JupyterHost: _attributes("host", "description"),
}


def _table(records: Iterable[object], title: str = "", columns: Sequence[str] = ()) -> Table:
    items = list(records)
    if not items:
        return Table((), (), title)
    shown = _columns(type(items[0]), columns)
    rows = tuple(tuple(_text(column(item)) for column in shown.values()) for item in items)
    return Table(tuple(shown), rows, title)


def _upright(record: object, columns: Sequence[str]) -> Table:
    shown = _columns(type(record), columns)
    return Table(("", type(record).__name__), tuple((name, _text(column(record))) for name, column in shown.items()))


def _columns(kind: type[object], wanted: Sequence[str]) -> _Columns:
    """The columns of such records. Raises UsageError for one that they do not have."""
    known = _COLUMNS.get(kind)
    if known is None and dataclasses.is_dataclass(kind):
        known = _attributes(*(item.name for item in dataclasses.fields(kind)))
    known = known or {kind.__name__: lambda record: record}
    for name in wanted:
        if name not in known:
            raise UsageError(f"there is no column {name!r}: {', '.join(known)}")
    return {name: known[name] for name in wanted or known}


def _usage(usage: SlurmUsage) -> Table:
    values = {
        "Nodes": usage.nodes,
        "Allocated CPUs": usage.cpus,
        "Total CPU time": usage.cpu_time,
        "Memory": _mebibytes(usage.memory_bytes),
        "Memory used": _mebibytes(usage.memory_usage_bytes),
        "Total wall time": usage.walltime,
    }
    return Table(("", "used"), tuple((name, _text(value)) for name, value in values.items()))


def _mebibytes(count: int | None) -> str | None:
    return None if count is None else f"{count / 1024**2:,.1f} MiB"


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case _ if is_object(value):
            return ", ".join(f"{key}={item}" for key, item in value.items())
        case _ if is_sequence(value):
            return ", ".join(str(item) for item in value)
        case _:
            return str(value)


def _is_several(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _cell_html(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")
