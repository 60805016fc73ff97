"""The picture in the README: what a command prints, as SVG.

python scripts/picture.py docs/demo.svg lrbench summarize results/demo
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 92


def main() -> None:
    """Run the command in a terminal of ``WIDTH`` columns, and draw what it says."""
    target, *command = sys.argv[1:]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": str(WIDTH)},
    )
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text(f"$ {' '.join(command)}", style="bold"))
    console.print(Text(done.stdout.rstrip("\n")))
    svg = console.export_svg(title="lrbench", unique_id="lrbench")
    # The page must not fetch a font from anywhere: the viewer's own monospace will do.
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    Path(target).write_text(svg.replace("Fira Code", "ui-monospace"))


if __name__ == "__main__":
    main()
