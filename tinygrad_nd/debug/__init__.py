"""Finding what is wrong: the first nan, the wrong rule, the gradient that does not come, the usual mistakes, and where the time goes."""

from .anomaly import anomaly
from .sources import sources

__all__ = ["anomaly", "sources"]
