"""Feeding a training loop: batches, random changes to them, loading ahead in a thread, one-hot labels and a train/test split."""

from ..elsewhere import hinting
from . import augment
from .arrays import one_hot, train_test_split
from .batches import batches, prefetch

__all__ = ["augment", "batches", "one_hot", "prefetch", "train_test_split"]

globals()["__getattr__"] = hinting("data", __all__, {"random_split": "train_test_split"})
