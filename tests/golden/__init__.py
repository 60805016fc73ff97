"""Digests of small runs, and the runs."""
