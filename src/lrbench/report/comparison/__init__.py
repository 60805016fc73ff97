"""Arms held against each other over seeds: gathered, judged, told."""
