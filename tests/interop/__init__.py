"""The real pyCOMPS against the local service."""
