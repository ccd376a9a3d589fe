"""The peer's process: commands come as lines of JSON, answers go as lines of JSON."""

from __future__ import annotations

import importlib
import json
import os
import sys

MODULES = ("accounts", "collections", "entities", "files", "outputs", "queries", "saving", "workitems")


def main() -> None:
    """Serve until the input ends."""
    # pyCOMPS writes to the standard output whatever it does; the answers have a channel of their own.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for module in MODULES:
        importlib.import_module(f"interop.peer.{module}")
    scenarios = importlib.import_module("interop.peer.scenario")
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"found": scenarios.run(command["scenario"], command["arguments"])}
        except Exception as exc:
            answer = {"error": type(exc).__name__, "text": str(exc)}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
