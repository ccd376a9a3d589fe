"""pyCOMPS as its users import it; here it has no types, as its interpreter is not the one that is checked."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Generator
from typing import Any

import_module = importlib.import_module

Client: Any = import_module("COMPS").Client
AuthManager: Any = import_module("COMPS").AuthManager
data: Any = import_module("COMPS.Data")
prompts: Any = import_module("COMPS.CredentialPrompt")
BuilderWorkItem: Any = import_module("COMPS.Data.WorkItems.BuilderWorkItem").BuilderWorkItem
# The package's attributes of these names are classes: the modules behind them are found here only.
simulations: Any = sys.modules["COMPS.Data.Simulation"]
work_items: Any = sys.modules["COMPS.Data.WorkItem"]
jobs: Any = sys.modules["COMPS.Data.HpcJob"]
tagging: Any = sys.modules["COMPS.Data.TaggableEntity"]
assets: Any = sys.modules["COMPS.Data.AssetManager"]
base: Any = sys.modules["COMPS.Data.BaseEntity"]
serializing: Any = sys.modules["COMPS.Data.SerializableEntity"]


@contextlib.contextmanager
def variable(name: str, value: str) -> Generator[None]:
    """An environment variable that is set for a while; nothing is set when the value is empty."""
    if value:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)


class Prompt(prompts.CredentialPrompt):  # type: ignore[misc] # mypy: a class of another interpreter
    """Answers with what it was given, one pair after the other; then nobody is there to answer."""

    def __init__(self, *given: tuple[str, str]) -> None:
        self.left = [*given]
        self.asked = 0

    def prompt(self) -> dict[str, str] | None:
        """The next user name and password."""
        self.asked += 1
        if not self.left:
            return None
        username, password = self.left.pop(0)
        return {"Username": username, "Password": password}
