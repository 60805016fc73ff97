"""The version of what is written; apart, because who only reads records needs no spec."""

from __future__ import annotations

from typing import Final

FORMAT_VERSION: Final = 1
"""Of the specification and the record. Records of older formats stay readable."""
