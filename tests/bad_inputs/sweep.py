"""Axes and seeds that make no sweep."""

from __future__ import annotations

from bad_inputs.row import Row, Section, row, section

SMALL = "dataset=wine model=linear train.steps=20"


def seeds(typed: str, *told: str) -> Row:
    """Wrong seeds, each with the same remedy."""
    return row(f"sweep --seeds {typed}", "--seeds must ", *told, "--seeds 3,7,11")


SECTIONS: tuple[Section, ...] = (
    section(
        "Sweeps with a name",
        row(
            "sweep --preset noisy-digit",
            "--preset must be one of: noisy-digits, got 'noisy-digit'",
            "try   --preset noisy-digits",
        ),
        row("sweep --preset ''", "--preset must be one of: noisy-digits", "lrbench list presets"),
        row(
            "sweep --preset noisy-digits optimizer.lr=0.1,0.1",
            "optimizer.lr must not name a value twice",
        ),
        row("sweep --preset noisy-digits --seeds x", "--seeds must", "'x'"),
    ),
    section(
        "Axes",
        row("sweep --seeds 2 optimizer.lr=", "optimizer.lr must have a value"),
        row(
            "sweep --seeds 2 optimizer.lr=0.1,",
            "override 'optimizer.lr=0.1,' must have the form key=value",
        ),
        row(
            "sweep --seeds 2 'optimizer.lr=range(3,3)'",
            "must name the values of its axis",
            "(it has none)",
            "'range(3,3)'",
        ),
        row(
            "sweep --seeds 2 'optimizer.lr=range(1,3,0)'",
            "optimizer.lr must name the values of its axis one by one",
        ),
        row(
            "sweep --seeds 2 'optimizer.lr=range(0,1e9)'",
            "must name the values of its axis",
            "more than 10000",
        ),
        row(
            "sweep --seeds 2 'optimizer.lr=range(1,200)' seed=3 'train.batch_size=range(1,200)'",
            "at most 10000 arms",
        ),
        row(
            "sweep --seeds 2 'optimizer.lr=interval(0,1)'",
            "must name the values of its axis",
            "optimizer.lr=a,b,c",
        ),
        row(
            "sweep --seeds 2 optimizer.lr=0.1,0.1",
            "optimizer.lr must not name a value twice",
            "'0.1,0.1'",
        ),
        row(
            "sweep --seeds 2 optimizer.lr=1,1.0",
            "two come to the same run",
            "optimizer.lr=1 and",
            "lr=1.0",
        ),
        row("sweep --seeds 2 schedule.final_factor=0,0.0", "two come to the same run"),
        row("sweep --seeds 2 note=a,b", "two come to the same run", "note=a and", "note=b"),
        row("sweep --seeds 2 seed=1,2", "seed cannot be an override of a sweep", "--seeds 3,7,11"),
        row("sweep --seeds 2 seed=3", "seed cannot be an override of a sweep", "--seeds 3,7,11"),
        row(
            "sweep --seeds 2 optimizer.lr=0,-1",
            "greater than 0.0, got 0\n",
            "greater than 0.0, got -1\n",
            problems=2,
        ),
        row(
            "sweep --seeds 2 schedule=cosine,cosin",
            "schedule must be one of: ",
            "'cosin'",
            "schedule=cosine",
        ),
        row(
            "sweep --seeds 2 compute.device=cpu,cuda:77",
            "compute.device must be a device of this machine",
        ),
        row(
            "sweep --dry-run schedule.milestones=50,70 schedule=multistep",
            "must be a list such as",
            "got 50\n",
            "got 70\n",
            "[50]",
            problems=2,
        ),
        row(
            "sweep schedul=x optimizer.lrr=1,2",
            "schedul is not a setting",
            "optimizer.lrr is not a setting",
            problems=3,
        ),
    ),
    section(
        "Seeds of a sweep",
        seeds("''"),
        seeds("0", "got 0"),
        seeds("-1", "got '-1'"),
        seeds("1,1", "(1)", "'1,1'"),
        seeds("1,-2"),
        seeds("a", "got 'a'"),
        seeds("1.5"),
        seeds("1e9"),
        seeds("1000000", "got 1000000"),
        seeds("3,,4"),
        seeds(","),
        seeds("9" * 5000),
        seeds("½"),
        seeds("10..1"),
        seeds("[]"),
        seeds("1,9223372036854775808", "must be below 2**63"),
    ),
    section(
        "Workers",
        row("sweep --jobs 0", "--jobs must be at least 1, got '0'", "lrbench sweep --help"),
        row("sweep --jobs x", "--jobs must be a whole number, got 'x'"),
        row("sweep --jobs 100000", "--jobs must be at most 1024, got '100000'"),
    ),
)
