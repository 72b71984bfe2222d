"""Every script in examples/ runs in its quick form and shows what it claims."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "examples"
sys.path.insert(0, str(FOLDER))
HELPERS = {"gallery", "photographs", "pictures"}


@pytest.fixture
def run(tmp_path, capsys):
    """Runs an example's main with --quick; returns its numbers, what it printed and the names of the files it wrote."""

    def run(name, *arguments):
        numbers = importlib.import_module(name).main(["--quick", *arguments])
        return numbers, capsys.readouterr().out, {f.name for f in tmp_path.iterdir()}

    return run


def test_every_script_is_tested():
    scripts = {f.stem for f in FOLDER.glob("*.py")} - HELPERS
    tested = Path(__file__).read_text(encoding="utf-8")
    assert not [name for name in scripts if f'"{name}"' not in tested]


def test_fft_layer(run, tmp_path):
    numbers, printed, files = run("fft_layer", "--out", str(tmp_path))
    assert numbers["difference_float64"] < 1e-12 and numbers["difference_float32"] < 1e-5
    assert all(numbers[f"loss_ratio_{dim}"] < 0.2 for dim in (1, 2, 3))
    assert numbers["stamp"] < 1e-12 and numbers["angle"] > 45
    assert "######" in printed and files & {"fft_layer_gradient.svg", "fft_layer_gradient.gv"}


@pytest.mark.parametrize("name", ["photos_cnn", "photos_cnn_modules"])
def test_photos_cnn(run, tmp_path, name):
    pytest.importorskip("skimage")
    pytest.importorskip("sklearn")
    numbers, printed, files = run(name, "--out", str(tmp_path))
    losses = numbers["losses"]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
    assert numbers["accuracy"] > 0.2  # chance: 0.125
    assert printed.count("epoch") == 2 and "images/s" in printed
    assert files & {"graph.svg", "graph.gv"} and files & {"loss.png", "loss.svg"}


def test_im2col_layer(run):
    numbers, _printed, _ = run("im2col_layer")
    assert numbers["difference"] < 1e-5
    assert numbers["faster"] > 1 and numbers["smaller"] > 1


def test_channels_last(run, tmp_path):
    numbers, _printed, files = run("channels_last", "--out", str(tmp_path))
    assert numbers["difference"] < 1e-12 and numbers["explained"] < 1e-12
    assert files & {"input_gradient.svg", "input_gradient.gv"}


def test_crops_of_the_halves_never_meet():
    photographs = importlib.import_module("photographs")
    columns = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (100, 200, 3))  # each pixel holds its column
    for half, allowed in (("left", range(100)), ("right", range(100, 200))):
        x, y = photographs.crops([columns] * 8, 64, half, np.random.default_rng(0))
        assert x.shape == (64, 3, 96, 96) and x.dtype == np.float32 and np.bincount(y).tolist() == [8] * 8
        seen = np.unique(np.round((x + 1) * 127.5))
        assert seen.min() >= allowed.start and seen.max() < allowed.stop


def test_varied_crops_differ_from_plain_ones_and_keep_their_class():
    photographs = importlib.import_module("photographs")
    images = [np.full((100, 200, 3), 10 * i, np.uint8) for i in range(8)]
    plain, y = photographs.crops(images, 32, "left", np.random.default_rng(0))
    varied, same = photographs.crops(images, 32, "left", np.random.default_rng(0), vary=True)
    np.testing.assert_array_equal(y, same)
    assert varied.dtype == np.float32 and 0 < np.abs(varied - plain).max() < 1


def test_missing_photographs_name_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(SystemExit, match=r'pip install "tinygrad_nd\[examples\]"'):
        importlib.import_module("photographs").load()


def test_without_matplotlib_the_curve_is_an_svg(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    path = importlib.import_module("pictures").save_curve(tmp_path / "deep" / "loss", [2.0, 1.0, 0.5], "loss")
    assert path.name == "loss.svg"
    import xml.etree.ElementTree as xml

    points = xml.parse(path).getroot().find("{*}polyline").get("points").split()
    assert len(points) == 3 and points[0].startswith("40.0,40.0")


def test_without_dot_the_graph_is_its_source(monkeypatch, tmp_path, capsys):
    import tinygrad_nd as nd
    from tinygrad_nd.draw import render

    monkeypatch.setattr(render, "find_dot", lambda: None)
    path = importlib.import_module("pictures").save_graph(tmp_path / "g.svg", nd.tensor(1.0, requires_grad=True) * 2)
    assert path.name == "g.gv" and path.read_text(encoding="utf-8").startswith("digraph")
    assert "graphviz" in capsys.readouterr().out
