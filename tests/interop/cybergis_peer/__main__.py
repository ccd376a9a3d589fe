"""Acts out scenarios with the real client: one JSON line in, one out. What the client prints is part of the answer."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback

from interop.cybergis_peer.scenarios import SCENARIOS


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    # The client runs the shell's `clear`, which writes to whatever stands at 1.
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                found = {"found": SCENARIOS[asked["scenario"]](**asked["arguments"])}
        except Exception as exc:
            traceback.print_exc()
            found = {"error": str(exc)}
        answers.write(json.dumps({**found, "said": said.getvalue()}) + "\n")
        answers.flush()


main()
