"""The commands, and what happens around each of them: reading the line, Ctrl-C, errors, the exit code."""

import inspect
import signal
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from types import FrameType

import anyio
from cyclopts import App, CycloptsError

from acomps.cli.demo import demo
from acomps.cli.exits import Exit, first_cause, verdict
from acomps.cli.output import out
from acomps.cli.serve import serve

__all__ = ["app", "run"]

DEBUG_FLAG = "--debug"

app = App(
    name="acomps",
    version=lambda: version("acomps"),
    help="""Submit sweeps of simulations to a gateway, follow them, and harvest their outputs.

    Every command takes --debug, which shows the traceback of an error. Exit codes: 0 done, 1 simulations failed,
    2 usage, 3 no connection, 4 login, 5 not found, 130 interrupted.
    """,
)
app.command(demo)
app.command(serve)


def run(tokens: Sequence[str]) -> int:
    """Run one command line; returns the exit code."""
    debug = DEBUG_FLAG in tokens
    signal.signal(signal.SIGTERM, _like_ctrl_c)
    words = [token for token in tokens if token != DEBUG_FLAG]
    try:
        command, given, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        out.fail(str(error), f"acomps {words[0]} --help" if words and words[0] in app else "acomps --help")
        return Exit.USAGE
    return _guarded(partial(command, *given.args, **given.kwargs), debug=debug)


def _like_ctrl_c(_number: int, frame: FrameType | None) -> None:
    """Being asked to end is like Ctrl-C: what was begun is cleared away. Ctrl-C itself may be switched off (nohup)."""
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    if not callable(on_ctrl_c):
        raise KeyboardInterrupt
    on_ctrl_c(signal.SIGINT, frame)


def _guarded(command: Callable[[], object], *, debug: bool) -> int:
    """The exit code of a command; its error, if it has one, becomes a sentence."""
    try:
        result = anyio.run(command) if inspect.iscoroutinefunction(command) else command()
    except BaseException as error:
        cause = first_cause(error)
        found = verdict(cause)
        if found is None:
            raise
        if debug:
            traceback.print_exception(error)
        sentence = "interrupted" if isinstance(cause, KeyboardInterrupt) else str(cause)
        out.fail(sentence or type(cause).__name__, found.next_step)
        return found.code
    return result if isinstance(result, int) else Exit.DONE
