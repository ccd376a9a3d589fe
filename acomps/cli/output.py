"""Where a command writes: data on stdout, everything else on stderr; colours and bars only on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from acomps.cli.values import in_cell, in_json

if TYPE_CHECKING:
    from acomps.entities.record import Record

__all__ = ["Columns", "Format", "Out", "out"]

R = TypeVar("R")
E = TypeVar("E", bound="Record")

Format: TypeAlias = Literal["table", "json", "ids"]
#: What to show of a thing, by the heading.
Columns: TypeAlias = Mapping[str, Callable[[R], object]]

#: Wide enough that no row of a table is broken where nobody looks at it.
_ENDLESS: Final = 10_000
_SHOW_CURSOR: Final = "\x1b[?25h"


class Out:
    """The one way out of a command. NO_COLOR is respected, by rich.

    `format` is what `--format` says; `resume` is the command that goes on after a Ctrl-C, as far as there is one.
    """

    def __init__(self) -> None:
        self.format: Format = "table"
        self.resume = ""

    @cached_property
    def console(self) -> Console:
        """stderr, as rich sees it."""
        return Console(stderr=True, soft_wrap=True, highlight=False)

    @cached_property
    def page(self) -> Console:
        """stdout, as rich sees it."""
        return Console(highlight=False) if sys.stdout.isatty() else Console(width=_ENDLESS, highlight=False)

    @property
    def lively(self) -> bool:
        """Whether somebody sees stderr on a terminal that can redraw a line."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def data(self, line: str) -> None:
        """A line of what was asked for."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def text(self, text: str) -> None:
        """A piece of what was asked for, as it is."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def records(self, records: Sequence[E], columns: Columns[E]) -> None:
        """Things that a server keeps, in the format that was asked for; a table has the columns."""
        match self.format:
            case "ids":
                for record in records:
                    self.data(str(record.id))
            case "json":
                self.json(records)
            case "table":
                self.table(records, columns)

    def ids(self, ids: Iterable[object]) -> None:
        """What a command has changed, if ids were asked for: the words about it are on stderr."""
        if self.format != "table":
            for identity in ids:
                self.data(str(identity) if self.format == "ids" else json.dumps({"id": str(identity)}))

    def table(self, rows: Iterable[R], columns: Columns[R]) -> None:
        """A table; on a terminal its headings are bold and long cells are broken."""
        table = Table(box=None, header_style="bold", pad_edge=False, show_edge=False)
        for name in columns:
            table.add_column(name, overflow="fold", no_wrap=name == "id")
        for row in rows:
            table.add_row(*(Text(in_cell(read(row))) for read in columns.values()))
        self._print(table)

    def fields(self, fields: Mapping[str, object], *, ids: Sequence[object] = ()) -> None:
        """Names and values of one thing, in the format that was asked for; `ids` are what identifies it."""
        match self.format:
            case "ids":
                for identity in ids:
                    self.data(str(identity))
            case "json":
                self.json(fields)
            case "table":
                table = Table(box=None, show_header=False, pad_edge=False, show_edge=False)
                table.add_column(style="bold")
                table.add_column(overflow="fold")
                for name, value in fields.items():
                    table.add_row(Text(name.replace("_", " ")), Text(in_cell(value)))
                self._print(table)

    def json(self, value: object, indent: int = 2) -> None:
        """A JSON document."""
        self.data(json.dumps(in_json(value), indent=indent, ensure_ascii=False))

    def note(self, line: str) -> None:
        """A line about what is going on."""
        self.console.print(line, markup=False)

    def fail(self, sentence: str, next_step: str = "") -> None:
        """What went wrong, in one sentence, and what to do about it."""
        self.console.print(f"acomps: {sentence}", style="bold red" if self.lively else None, markup=False)
        if next_step:
            self.console.print(f"next: {next_step}", markup=False)

    def leave_screen(self) -> None:
        """Give the terminal back as it was, when nobody else will."""
        if self.lively:
            self.console.file.write(_SHOW_CURSOR)
            self.console.file.flush()

    def _print(self, table: Table) -> None:
        if self.page.is_terminal:
            self.page.print(table)
            return
        with self.page.capture() as captured:
            self.page.print(table)
        for line in captured.get().splitlines():
            self.data(line.rstrip())


out: Final = Out()
