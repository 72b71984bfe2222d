"""Drawing: a graph that can be looked at, in a notebook, a terminal or a file."""

from __future__ import annotations

import html
import json
import os
from pathlib import Path
from typing import Any

from . import text
from .dot import to_dot
from .graph import Graph, as_dict
from .render import DotNotFound, render

SUFFIXES = (".gv", ".dot", ".svg", ".png", ".pdf", ".html", ".json")

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 0; font: 15px/1.5 system-ui, Helvetica, Arial, sans-serif; color: #14181d; background: #fff; }}
header {{ padding: 1rem 1.5rem .5rem; border-bottom: 1px solid #e3e6ea; }}
h1 {{ margin: 0; font-size: 1.15rem; }}
p {{ margin: .1rem 0; color: #4b5563; }}
figure {{ margin: 1rem; overflow-x: auto; text-align: center; }}
figure svg {{ max-width: 100%; height: auto; }}
details {{ margin: 1rem 1.5rem 2rem; }}
pre {{ overflow-x: auto; font: 12px/1.45 ui-monospace, Menlo, Consolas, monospace; }}
</style>
</head>
<body>
<header><h1>{title}</h1><p>{summary}</p></header>
<figure>{svg}</figure>
<details><summary>As text</summary><pre>{listing}</pre></details>
</body>
</html>
"""


class Drawing:
    """A picture of a graph. It holds plain values only: the graph it was drawn from is neither kept alive nor changed.

    `.dot` is DOT source; `.svg()`, `.png()`, `.pdf()` need a Graphviz program; `print(drawing)` lists the graph as text.
    Set `.legend = False` to leave out the legend.
    """

    def __init__(self, graph: Graph, rankdir: str = "TB") -> None:
        self.graph = graph
        self.rankdir = rankdir
        self.legend = True

    @property
    def dot(self) -> str:
        """DOT source text."""
        return to_dot(self.graph, self.rankdir, self.legend)

    def svg(self) -> str:
        """The picture as an SVG element, ready to stand in a page."""
        whole = render(self.dot, "svg").decode()
        return whole[whole.index("<svg") :].replace('font-family="Helvetica,sans-Serif"', 'font-family="Helvetica,Arial,sans-serif"')

    def png(self) -> bytes:
        """The picture as a PNG file's bytes, at twice the resolution of a plain screen."""
        return render(to_dot(self.graph, self.rankdir, self.legend, dpi=144), "png")

    def pdf(self) -> bytes:
        """The picture as a PDF file's bytes."""
        return render(self.dot, "pdf")

    def html(self) -> str:
        """A page that needs nothing else: the picture, and the same graph as text."""
        outputs = [v.name or v.title for v in self.graph.vertices if v.output]
        title = html.escape(f"Graph of {', '.join(outputs)}")
        return _PAGE.format(
            title=title, summary=html.escape(text.summary(self.graph)), svg=self.svg(), listing=html.escape(text.listing(self.graph))
        )

    def json(self) -> dict[str, Any]:
        """Everything in the picture as plain dicts and lists: nodes, edges, scopes."""
        return as_dict(self.graph)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the file that the suffix of `path` names: .gv .dot .svg .png .pdf .html .json. Returns its path.

        Raises ValueError for another suffix; DotNotFound where a Graphviz program is needed and missing, after writing the .gv beside it.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ValueError(f"save: {path.name!r} ends in {suffix or 'no suffix'}; use one of {' '.join(SUFFIXES)}")
        try:
            data = self._as(suffix)
        except DotNotFound as error:
            source = path.with_suffix(".gv")
            if source.exists() and not source.read_text(encoding="utf-8", errors="replace").startswith("digraph"):
                source = path.with_name(path.name + ".gv")  # somebody else's file stands there
            source.write_text(self.dot, encoding="utf-8")
            raise DotNotFound(f"{error}. The DOT source was written to {source}") from None
        path.write_bytes(data)
        return path

    def _as(self, suffix: str) -> bytes:
        if suffix in (".gv", ".dot"):
            return self.dot.encode()
        if suffix == ".json":
            return json.dumps(self.json(), indent=1, allow_nan=False).encode()
        if suffix == ".svg":
            return self.svg().encode()
        if suffix == ".html":
            return self.html().encode()
        return self.png() if suffix == ".png" else self.pdf()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        try:
            return {"image/svg+xml": self.svg(), "text/plain": repr(self)}
        except DotNotFound as error:
            return {"text/plain": f"{self}\n\n{error}"}

    def _repr_svg_(self) -> str | None:
        return self._repr_mimebundle_().get("image/svg+xml")

    def __repr__(self) -> str:
        return f"<Drawing of {text.summary(self.graph)}>"

    def __str__(self) -> str:
        return text.listing(self.graph)
