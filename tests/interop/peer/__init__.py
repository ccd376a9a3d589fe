"""What pyCOMPS does when a test asks. It runs in an interpreter that has pyCOMPS, and imports nothing of acomps."""
