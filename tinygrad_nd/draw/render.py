"""From DOT text to pictures: finding a Graphviz program and running it."""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
import threading
from pathlib import Path

_one_at_a_time = threading.Lock()
INSTALL = "install one with `pip install graphviz-pure` (svg, png) or `apt-get install graphviz` (pdf too)"


class DotNotFound(RuntimeError):
    """No Graphviz program is installed, or none that makes the format asked for."""


def find_dot() -> str | None:
    """The program to run: `dot` on PATH, else graphviz-pure (a static executable in a wheel) beside this Python, else that on PATH."""
    scripts = (str(Path(sys.executable).parent), sysconfig.get_path("scripts"))
    tries = [("dot", None), *(("graphviz-pure", folder) for folder in scripts), ("graphviz-pure", None)]
    return next(filter(None, (shutil.which(name, path=folder) for name, folder in tries)), None)


def render(source: str, format: str) -> bytes:
    """DOT text as svg, png or pdf.

    Raises DotNotFound, saying what was looked for and what to install; RuntimeError with the program's own words if it fails.
    """
    program = find_dot()
    if format == "pdf" and (program is None or "graphviz-pure" in Path(program).name):
        return _pdf_by_pygraphviz(source, program)
    if program is None:
        raise DotNotFound(f"draw: {format} needs a Graphviz program, and neither `dot` nor `graphviz-pure` was found; {INSTALL}")
    from graphviz import CalledProcessError, ExecutableNotFound  # only pictures need what it imports
    from graphviz.backend import dot_command, piping

    with _one_at_a_time:
        before, dot_command.DOT_BINARY = dot_command.DOT_BINARY, Path(program)
        try:
            picture: bytes = piping.pipe("dot", format, source.encode(), quiet=True)
            return picture
        except ExecutableNotFound as error:
            raise DotNotFound(f"draw: {program} could not be started; {INSTALL}") from error
        except CalledProcessError as error:
            said = error.stderr.decode(errors="replace") if error.stderr else str(error)
            raise RuntimeError(f"draw: {program} failed to make {format}: {said.strip()[-500:]}") from error
        finally:
            dot_command.DOT_BINARY = before


def slim(svg: str) -> str:
    """The svg element alone, at two thirds of its size: what is said on every text is said once, and shapes are not drawn twice.

    The titles of boxes come last, with a rim of the box's colour: arrows pass behind them.
    """
    svg = re.sub(r"<!--.*?-->\n| font-family=\"[^\"]*\"| xml:space=\"preserve\"", "", svg[svg.index("<svg") :])
    svg = re.sub(
        r'<(path|polygon) fill="([^"]*)" stroke="none" (\w+="[^"]*")/>\n<\1 fill="none" (.*?) ?\3/>', r'<\1 fill="\2" \4 \3/>', svg
    )
    svg, titles = _without_titles(svg)
    end = svg.rindex("</g>")
    svg = svg[:end] + titles + svg[end:]
    return svg.replace("<svg ", '<svg font-family="Helvetica,Arial,sans-serif" ', 1)


def _pdf_by_pygraphviz(source: str, program: str | None) -> bytes:
    """graphviz-pure makes no pdf; pygraphviz' wheels hold a Graphviz that does."""
    try:
        import pygraphviz
    except ImportError:
        found = f"only {program}, which makes svg and png, was found" if program else "neither `dot` nor `graphviz-pure` was found"
        raise DotNotFound(f"draw: pdf needs Graphviz' own `dot` or pygraphviz, and {found}; {INSTALL}") from None
    picture: bytes = pygraphviz.AGraph(string=source).draw(format="pdf", prog="dot")
    return picture


def _without_titles(svg: str) -> tuple[str, str]:
    """The picture without the titles of its boxes, and these with their rims."""
    titles: list[str] = []

    def cut(box: re.Match[str]) -> str:
        inside, title = box[1], box[3]
        wide = f' fill="{box[2]}" stroke="{box[2]}" stroke-width="4" stroke-linejoin="round" aria-hidden="true"'
        rim = re.sub(r' fill="[^"]*"', wide, title)
        titles.append(rim + title)
        return inside

    box = r'(<g id="clust\d+" class="cluster">\n(?:(?!<text|</g>).*\n)*?<(?:path|polygon) fill="([^"]*)".*\n)(<text .*</text>\n)'
    return re.sub(box, cut, svg), "".join(titles)
