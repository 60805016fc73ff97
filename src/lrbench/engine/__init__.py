"""Training: what turns a plan into numbers. Knows torch; knows no files, no config, no printing."""
