"""`acomps completion`: commands and options that the shell completes."""

from typing import Annotated, Literal

from cyclopts import Parameter

from acomps.cli.output import out

__all__ = ["completion"]


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish", "powershell"], Parameter(help="Whose script.")],
    /,
    *,
    install: Annotated[bool, Parameter(negative="", help="Put it where the shell looks for it.")] = False,
) -> None:
    """Print the script with which a shell completes commands and options, or install it.

    Example: acomps completion bash
    """
    from acomps.cli.app import app

    if install:
        out.note(f"Installed to {app.install_completion(shell=shell)}; it works in new shells.")
    else:
        out.text(app.generate_completion(prog_name="acomps", shell=shell))
