"""Charts: one look for all of them, a module for each kind of picture, one way to save."""
