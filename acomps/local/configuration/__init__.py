"""The configuration file of the service: one TOML file with the service, its environments, groups and users."""

from acomps.local.configuration.reading import CONFIGURATION_FILE, Given, configured

__all__ = ["CONFIGURATION_FILE", "Given", "configured"]
