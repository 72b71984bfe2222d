"""Comparisons with other libraries. A test that makes one declares it, with literal values, so that the README's table can be written:

    @pytest.mark.peer("convolution", "torch", ranks=(1, 2, 3), order=2)      # 0: values, 1: gradients too, 2: and second derivatives
    @pytest.mark.parametrize("rank", (1, 2, 3))
    def test_conv_is_pytorchs(rank, torch):
        peers.equal_torch(lambda x, w: nd.conv_nd(x, w), lambda x, w: torch.conv2d(x, w), [x, w], order=2)

The fixtures `torch` and `jax` skip where those are not installed; `jax` computes in float64. A test with a parameter `rank` stands for that
rank, any other for all that it names. `pytest -m peer --peers FILE` writes down which of them passed; see tests/peers_table.py.
"""

import gc
import json
import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from tinygrad_nd.draw.render import DotNotFound
from tinygrad_nd.kernels import engines


def pytest_addoption(parser):
    parser.addoption("--peers", metavar="FILE", help="write which comparisons with other libraries passed")


def pytest_configure(config):
    config.addinivalue_line("markers", "peer(family, against, ranks=..., order=...): compares with another library")
    config.stash[PASSED] = []
    os.environ.pop("COLUMNS", None)  # pictures as text are cut to the width of a terminal


def pytest_collection_finish():
    """What was collected, imported and reported so far need not be looked through by every test that collects garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _garbage():
    yield
    pytest_collection_finish()


PASSED = pytest.StashKey[list]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup():
    with skipped_without_extras():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    with skipped_without_extras():
        return (yield)


@contextmanager
def skipped_without_extras():
    """A test of what needs an extra is skipped where that is not installed: the library's message says what to install."""
    try:
        yield
    except (ImportError, DotNotFound) as error:
        if "pip install" not in str(error):
            raise
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" and report.passed:
        for mark in item.iter_markers("peer"):
            chosen = getattr(item, "callspec", None) and item.callspec.params.get("rank")
            family, against = mark.args
            ranks = mark.kwargs["ranks"] if chosen is None else (chosen,)
            item.config.stash[PASSED] += [(family, against, rank, mark.kwargs["order"]) for rank in ranks]
    return report


def pytest_sessionfinish(session):
    path = session.config.getoption("--peers")
    if path:
        Path(path).write_text(json.dumps(sorted(set(session.config.stash[PASSED]))))


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def jax():
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        yield jax


@pytest.fixture
def choose_engine():
    """A function that chooses the engine until the test ends."""
    before = engines._setting

    def choose(name):
        if name == "jit":
            pytest.importorskip("llvmlite")
        engines.set_engine(name)

    yield choose
    engines.set_engine(before)


@pytest.fixture(params=["numpy", "jit"])
def engine(request, choose_engine):
    """Once with each engine."""
    choose_engine(request.param)
    return request.param
