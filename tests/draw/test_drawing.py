"""What comes out: DOT text, files, pictures, and what happens where no Graphviz is installed."""

import json
import re
import threading
import xml.dom.minidom

import numpy as np
import pytest
from graphviz.backend import dot_command

import tinygrad_nd as nd
from tinygrad_nd.draw import DotNotFound, render

needs_dot = pytest.mark.skipif(render.find_dot() is None, reason="no Graphviz program is installed")


def small(name: str | None = None) -> nd.Tensor:
    with nd.scope("layer"):
        y = nd.exp(nd.tensor([1.0, 2.0], requires_grad=True, name=name))
    return y.sum()


def test_strange_names_are_escaped():
    names = 'a"b', "<b>&amp;", "two\nlines", "back\\slash \\N \\", "é 中 🙂", "\x01 \ud800", "x" * 500, "]>;"
    for name in names:
        drawing = nd.draw(small(name))
        drawing.dot.encode()
        if render.find_dot():
            xml.dom.minidom.parseString(drawing.svg().encode())


@needs_dot
@pytest.mark.parametrize("scope", ["/", "a//b", "/a/", " ", "\n", '<b>"x"</b>', "\\N", "]]>-->", "%0", "x" * 300, "a" + "/b" * 40])
def test_strange_scopes_are_drawn_and_told(scope):
    with nd.scope(scope):
        y = nd.exp(nd.tensor([1.0], requires_grad=True))
    for depth in (None, 0):
        drawing = nd.draw(y, depth=depth)
        xml.dom.minidom.parseString(drawing.svg())
        assert len(drawing.summary().splitlines()) <= 46 and "�" not in drawing.summary()


@needs_dot
@pytest.mark.parametrize("options", [{"max_nodes": 1}, {"stats": True, "grads": True, "cost": True, "source": True}])
@pytest.mark.parametrize("value", [1.0, [[]], [1j], np.float16(2)])
def test_leaves_constants_and_little_things_are_drawn(value, options):
    x = nd.tensor(value, requires_grad=np.asarray(value).size > 0)
    for y in (x, nd.exp(x), nd.abs(nd.tensor(value))):
        drawing = nd.draw(y, **options)
        xml.dom.minidom.parseString(drawing.svg())
        assert json.dumps(drawing.json(), allow_nan=False) and str(drawing)


@needs_dot
def test_a_backslash_is_drawn_as_one():
    assert "back\\Nslash" in nd.draw(small("back\\Nslash")).svg()


@needs_dot
@pytest.mark.parametrize("rankdir", ["TB", "LR", "BT", "RL"])
def test_every_direction_renders(rankdir):
    a = nd.tensor(np.ones((2, 2)), requires_grad=True)
    with nd.scope("layer"):
        y = (a @ (a - 2 * a)) / a
    assert nd.draw(y, rankdir=rankdir).svg().startswith("<svg")
    assert nd.draw(y, depth=0, rankdir=rankdir, max_nodes=2).svg().count("<svg") == 1


@needs_dot
def test_pictures_hold_operations_shapes_and_dtypes():
    svg = nd.draw(small("x"), grads=True, stats=True, cost=True).svg()
    for word in ("exp", "(2,)", "float64", "layer", "±", "flop"):
        assert word in svg
    assert nd.draw(small()).png().startswith(b"\x89PNG")


@needs_dot
def test_save_goes_by_suffix(tmp_path):
    drawing = nd.draw(small("x"))
    starts = {".gv": b"digraph", ".dot": b"digraph", ".svg": b"<svg", ".png": b"\x89PNG", ".html": b"<!DOCTYPE html>", ".json": b"{"}
    for suffix, start in starts.items():
        path = drawing.save(tmp_path / f"graph{suffix}")
        assert path.read_bytes().startswith(start)
    page = (tmp_path / "graph.html").read_text()
    assert "http:" not in page.replace("http://www.w3.org", "") and "https:" not in page
    assert "<svg" in page and "exp(%0)" in page


def test_json_is_complete_and_standard():
    x = nd.tensor([1.0, np.inf], requires_grad=True)
    x.grad = np.array([np.nan, 1.0])
    drawing = nd.draw(nd.exp(x))
    facts = json.loads(json.dumps(drawing.json(), allow_nan=False))
    assert [n["title"] for n in facts["nodes"]] == ["leaf", "exp"]
    assert facts["edges"] == [{"tail": 0, "head": 1, "slot": None, "label": ""}]
    assert facts["scopes"] == []
    facts = json.loads(json.dumps(nd.draw(nd.exp(x), grads=True, stats=True).json(), allow_nan=False))
    assert facts["edges"][0]["value"] == {"mean": 1.0, "std": 0.0, "low": 1.0, "high": 1.0, "zeros": 0.0, "bad": 1}
    assert facts["edges"][0]["grad"] == {"norm": "inf", "bad": 1, "zeros": 0.0}


