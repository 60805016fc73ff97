"""Which schedule did better, by how much and how sure: arms of a folder against a baseline."""

from __future__ import annotations

from lrbench.report.comparison.values import Comparison

__all__ = ["Comparison"]
