"""The training loop: `fit`, and what it gives back."""

from .fit import fit
from .history import History, accuracy
from .stopping import EarlyStopping

__all__ = ["EarlyStopping", "History", "accuracy", "fit"]