def test_an_unknown_suffix_lists_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match=r"'graph.bmp'.*\.gv \.dot \.svg \.png \.pdf \.html \.json"):
        nd.draw(small()).save(tmp_path / "graph.bmp")
    with pytest.raises(TypeError, match="save: takes a path, such as 'graph.svg', but got a int"):
        nd.draw(small()).save(3)
    with pytest.raises(ValueError, match="no suffix"):
        nd.draw(small()).save(tmp_path / "graph")


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_without_dot_the_source_is_written_and_the_way_out_told(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(render, "find_dot", lambda: None)
    drawing = nd.draw(small())
    with pytest.raises(DotNotFound, match="`dot` nor `graphviz-pure`.*pip install graphviz-pure.*apt-get install graphviz") as caught:
        drawing.save(tmp_path / f"graph{suffix}")
    assert str(tmp_path / "graph.gv") in str(caught.value)
    assert (tmp_path / "graph.gv").read_text() == drawing.dot
    assert not (tmp_path / f"graph{suffix}").exists()
    drawing.save(tmp_path / "again.gv")


def test_without_dot_a_notebook_shows_text(monkeypatch):
    drawing = nd.draw(small())
    monkeypatch.setattr(render, "find_dot", lambda: None)
    assert "exp" in drawing._repr_mimebundle_()["text/plain"]
    assert drawing._repr_svg_() is None


@needs_dot
def test_with_dot_a_notebook_shows_the_picture():
    bundle = nd.draw(small())._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg")


@needs_dot
def test_the_steps_of_a_loop_stand_one_below_the_other():
    w, h = nd.Parameter(np.eye(2)), nd.ones((1, 2))
    for t in range(12):
        with nd.scope(f"step{t}"):
            h = nd.tanh(h @ w)
    heights = [float(y) for y in re.findall(r'y="([-.\d]+)"[^>]*>tanh<', nd.draw(h).svg())]
    assert len(heights) == 12 and all(np.diff(heights) > 0)


@needs_dot
def test_what_skips_a_block_stands_above_it():
    x = nd.ones(3, requires_grad=True, name="skipped")
    with nd.scope("block"):
        with nd.scope("inner"):
            h = nd.exp(x)
        y = x + nd.sin(nd.tanh(h))
    svg = nd.draw(y, depth=1).svg()
    heights = [float(re.search(rf'y="([-.\d]+)"[^>]*>{name}<', svg)[1]) for name in ("skipped", "inner", "tanh", "sin", "add")]
    assert all(np.diff(heights) > 0)


@needs_dot
def test_no_arrow_crosses_the_title_of_a_box():
    x, w = (nd.tensor([1.0, 2.0], requires_grad=True, name=name) for name in "xw")
    with nd.scope("passed <&> through"):
        y = nd.exp(x)
    with nd.scope("ends"):
        y = y * w
    with nd.scope("inner"), nd.scope("two"):
        y = y.sum() + w.sum()
    drawing = nd.draw(y)
    boxes = dict(re.findall(r"label=<<B>(.*?)</B>>; labelloc=(.)", drawing.dot))
    assert boxes == {"passed &lt;&amp;&gt; through": "t", "ends": "b", "inner": "b", "two": "b"}, "where fewer arrows are"
    assert "labelloc=b; labeljust" not in nd.draw(y, rankdir="LR").dot
    svg = drawing.svg()
    xml.dom.minidom.parseString(svg)
    last_arrow = svg.rindex('class="edge"')
    for title in boxes:
        rim, text = (m.start() for m in re.finditer(f">{re.escape(title)}</text>", svg))
        assert last_arrow < rim < text, f"{title}: on top of the arrows, on a rim"


def test_pdf_without_a_program_that_makes_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(render, "find_dot", lambda: "/somewhere/graphviz-pure")
    monkeypatch.setitem(__import__("sys").modules, "pygraphviz", None)
    with pytest.raises(DotNotFound, match="pdf needs.*pygraphviz.*apt-get install graphviz"):
        nd.draw(small()).save(tmp_path / "graph.pdf")
    assert (tmp_path / "graph.gv").exists()


@needs_dot
def test_rendering_is_safe_in_threads_and_restores_the_users_setting():
    before = dot_command.DOT_BINARY
    drawing = nd.draw(small())
    pictures: list[str] = []
    threads = [threading.Thread(target=lambda: pictures.append(drawing.svg())) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(pictures) == 4 and len(set(pictures)) == 1
    assert dot_command.DOT_BINARY == before


@needs_dot
def test_a_failing_program_is_quoted():
    with pytest.raises(RuntimeError, match="failed to make svg: .*syntax error"):
        render.render("digraph {", "svg")


def test_text_is_readable():
    drawing = nd.draw(small("x"))
    assert repr(drawing) == "<Drawing of 2 operations, 1 leaf, 1 output>"
    assert str(drawing).splitlines() == [
        "2 operations, 1 leaf, 1 output",
        "               result  dtype    flop  memory",
        "layer          (2,)    float64     2    32 B",
        "  %0 x [leaf]  (2,)    float64          16 B",
        "  %1 exp(%0)   (2,)    float64     2    16 B",
        "%2 sum(%1)     ()      float64     2     8 B  axis 0, output",
        "total                              4    40 B",
    ]
    assert drawing.summary() == str(drawing)


def test_the_legend_can_be_left_out():
    drawing = nd.draw(small())
    assert "gets a gradient" in drawing.dot
    drawing.legend = False
    assert "gets a gradient" not in drawing.dot


def test_a_graph_of_long_edges_is_placed_in_good_time():
    w, x = (nd.tensor(np.ones((n, 4)), requires_grad=True) for n in (4, 160))
    h = nd.zeros((4,))
    for i in range(40):  # a recurrence: every step reads the same weights
        h = nd.tanh(x[i] + h @ w)
    assert "nslimit" in nd.draw(h).dot and "nslimit" not in nd.draw(nd.tanh(x @ w)).dot
