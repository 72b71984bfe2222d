"""Finding what is wrong: the first nan, the wrong rule, the gradient that does not come, the usual mistakes, and where the time goes."""

from ..elsewhere import hinting
from .anomaly import Anomaly, anomaly
from .check import Check, Report, check_nodes
from .findings import Finding, lint
from .missing import why_no_grad
from .sources import sources
from .steps import Cost, Profile, Step, profile, steps

__all__ = [
    "Anomaly", "Check", "Cost", "Finding", "Profile", "Report", "Step", "anomaly", "check_nodes", "lint", "profile", "sources", "steps",
    "why_no_grad",
]  # fmt: skip

globals()["__getattr__"] = hinting("debug", __all__, dict.fromkeys(("detect_anomaly", "set_detect_anomaly"), "anomaly()"))
