"""What a service has answered since it started: counted where the bytes pass, for whoever measures it."""

from __future__ import annotations

from uvicorn.server import ServerState

__all__ = ["Traffic"]


class Traffic(ServerState):
    """The state that all connections of a server share, and their counts; heads are counted as well as bodies."""

    def __init__(self) -> None:
        super().__init__()
        self.connections_made = 0
        self.received_bytes = 0
        self.sent_bytes = 0

    def document(self) -> dict[str, int]:
        """The counts until now, in the spelling of the wire."""
        return {
            "Connections": self.connections_made,
            "Requests": self.total_requests,
            "Received": self.received_bytes,
            "Sent": self.sent_bytes,
        }
