"""lrbench: learning-rate schedules and warm restarts as disciplined experiments."""

__version__ = "0.1.0"
