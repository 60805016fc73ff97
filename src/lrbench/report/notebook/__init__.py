"""The lab notebook: what was tried, in the order it was, from the records alone."""
