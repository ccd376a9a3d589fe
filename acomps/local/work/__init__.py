"""Running simulations: from commissioned to ended, one recorded step after the other."""

__all__: list[str] = []
