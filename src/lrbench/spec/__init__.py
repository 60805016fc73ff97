"""What a run is, as frozen values: everything that decides the numbers and nothing else."""
