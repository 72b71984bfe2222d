"""A recorded graph once more, for looking at it: values that nobody kept, what the rules make of a cotangent, and how long both take.

Nothing is written to the graph: hooks stay silent, `.grad` stays as it is, and what `backward()` freed is computed again where the leaves
and constants that it came from are still known.
"""

from .sweeping import Pulled, forward_seconds, pull_back
from .values import Unknown, Values, consistent, operands, reachable, run, saved_bytes, values

__all__ = [
    "Pulled", "Unknown", "Values", "consistent", "forward_seconds", "operands", "pull_back", "reachable", "run", "saved_bytes",
    "values",
]  # fmt: skip
