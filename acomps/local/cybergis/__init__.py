"""CyberGIS-Compute's v2 REST over the executors of this service."""
