"""An httpx transport made for many small requests at once and for large bodies: HTTP/1.1 on asyncio's protocols."""

from acomps.transport.lean.transport import LeanTransport

__all__ = ["LeanTransport"]
