"""The directory a run leaves: how it is written, and how it is read back exactly."""
