"""How COMPS spells things: tables, dates, JSON to records and back, multipart bodies, query parameters."""

__all__: list[str] = []
