"""Where a command writes: data on stdout, everything else on stderr; colours and bars only on a terminal."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import Final

from rich.console import Console

__all__ = ["Out", "out"]


class Out:
    """The one way out of a command. NO_COLOR is respected, by rich."""

    @cached_property
    def console(self) -> Console:
        """stderr, as rich sees it."""
        return Console(stderr=True, soft_wrap=True, highlight=False)

    @property
    def lively(self) -> bool:
        """Whether somebody sees stderr on a terminal that can redraw a line."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def data(self, line: str) -> None:
        """A line of what was asked for."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def note(self, line: str) -> None:
        """A line about what is going on."""
        self.console.print(line, markup=False)

    def fail(self, sentence: str, next_step: str = "") -> None:
        """What went wrong, in one sentence, and what to do about it."""
        self.console.print(f"acomps: {sentence}", style="bold red" if self.lively else None, markup=False)
        if next_step:
            self.console.print(f"next: {next_step}", markup=False)


out: Final = Out()
