"""From DOT text to pictures: finding a Graphviz program and running it."""

from __future__ import annotations

import shutil
import sys
import sysconfig
import threading
from pathlib import Path

from graphviz import CalledProcessError, ExecutableNotFound
from graphviz.backend import dot_command, piping

_one_at_a_time = threading.Lock()
INSTALL = "install one with `pip install graphviz-pure` (svg, png) or `apt-get install graphviz` (pdf too)"


class DotNotFound(RuntimeError):
    """No Graphviz program is installed, or none that makes the format asked for."""


def find_dot() -> str | None:
    """The program to run: `dot` on PATH, else graphviz-pure (a static executable in a wheel) beside this Python, else that on PATH."""
    scripts = [Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))]
    return (
        shutil.which("dot")
        or next(filter(None, (shutil.which("graphviz-pure", path=str(s)) for s in scripts)), None)
        or shutil.which("graphviz-pure")
    )


def render(source: str, format: str) -> bytes:
    """DOT text as svg, png or pdf.

    Raises DotNotFound, saying what was looked for and what to install; RuntimeError with the program's own words if it fails.
    """
    program = find_dot()
    if program is None:
        raise DotNotFound(f"draw: {format} needs a Graphviz program, and neither `dot` nor `graphviz-pure` was found; {INSTALL}")
    if format == "pdf" and "graphviz-pure" in Path(program).name:
        raise DotNotFound(f"draw: pdf needs Graphviz' own `dot`, but only {program} was found, which makes svg and png; {INSTALL}")
    with _one_at_a_time:
        before, dot_command.DOT_BINARY = dot_command.DOT_BINARY, Path(program)
        try:
            return piping.pipe("dot", format, source.encode(), quiet=True)
        except ExecutableNotFound as error:
            raise DotNotFound(f"draw: {program} could not be started; {INSTALL}") from error
        except CalledProcessError as error:
            said = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else str(error.stderr)
            raise RuntimeError(f"draw: {program} failed to make {format}: {said.strip()[-500:]}") from error
        finally:
            dot_command.DOT_BINARY = before
