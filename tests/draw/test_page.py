"""The page of a drawing: what stands in the file, and what a browser makes of it."""

import base64
import hashlib
import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import PROGRAM, Browser

import tinygrad_nd as nd
from tinygrad_nd.draw import DotNotFound
from tinygrad_nd.draw import page as pages

EXAMPLES = Path(__file__).parents[2] / "examples"
HOSTILE = (
    '"><script>window.broken = 1</script>',
    "</script><!--<script>",
    "<img src=x onerror='window.broken = 1'>",
    "\u2028 ${x} \x00 \ud800 {y}",
    "&lt;",
)


def data_of(text: str) -> dict:
    """What the script of a page reads."""
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)[1])


def scoped(blocks: int, names: tuple[str, ...] = ()) -> nd.Drawing:
    h = nd.tensor(np.ones(3), requires_grad=True, name=names[0] if names else "x")
    for i in range(blocks):
        with nd.scope(f"stage{i // 2}"), nd.scope(names[i % len(names)] if names else f"part{i}"):
            h = nd.exp(nd.sin(h) * 0.5)
    return nd.draw(h.sum(), stats=True, grads=True)


def test_what_runs_is_named_by_its_hash_and_nothing_is_fetched():
    text = scoped(2).html()
    policy = re.search(r'Content-Security-Policy"\s+content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; ")
    for element in ("style", 'script type="module"'):
        inside = re.search(rf"<{element}>(.*?)</{element.split()[0]}>", text, re.S)[1]
        assert base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode() in policy
    assert not re.search(r"https?:(?!//www\.w3\.org/)|\bsrc=|@import|url\(|\beval\b", text)


def test_hostile_names_stay_text():
    text = scoped(len(HOSTILE), HOSTILE).html()
    text.encode()
    assert text.count("<script") == 2 and text.count("</script") == 2 and "<img" not in text
    assert data_of(text)["nodes"][0]["label"]


def test_every_depth_is_there_and_what_does_not_fold_is_told_once():
    drawing = scoped(4)
    text = drawing.html()
    data = data_of(text)
    whole = drawing.json()
    assert [len(level["nodes"]) for level in data["levels"]] == [4, 6, len(whole["nodes"])]
    assert [(e["tail"], e["head"]) for e in whole["edges"]] == [
        tuple(data["levels"][-1]["nodes"].index(e[end]) for end in ("tail", "head")) for e in data["levels"][-1]["edges"]
    ]
    leaf, total = data["levels"][0]["nodes"][0], data["levels"][0]["nodes"][-1]
    assert all(level["nodes"][0] == leaf and level["nodes"][-1] == total for level in data["levels"])
    assert data["nodes"][data["levels"][0]["nodes"][1]]["folds"] == ["stage0"]
    assert text.count("<template") == 2


def test_a_page_of_a_folded_drawing_opens_there_and_unfolds():
    with nd.scope("outer"), nd.scope("inner"):
        y = nd.exp(nd.sin(nd.tensor([1.0, 2.0], requires_grad=True)))
    data = data_of(nd.draw(y, depth=1).html())
    assert data["start"] == 1 and len(data["levels"]) == 3
    assert len(data_of(nd.draw(y, depth=0, max_nodes=2).html())["levels"]) == 1


def test_histograms_count_every_value():
    x = nd.tensor([0.0, 1.0, 1.0, 2.4, np.nan, np.inf], requires_grad=True)
    counts = nd.draw(nd.exp(x), stats=True).json()["nodes"][0]["histogram"]
    assert len(counts) == 24 and sum(counts) == 4
    assert counts[0] == 1 and counts[10] == 2 and counts[-1] == 1
    x = nd.tensor([2.0, 2.0], requires_grad=True)
    assert "histogram" not in nd.draw(nd.exp(x), stats=True).json()["nodes"][0]


def test_without_graphviz_the_nodes_stand_in_a_column(monkeypatch, tmp_path):
    def missing(*_):
        raise DotNotFound("no dot")

    monkeypatch.setattr(pages, "render", missing)
    drawing = scoped(4)
    text = drawing.save(tmp_path / "graph.html").read_text()
    assert "pip install graphviz-pure" in text
    picture = re.search(r"<svg xmlns.*?</svg>", text, re.S)[0]
    drawn = re.findall(r'<g class="(node|edge)"><title>([^<]*)</title>', picture)
    whole = drawing.json()
    assert [t for kind, t in drawn if kind == "node"] == [f"n{i}" for i in range(len(whole["nodes"]))]
    assert [t for kind, t in drawn if kind == "edge"] == [f"n{e['tail']}-&gt;n{e['head']}" for e in whole["edges"]]


def test_what_takes_graphviz_too_long_stands_in_a_column(monkeypatch):
    monkeypatch.setattr(pages, "render", None)  # it is not called
    h = [nd.tensor(np.ones(3), requires_grad=True)]
    for _ in range(40):
        h.append(nd.sin(nd.concatenate(h))[:3])
    text = nd.draw(h[-1]).html()
    assert "Too much for Graphviz" in text and text.count('<g class="node">') == 121


def test_a_large_graph_is_cut_and_the_page_says_so():
    h = nd.tensor(np.ones(3), requires_grad=True)
    for _ in range(5000):
        h = h * 0.5
    text = nd.draw(h).html()
    assert "holds 3,000 nodes at most, and the graph has 5,001: the oldest are left out" in text
    assert len(data_of(text)["levels"][0]["nodes"]) == pages.MOST
    assert len(text) < 4e6


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if PROGRAM is None:
        pytest.skip("no Chromium is installed: the page is not tried in a browser")
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """The page of the five-convolution network, with all that can be drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        net = importlib.import_module("photos_cnn_modules").network(np.random.default_rng(0))
    x = nd.tensor(np.random.default_rng(1).normal(size=(2, 3, 96, 96)).astype("float32"))
    loss = nd.cross_entropy(net(x), np.array([1, 2]))
    drawing = nd.draw(loss, stats=True, grads=True, cost=True, names={"images": x, "loss": loss})
    return drawing.save(tmp_path_factory.mktemp("page") / "graph.html")


def test_the_page_is_explored_in_a_browser(browser, photographs, tmp_path):
    see, text = browser.run, lambda selector: browser.run(f"document.querySelector({selector!r}).textContent")
    browser.errors.clear()
    browser.open(photographs)
    open_nodes = see("document.querySelectorAll('#stage .node').length")
    before = browser.screenshot(tmp_path / "open.png")

    browser.click("#search")
    browser.press(*"conv3")
    assert (text("#found"), see("document.querySelectorAll('.found').length")) == ("3 found", 3)
    browser.press("Enter", "Enter")
    assert text("#found") == "2 of 3" and "conv3" in text("#node h2")
    assert see("document.querySelectorAll('.chosen').length") == 1

    browser.click("#node .link")  # what reads the bias, or what it is computed from
    assert text("#node h2") == "conv3/conv_nd"
    for known in ("(2, 158, 9, 9) float32", "kernel 2×2", "mean ± deviation", "norm", "flop", "forward", "conv3.weight"):
        assert known in text("#node")
    assert see("document.querySelectorAll('#node .histogram rect').length") == 24
    assert see("document.querySelectorAll('.node.before').length + document.querySelectorAll('.node.after').length") < open_nodes - 1
    assert see("document.querySelectorAll('.edge.before').length > 0 && document.querySelectorAll('.edge.after').length > 0")
    assert browser.screenshot(tmp_path / "chosen.png") != before

    see("document.querySelector('#depth').focus()")
    browser.press("ArrowLeft")
    assert text("#depth-says") == "1 of 2" and text("#node h2") == "conv3"  # the fold that the chosen node is in
    assert see("document.querySelectorAll('#stage .node').length") < open_nodes
    browser.press("ArrowLeft")
    assert text("#node h2") == "Sequential" and "19 operations" in text("#node")
    browser.screenshot(tmp_path / "folded.png")

    browser.click("#next")
    assert text(".way") == "forward" and "Sequential reads images (2, 3, 96, 96)" in text("#step")
    assert see("document.querySelectorAll('.node.lit').length") == 1
    steps = int(see("document.querySelector('#progress').max"))
    for _ in range(steps - 1):
        browser.click("#next")
    assert text("#step") == f"backward {steps} of {steps}: Sequential passes the gradient on to 16 leaves inside."
    browser.click("#back")
    assert "passes the gradient on to Sequential" in text("#step") and "norm" in text(".tag")
    browser.screenshot(tmp_path / "played.png")
    browser.click("#back")
    browser.click("#play")
    assert text("#play") == "Pause"
    browser.click("#play")
    assert text("#play") == "Play"

    assert browser.errors == []


def test_the_picture_is_moved_by_pointer_and_wheel(browser, photographs):
    place = lambda: browser.run("(({e, f, a}) => [e, f, a])(new DOMMatrix(document.querySelector('#stage > svg').style.transform))")
    heading = lambda: browser.run("document.querySelector('#node h2').textContent")
    browser.open(photographs)
    browser.click("#stage .node")
    x, y, scale = place()
    browser.drag("#stage .node.after", 60, 45)
    assert place() == pytest.approx([x + 60, y + 45, scale], abs=0.01)
    assert heading() == "images"  # a drag is no click

    top = browser.run("document.querySelector('#stage').getBoundingClientRect().y")
    under = lambda x, y, scale: ((300 - x) / scale, (400 - top - y) / scale)
    before = place()
    browser.send("Input.dispatchMouseEvent", type="mouseWheel", x=300, y=400, deltaX=0, deltaY=-200)
    assert place()[2] > 1.2 * scale
    assert under(*place()) == pytest.approx(under(*before), abs=0.01)  # what lies under the pointer stays there
    browser.click("#out")
    browser.click("#fit")
    assert place()[2] < scale


def test_a_picture_too_large_for_the_stage_opens_where_the_graph_begins(browser, tmp_path):
    h = nd.ones(2, requires_grad=True)
    for _ in range(30):
        h = nd.sin(h)
    browser.open(nd.draw(h, rankdir="BT").save(tmp_path / "tall.html"))
    browser.run("document.getAnimations().forEach(a => a.finish())")
    ends = lambda e: browser.run(f"(r => [r.top, r.bottom])(document.querySelector('{e}').getBoundingClientRect())")
    (top, bottom), (high, low) = ends("#stage"), ends("#stage .node")
    assert top < high < low < bottom


def test_the_graph_is_walked_with_keys(browser, photographs):
    focused = lambda: browser.run("document.activeElement.getAttribute('aria-label')")
    browser.open(photographs, 390, 844)
    browser.run("document.querySelector('#in').focus()")
    browser.press("Tab")
    assert focused().startswith("images, constant, (2, 3, 96, 96)")
    browser.press("ArrowDown", "ArrowDown")
    assert focused().startswith("Sequential/relu")
    browser.press("ArrowUp", "ArrowUp", "[")
    assert focused().startswith("images")
    browser.press("ArrowDown", "Enter")  # what is chosen is unfolded
    assert "conv1." in focused() and browser.run("document.querySelector('#depth').value") == "2"
    browser.press("Escape")
    assert browser.run("document.querySelector('#node').hidden")
    browser.press(".")
    assert browser.run("document.querySelector('#progress').value") == "1"
    assert browser.errors == []


@pytest.mark.parametrize("scripts", [True, False])
def test_hostile_names_run_nothing(browser, tmp_path, scripts):
    path = scoped(len(HOSTILE), HOSTILE).save(tmp_path / "graph.html")
    browser.send("Emulation.setScriptExecutionDisabled", value=not scripts)
    browser.open(path)
    browser.send("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.run("window.broken") is None
    assert browser.run("document.querySelectorAll('#stage .node').length") > 1
    assert browser.run("document.body.classList.contains('live')") == scripts
    assert browser.run("document.querySelector('#listing pre').textContent.includes('onerror')")
    assert browser.errors == []
