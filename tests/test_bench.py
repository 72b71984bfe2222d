"""The benchmark computes what it claims to time: every workload, cut down, in both layouts, and convolutions against the reference."""

from dataclasses import replace

import numpy as np
import pytest
from bench import compare, engines, table, turns, worker
from bench.workloads import WORKLOADS, per_axis

from tinygrad_nd.kernels import reference
from tinygrad_nd.kernels.geometry import conv_spec


def reduced(w):
    """A workload of the same kind and little work: two images, a few channels a group, a few more points than the kernel spans."""
    if w.call == "chain":
        return replace(w, options={"length": 10})
    (batch, *rest), *others = w.shapes
    if w.call not in ("conv", "conv_transpose"):
        return replace(w, shapes=((min(batch, 2), *rest), *others))
    (_, *size), (m, c, *kernel) = rest, *others
    groups = w.options.get("groups", 1)
    fewer, c = min(groups, 2), min(c, 3)
    m = min(m // groups, 3) * fewer if w.call == "conv" else c
    stride, dilation = (per_axis(w.options.get(o, 1), len(size)) for o in ("stride", "dilation"))
    size = [min(n, d * (k - 1) + 2 * s + 2) for n, k, s, d in zip(size, kernel, stride, dilation)]
    options = w.options | ({"groups": fewer} if groups > 1 else {})
    return replace(w, shapes=((min(batch, 2), c * fewer, *size), (m, c, *kernel)), options=options)


def expected(w):
    """The reference's result and gradients of a convolution."""
    x, weight = worker.draw(w, 0)
    spec = conv_spec("test", x.shape, weight.shape, **w.options)
    y = reference.correlate(x, weight, spec)
    g = worker.draw_cotangent(y.shape)
    found = {"y": y, "d0": reference.input_grad(g, weight, spec), "d1": reference.weight_grad(x, g, spec)}
    return {k: worker.sample(a) for k, a in found.items()}


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_builds_and_agrees(name):
    w = reduced(WORKLOADS[name])
    names = ("nd", "nd:last") if w.images else ("nd",)
    results = {e: worker.Job(engines.make(e), w, "train").results() for e in names}
    if w.call == "conv":
        results = {"torch": expected(w)} | results  # in the place of whom the others are compared with
    assert not turns.wrong(results, 1e-3)
    assert all(np.isfinite(v).all() for r in results.values() for v in r.values())
    assert len(results["nd"]) == 1 + len(w.shapes) - w.step


def test_compare_times_two_layouts_and_prints_a_table(tmp_path, capsys):
    only = "odd 3x3 p1 31>37 45x51 b7"
    arguments = ["--quick", "--engines", "nd-numpy,nd-numpy:last", "--sections", "unlisted", "--only", only]
    arguments += ["--patience", "0", "--json", str(tmp_path / "out.json")]
    row = compare.main(arguments)["sections"]["unlisted"][only]
    assert {m: set(s) for m, s in row["seconds"].items()} == dict.fromkeys(("forward", "train", "backward"), {"nd-numpy", "nd-numpy:last"})
    assert not row["wrong"] and not row["notes"]
    assert only in capsys.readouterr().out and (tmp_path / "out.json").exists()


def test_what_fails_is_an_answer():
    process = turns.Worker("nd-numpy", threads=1)
    assert "KeyError" in process.ask("open", workload="another", measure="train")["error"]
    assert process.alive and process.ask("open", workload="chain 1000 ()", measure="train")["seconds"] > 0
    process.process.kill()
    assert "ended" in process.ask("turn", seconds=0.1)["error"]
    process.close()


def test_a_wrong_result_voids_its_time():
    results = {"torch": {"y": [1.0, 2.0]}, "nd": {"y": [1.0, 2.1]}, "nd-numpy": {"y": [1.0, 2.0]}, "mygrad": {"error": "no"}}
    seconds = {"train": {"nd": 1.0, "nd-numpy": 3.0, "nd-numpy:last": 2.0, "torch": 8.0, "torch:last": 4.0}}
    row = {"seconds": seconds, "disturbed": {}, "wrong": turns.wrong(results, 1e-3), "notes": {}}
    assert set(row["wrong"]) == {"nd", "mygrad"}
    assert table.ratio(row, "train", "nd") is None and table.ratio(row, "train", "nd-numpy") == 0.5
    disturbed = row | {"disturbed": {"train": ["torch:last"]}, "wrong": {}}
    assert table.geomean([row, disturbed], "train", "nd-numpy") == pytest.approx(0.5)
    assert table.geomean([disturbed], "train", "nd-numpy") is None
    line = table.Table("conv", ("train",), seconds["train"]).line("a row", row)
    assert "!" in line and "0.50'" in line and "4000.00'" in line
