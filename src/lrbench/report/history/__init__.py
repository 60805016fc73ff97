"""The central record: every trial, found, filtered, sorted and told."""
