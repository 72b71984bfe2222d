"""The options that the examples on real data share: --quick, --seed, --out, and the numbers of each."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def arguments(description: str | None, argv: Sequence[str] | None, **numbers: tuple[int, int]) -> argparse.Namespace:
    """Each of `numbers` is an option with two defaults: that of a full run, and that of --quick, which ends within seconds."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="seconds instead of a full run: a taste of it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("output"), help="the folder for pictures")
    for name, (full, quick) in numbers.items():
        parser.add_argument(f"--{name}", type=int, help=f"default {full}, or {quick} with --quick")
    args = parser.parse_args(argv)
    for name, defaults in numbers.items():
        if getattr(args, name) is None:
            setattr(args, name, defaults[args.quick])
    return args
