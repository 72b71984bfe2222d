"""The pictures of the README are made by examples/gallery.py, and say what they are meant to teach."""

import importlib
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tinygrad_nd.draw import render

ROOT = Path(__file__).parents[2]
TEACHES = {
    "network_open": ["conv1", "kernel 4×4", "stride 2", "weight", "max_pool_nd", "cross entropy", "(2, 105, 7, 7)"],
    "network_folded": ["conv1", "2 operations", "ms forward", "most time"],
    "residual_block": ["norm2", "add", "grad "],
    "convolution_vjp": ["dilate by stride", "pad", "rotate kernel", "correlate", "dx"],
    "convolution_in_numbers": ["rotated", "5 · 6 + 6 · 4 = 54"],
    "nan_found": ["its backward makes inf here", "gallery.py:", "nan or inf"],
}


@pytest.mark.skipif(render.find_dot() is None, reason="no Graphviz program is installed")
def test_the_gallery_is_drawn_small_and_says_what_it_should(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    written = importlib.import_module("gallery").main(["--out", str(tmp_path)])
    assert {path.stem for path in written} == set(TEACHES)
    for path in written:
        texts = " | ".join(t for t in ET.parse(path).getroot().itertext())
        assert not [word for word in TEACHES[path.stem] if word not in texts], path.name
        assert path.stat().st_size < 60_000, path.name
        assert (ROOT / "examples" / "gallery" / path.name).exists()
    assert "anomaly: the backward of sqrt" in capsys.readouterr().out
    sys.modules.pop("gallery")
