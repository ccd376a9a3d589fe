"""Figures: `python -m benchmarks` measures the client against the local service on this machine."""
