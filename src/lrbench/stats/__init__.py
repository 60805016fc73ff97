"""Arrays in, estimates out; numpy and scipy, no files."""
