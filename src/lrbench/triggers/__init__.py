"""When to restart: state machines that watch a run."""
