"""Finding out where things come from."""

from __future__ import annotations

from typing import Any

from .node import locating, setting


def sources() -> Any:
    """Context manager (and decorator): operations recorded inside remember the line that called them, for `nd.draw(loss, source=True)`.

    >>> import tinygrad_nd as nd
    >>> x = nd.tensor(1.0, requires_grad=True)
    >>> with nd.debug.sources():
    ...     y = nd.exp(x)
    >>> "doctest" in nd.draw(y, source=True).dot
    True
    """
    return setting(locating, True)
