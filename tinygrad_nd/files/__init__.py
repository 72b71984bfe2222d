"""Files that lose nothing: arrays by name, and checkpoints of whole runs; written whole or not at all, checked when read, never pickled."""

from ..atomic import replacing
from .arrays import ensure_writable, load, save
from .checkpoint import Checkpoint

__all__ = ["Checkpoint", "ensure_writable", "load", "replacing", "save"]
