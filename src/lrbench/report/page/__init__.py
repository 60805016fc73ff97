"""Pages of one file that work without a network: frame, style, script, what draws the charts."""
