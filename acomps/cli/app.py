"""The commands, and what happens around each of them: reading the line, Ctrl-C, errors, the exit code."""

import inspect
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib.metadata import version
from types import FrameType
from typing import Final

import anyio
from cyclopts import App, CycloptsError

from acomps.cli.exits import Exit, first_cause, verdict
from acomps.cli.output import out

__all__ = ["app", "run"]

DEBUG_FLAG: Final = "--debug"

app: Final = App(
    name="acomps",
    version=lambda: version("acomps"),
    help_format="plaintext",
    help="""Submit sweeps of simulations to a gateway, follow them, and harvest their outputs.

    Data goes to stdout, everything else to stderr. Every command takes --debug, which shows the traceback of an error.
    Exit codes: 0 done, 1 simulations failed, 2 usage, 3 no connection, 4 login, 5 not found, 130 interrupted.
    """,
)

#: Every command by its group: its names, where it is, and its line in the list. A module is imported when it is needed.
COMMANDS: Final = {
    "Begin": (
        ("demo", "demo:demo", "Run 200 simulations of a small epidemic model on this machine, and draw them."),
        ("cybergis", "cybergis:app", "Run a job of CyberGIS-Compute on this machine."),
        ("serve", "serve:serve", "Run the local service: a COMPS-compatible server on this machine."),
        ("serve-user", "serve_user:app", "Add, list and remove the users of the local service."),
        ("login", "login:login", "Log in to a server, and work with it from now on."),
        ("logout", "login:logout", "Forget the login."),
        ("whoami", "login:whoami", "Who is logged in where, and for how long."),
    ),
    "Simulations": (
        ("submit", "sweeps:submit", "Submit a sweep that is described in a TOML file."),
        ("campaign", "campaigns:app", "Run stages of simulations to their end, whatever interrupts them."),
        ("watch", "watching:watch", "Follow simulations or a work item until they have come to their end."),
        ("get_status status", "watching:get_status", "Get the status of a simulation, experiment, or work item."),
        ("commission", "lifecycle:commission", "Have created simulations run."),
        ("cancel", "lifecycle:cancel", "Stop what runs or waits to run."),
        ("delete", "lifecycle:delete", "Delete things with all that is below them."),
        ("tag", "tags:tag", "Add, change and remove tags."),
        ("clone_simulation clonesim", "clones:clone_simulation", "Clone an existing simulation."),
        (
            "rerun_failed_simulations_for_experiment rerunsims",
            "clones:rerun_failed_simulations_for_experiment",
            "Rerun failed simulations of an experiment.",
        ),
    ),
    "Look": (
        ("list ls", "listing:list_", "List suites, experiments, simulations, work items or asset collections."),
        ("show", "listing:show", "Show one thing, whatever kind it is."),
        ("get_user_info getuser", "login:get_user_info", "Get information about a user."),
        ("run-info", "runinfo:run_info", "Versions, server and settings, for a report of a problem."),
    ),
    "Files": (
        ("harvest", "harvests:harvest", "Fetch outputs of many simulations, as files or as one table."),
        ("chart", "charts:chart", "Draw a channel of the simulations of an experiment."),
        ("get_output_tail tail", "tails:get_output_tail", "Get the end of the output of a simulation or work item."),
        (
            "get_output_files_for_experiment getexpout",
            "namedfiles:get_output_files_for_experiment",
            "Download output files from each simulation in an experiment.",
        ),
        (
            "get_output_files_for_workitem getwiout",
            "namedfiles:get_output_files_for_workitem",
            "Download output files from a work item.",
        ),
        (
            "create_asset_collection createac",
            "assets:create_asset_collection",
            "Create an asset collection from a local directory.",
        ),
        ("upload", "assets:upload", "Bring files to the server, to be referred to by their md5."),
    ),
    "Shell": (("completion", "completion:completion", "Have the shell complete commands and options."),),
}
for group, commands in COMMANDS.items():
    for names, place, line in commands:
        app.command(f"acomps.cli.{place}", name=tuple(names.split()), help=line, group=group)


def run(tokens: Sequence[str]) -> int:
    """Run one command line; returns the exit code."""
    debug = DEBUG_FLAG in tokens
    signal.signal(signal.SIGTERM, _like_ctrl_c)
    words = [token for token in tokens if token != DEBUG_FLAG]
    if words and words[0] in app and app[words[0]].default_command is not None:
        # The line in the list of all commands is not all there is to say about this one.
        app[words[0]].help = None
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


async def _interruptible(command: Callable[[], Awaitable[object]]) -> object:
    """The command, of which the first Ctrl-C stops everything in good order, and the second leaves at once."""
    stop = signal.getsignal(signal.SIGINT)
    asked = False

    def on_ctrl_c(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            out.leave_screen()
            os._exit(Exit.INTERRUPTED)
        asked = True
        if callable(stop):
            stop(number, frame)

    if callable(stop):
        signal.signal(signal.SIGINT, on_ctrl_c)
    return await command()


def _guarded(command: Callable[[], object], *, debug: bool) -> int:
    """The exit code of a command; its error, if it has one, becomes a sentence."""
    try:
        result = anyio.run(_interruptible, command) if inspect.iscoroutinefunction(command) else command()
    except BrokenPipeError:
        # Whoever reads our data has seen enough, as `head` has; nothing must be written when the program ends either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except BaseException as error:
        cause = first_cause(error)
        found = verdict(cause)
        if found is None:
            raise
        if debug:
            traceback.print_exception(error)
        interrupted = isinstance(cause, KeyboardInterrupt)
        sentence = "interrupted" if interrupted else str(cause)
        out.fail(sentence or type(cause).__name__, (interrupted and out.resume) or found.next_step)
        return found.code
    return result if isinstance(result, int) else Exit.DONE
