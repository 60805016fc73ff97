"""Finished runs in one file: what goes in, how it is written, and how it is read safely."""
