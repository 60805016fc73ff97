"""The sections of a report, each made from the same values as the tables beside it."""
