"""96x96 crops of eight photographs that ship inside scikit-image and scikit-learn: real images without a download.

A crop's class is the photograph it was cut from. Training crops come from the left half of each photograph and test crops from the
right half, so a test image shares no pixel with anything seen in training.
"""

from __future__ import annotations

import sys

import numpy as np
from datasets import folder

SIZE = 96
NAMES = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "retina", "china", "flower")


def load() -> list[np.ndarray]:
    """The eight photographs, uint8 (rows, columns, 3), in the order of NAMES."""
    try:
        from skimage import data, io
    except ImportError as missing:
        sys.exit(f'The photographs are inside scikit-image and scikit-learn ({missing}): pip install "tinygrad_nd[examples]"')
    more = folder("sklearn") / "datasets/images"
    near = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket(), data.hubble_deep_field(), data.retina()]
    return near + [io.imread(more / "china.jpg"), io.imread(more / "flower.jpg")]


def crops(
    images: list[np.ndarray], count: int, half: str, rng: np.random.Generator, *, vary: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """`count` random crops of one half ("left" or "right"), the classes in equal parts and shuffled.

    With `vary`, crops are mirrored at random and their brightness, contrast and tint vary a little, as between two photographs of a thing.
    Returns x (count, 3, 96, 96) float32, about -1 to 1, channels-last in memory as images are, and the class of each (count,).
    """
    y = rng.permutation(np.arange(count) % len(images))
    x = np.empty((count, SIZE, SIZE, 3), np.float32)
    for crop, label in zip(x, y):
        rows, columns, _ = images[label].shape
        start = 0 if half == "left" else columns // 2
        i, j = rng.integers(rows - SIZE + 1), start + rng.integers(columns // 2 - SIZE + 1)
        crop[...] = images[label][i : i + SIZE, j : j + SIZE]
    x = x / 127.5 - 1
    if vary:
        mirrored = rng.random(count) < 0.5
        x[mirrored] = x[mirrored, :, ::-1]
        x *= np.exp(0.15 * rng.standard_normal((count, 1, 1, 1), np.float32))
        x += 0.075 * rng.standard_normal((count, 1, 1, 3), np.float32)
    return np.moveaxis(x, -1, 1), y
