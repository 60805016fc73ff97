"""The verbs as functions: what a command does, without the command line."""
