"""The lanes engine: many runs as one program, none of which depends on the others."""
