"""The real cybergis-compute-client 0.2.6, in a process and an interpreter of its own."""
