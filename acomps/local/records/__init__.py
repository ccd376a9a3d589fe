"""What the service keeps in its database: tables, queries, and how requests become rows and rows answers."""

__all__: list[str] = []
