"""Plots of what a network holds and how it learns, by matplotlib (extra `plot`).

Every function returns a Figure, to be shown or saved: `figure.savefig("a.png")`. Figures are made without pyplot: nothing global is
touched, and no window opens.
"""

from ..elsewhere import hinting
from .arrays import feature_maps, filters
from .curves import gradient_norms, losses

__all__ = ["feature_maps", "filters", "gradient_norms", "losses"]

globals()["__getattr__"] = hinting("plot", __all__)
