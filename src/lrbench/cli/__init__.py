"""The command line: parse, call one workflow, print, exit code. Only home of typer and rich."""
