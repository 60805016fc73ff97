"""Datasets: from a name or a user's function to arrays, split, standardised, digested."""
