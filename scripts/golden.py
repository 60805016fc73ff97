"""Write the digests of tests/golden down anew, and say what changed and what that means.

    python scripts/golden.py [--check]

With ``--check`` nothing is written, and the exit code is 1 if anything changed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # before this folder, which has a golden too

from golden.runs import FOLDER, INPUTS, PROFILES, differing, made  # noqa: E402

MEANINGS = {
    "data": "the samples are prepared otherwise: every older record is of other data",
    "split": "samples are held out otherwise: no run can be compared with an older one",
    "init": "runs begin with other weights: no older record can be repeated",
    "schedule": "the learning rates differ: no older record can be repeated",
    "first_batch": "batches are drawn or digested otherwise: no older record can be repeated",
    "batch_chain": "batches are drawn or digested otherwise: no older record can be repeated",
    "streams": "the scheme of seeds is another: it needs another name",
    "steps.csv": "updates or their logging differ: older records no longer verify",
    "restart_layers.csv": "restarts differ: older records no longer verify",
    "layers.csv": "per-layer figures differ: older records no longer verify",
    "evals.csv": "evaluations differ: older records no longer verify",
    "restarts.csv": "restarts differ: older records no longer verify",
    "curvature.csv": "figures of the curvature differ: older records no longer verify",
    "events": "triggers decide otherwise: older records no longer verify",
    "weights": "training ends elsewhere: older records no longer verify",
    "key": "another machine or torch: other bits are expected, the goldens move to this one",
}
"""By part of a path in the goldens, what a change there says to somebody with older records."""


def main() -> int:
    """Train, compare, write; 1 if anything changed and was only to be checked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    found = {profile: made(profile) for profile in PROFILES}
    inputs = [_part(one["runs"], "inputs") for one in found.values()]
    if any(one != inputs[0] for one in inputs):
        print("the inputs differ between profiles, which must not be: nothing is written")
        return 1
    wanted: dict[Path, Any] = {INPUTS: inputs[0]}
    for profile, one in found.items():
        runs = _part(one["runs"], "outcome")
        wanted[FOLDER / f"{profile}.json"] = {"key": one["key"], "runs": runs}
    changed = False
    for path, value in wanted.items():
        then = json.loads(path.read_text()) if path.exists() else {}
        places = [*differing(then, value)]
        # Of another machine everything differs, which says nothing.
        places = [place for place in places if place.startswith("key")] or places
        changed |= bool(places)
        for place in places:
            print(f"{path.name}: {place}{_meaning(place)}")
        if places and not asked.check:
            path.write_text(json.dumps(value, indent=1) + "\n")
    print("changed" if changed else "not one bit has changed")
    return int(changed and asked.check)


def _part(runs: dict[str, Any], part: str) -> dict[str, Any]:
    return {name: one[part] for name, one in runs.items()}


def _meaning(place: str) -> str:
    told = [meaning for part, meaning in MEANINGS.items() if part in place]
    return f": {told[0]}" if told else ""


if __name__ == "__main__":
    sys.exit(main())
