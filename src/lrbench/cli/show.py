"""``lrbench show``: the composed configuration and where its values come from."""

from __future__ import annotations

from lrbench.cli.console import put, put_json
from lrbench.cli.options import ConfigDir, Json, Overrides


def show(overrides: Overrides = None, config_dir: ConfigDir = None, json: Json = False) -> None:
    """Print the composed configuration, with the origin of each changed value."""
    from lrbench.workflows.show import show as show_workflow

    shown = show_workflow(overrides or [], config_dir=config_dir)
    if json:
        put_json(
            {
                "config": shown.values,
                "origins": shown.origins,
                "run_id": shown.run_id,
                "spec": shown.spec,
                "remarks": list(shown.remarks),
            }
        )
        return
    width = max((len(line) for line, _ in shown.lines), default=0)
    for line, origin in shown.lines:
        put(f"{line:<{min(width, 44)}}  # {origin}" if origin else line)
    for remark in shown.remarks:
        put(f"# {remark}")
    put(f"# run {shown.run_id}")
