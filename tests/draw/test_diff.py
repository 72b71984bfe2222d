"""Text, comparison and files: the tree of scopes, the first difference of two graphs, and what a failed save leaves behind."""

import errno
import os

import numpy as np
import pytest

import tinygrad_nd as nd
from tinygrad_nd.draw import drawing as drawing_module
from tinygrad_nd.draw import render

kept: list[nd.Parameter] = []  # the values of leaves are known while their tensors live


def blocks(count: int, bias: float = 0.5, activation=nd.tanh, name: str = "block") -> nd.Tensor:
    w = nd.Parameter(np.eye(3) * 0.5, name="w")
    h = nd.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True, name="x")
    with nd.scope("net"):
        for i in range(count):
            with nd.scope(f"{name}.{i}"):
                kept.append(nd.Parameter(np.full(3, bias)))
                h = activation(h @ w + kept[-1])
    kept.append(w)
    return h.sum()


def test_repeated_blocks_fold_into_one():
    drawing = nd.draw(blocks(12), depth=1)
    assert [v.title for v in drawing.graph.vertices if v.kind == "fold"] == ["block × 12"]
    fold = next(v for v in drawing.graph.vertices if v.kind == "fold")
    assert fold.operations == 36 and fold.leaves == 12 and fold.details[0].startswith("each: 3 operations")
    assert all(e.tail < e.head for e in drawing.graph.edges)
    assert "block × 12" in drawing.dot
    assert [v.kind for v in nd.draw(blocks(2), depth=1).graph.vertices].count("fold") == 2  # two can be seen


def test_blocks_that_differ_or_are_read_from_outside_stay_apart():
    h = nd.tensor(np.ones(3), requires_grad=True)
    for i in range(6):
        with nd.scope(f"block{i}"):
            h = nd.cos(h) if i < 3 else nd.sin(nd.cos(h))
    assert [v.title for v in nd.draw(h, depth=0).graph.vertices if v.kind == "fold"] == ["block × 3", "block × 3"]
    h = first = nd.tensor(np.ones(3), requires_grad=True)
    for i in range(4):
        with nd.scope(f"block{i}"):
            h = nd.cos(h)
        h = h + first
    assert [v.title for v in nd.draw(h, depth=0).graph.vertices if v.kind == "fold"] == ["block0", "block1", "block2", "block3"]


def test_a_fold_carries_the_gradient_of_its_leaves_and_edges_what_flows():
    drawing = nd.draw(blocks(3), depth=1, grads=True, stats=True)
    assert all(e.value for e in drawing.graph.edges)
    assert drawing.graph.edges[-1].grad.norm == pytest.approx(6**0.5)


def test_the_summary_adds_up_by_scope():
    lines = nd.draw(blocks(2), names=None).summary().splitlines()
    assert lines[0] == "7 operations, 4 leaves, 1 output"
    assert lines[1].split() == ["result", "dtype", "parameters", "flop", "memory"]
    rows = {line.strip().split("  ")[0]: line.split() for line in lines[2:]}
    assert rows["block.0"][-4:] == ["3", "48", "168", "B"]  # 2·18 + 6 + 6 operations; three results and a bias of float64
    assert rows["total"][1] == "15"
    assert lines[-1].startswith("total")
    widths = {len(line) for line in lines[1:]}
    assert max(widths) < 100


def test_what_repeats_is_told_once():
    text = nd.draw(blocks(12), names=None).summary()
    assert "block × 12" in text and text.count("tanh") == 1 and len(text.splitlines()) == 12
    assert nd.draw(blocks(12), names=None, stats=True).summary().count("tanh") == 12  # each has something of its own to tell
    z = nd.tensor(1.0, requires_grad=True)
    for _ in range(500):
        z = nd.sin(z) * 2.0
    lines = nd.draw(z).summary().splitlines()
    assert lines[3].split()[:2] == ["×", "499"] and len(lines) < 12


def test_a_terminal_is_neither_flooded_nor_overrun(monkeypatch):
    z = nd.tensor(1.0, requires_grad=True)
    for i in range(500):
        z = nd.sin(z) * float(i)
    monkeypatch.setenv("COLUMNS", "50")
    drawing = nd.draw(z)
    lines = str(drawing).splitlines()
    assert len(lines) <= 105 and max(map(len, lines)) == 50 and "… 902 more …" in "".join(lines)
    assert lines[-1] == "902 lines are left out; .summary() has them all"
    assert len(drawing.summary().splitlines()) > 1000
    z = nd.tensor(1.0, requires_grad=True)
    for i in range(40):
        with nd.scope(f"part{i}"):
            z = nd.sin(z) * float(i) + 1.0
    assert "part39" in str(nd.draw(z)) and "multiply" not in str(nd.draw(z))  # as deep as fits


def test_folding_changes_no_sum():
    loss = blocks(5)
    totals = {nd.draw(loss, depth=depth).summary().splitlines()[-1].split(maxsplit=1)[1].replace(" ", "") for depth in (None, 0, 1)}
    assert len(totals) == 1


def test_equal_graphs_do_not_differ():
    a, b = (nd.draw(blocks(3), stats=True, grads=True) for _ in range(2))
    assert a.diff(b).graph.remarks == ["no difference found"]
    assert not [v for v in a.diff(b).graph.vertices if v.mark]


def test_the_first_difference_in_structure_is_marked():
    a, b = nd.draw(blocks(3)), nd.draw(blocks(3, activation=nd.sin))
    difference = a.diff(b)
    marked = [v for v in difference.graph.vertices if v.mark]
    assert marked[0].title == "tanh" and "sin" in marked[0].mark and marked[0].scope == "net/block.0"
    assert "first difference, in structure" in str(difference) and "in structure" in difference.dot
    assert not [v for v in a.graph.vertices if v.mark]
    shorter = nd.draw(blocks(2)).diff(a).graph
    assert "in structure" in shorter.remarks[0]


def test_the_first_difference_in_values_and_in_gradients_is_marked():
    a, b = nd.draw(blocks(3), stats=True), nd.draw(blocks(3, bias=0.25), stats=True)
    difference = a.diff(b).graph
    assert "in values" in difference.remarks[0] and [v.shape for v in difference.vertices if v.mark] == [(3,)]
    x = nd.tensor([1.0, 2.0], requires_grad=True)
    right = nd.primitive("twice", x=lambda g: 2 * g)(lambda x: 2 * x)
    wrong = nd.primitive("twice", x=lambda g: 3 * g)(lambda x: 2 * x)
    a, b = (nd.draw(nd.exp(f(x)).sum(), stats=True, grads=True) for f in (right, wrong))
    found = a.diff(b).graph
    assert "in gradients: into %0 x from %1" in found.remarks[0]
    with pytest.raises(TypeError, match="another Drawing.*int"):
        a.diff(3)


@pytest.mark.parametrize("suffix", [".gv", ".json"])
def test_a_file_that_cannot_be_written_leaves_no_half_file(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"graph{suffix}"
    drawing = nd.draw(blocks(1))
    drawing.save(path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="nothing was written"):
        nd.draw(blocks(2)).save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="nothing was written"):
        drawing.save(tmp_path / "missing" / "graph.gv")


def test_a_picture_too_large_says_what_to_pass(monkeypatch):
    monkeypatch.setattr(drawing_module, "MOST", 5)
    monkeypatch.setattr(render, "find_dot", lambda: "/never/started")
    drawing = nd.draw(blocks(3))
    with pytest.raises(ValueError, match=r"depth= or max_nodes= \(at most 5\)"):
        drawing.svg()
    assert drawing.dot and drawing.json() and drawing.summary()
