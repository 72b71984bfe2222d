"""Which engine runs, and what is said where it is missing."""

import os
import subprocess
import sys

import pytest

from tinygrad_nd.kernels import engines

INSTALLED = engines._installed()


@pytest.fixture(autouse=True)
def _as_before():
    before = engines._setting
    yield
    engines.set_engine(before)


def test_numpy_alone_loads_nothing_compiled():
    engines.set_engine("numpy")
    assert engines.engine() == "numpy"
    assert engines.compiled("pools") is None


def test_auto_takes_what_is_installed():
    engines.set_engine("auto")
    assert engines.engine() == ("jit" if INSTALLED else "numpy")


def test_an_unknown_engine_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="no engine 'cuda'; use one of 'auto', 'jit', 'numpy'"):
        engines.set_engine("cuda")


def test_a_missing_engine_names_the_extra(monkeypatch):
    monkeypatch.setattr(engines, "_installed", lambda: False)
    with pytest.raises(ImportError, match=r"tinygrad_nd\[jit\]"):
        engines.set_engine("jit")
    engines.set_engine("auto")
    assert engines.engine() == "numpy"


@pytest.mark.parametrize(("asked", "runs"), [("numpy", "numpy"), ("", "jit" if INSTALLED else "numpy")])
def test_the_environment_sets_what_it_starts_with_and_import_loads_no_compiler(asked, runs):
    code = "import sys, tinygrad_nd as nd; print(nd.engine(), 'llvmlite' in sys.modules)"
    environment = {**os.environ, "TINYGRAD_ND_ENGINE": asked}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [runs, "False"]
