"""What one process compiled others load; and whatever becomes of the files, results are right."""

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from tinygrad_nd.kernels.engines import llvm, objects, products, programs

PROCESS = """
import logging, sys
import numpy as np
logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stdout)
from tinygrad_nd.kernels.engines import products
a, b, out = np.ones((3, 40), np.float32), np.ones((40, 20), np.float32), np.empty((3, 20), np.float32)
products.matmul(a, b, out)
assert (out == 40).all()
"""


@pytest.fixture(scope="module", autouse=True)
def crew():
    """What makes the calls is compiled, or loaded, before any folder is empty."""
    products.matmul(np.ones((3, 40)), np.ones((40, 20)), np.empty((3, 20)))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for what is compiled."""
    monkeypatch.setenv("TINYGRAD_ND_CACHE_DIR", str(tmp_path))
    return objects._folders()[0]


@pytest.fixture
def compilations(monkeypatch):
    """A product, as if it were the first in a process: how many functions are compiled for it."""
    made, compiled = [], llvm._compile
    monkeypatch.setattr(llvm, "_compile", lambda name, *about: made.append(name) or compiled(name, *about))
    known = {key: f for key, f in llvm._loaded.items() if key[0] != "product"}

    def count():
        monkeypatch.setattr(llvm, "_loaded", dict(known))
        monkeypatch.setattr(programs, "_known", {})
        monkeypatch.setattr(programs, "_kept", 0)
        made.clear()
        a, b, out = np.ones((3, 40)), np.ones((40, 20)), np.empty((3, 20))
        products.matmul(a, b, out)
        assert (out == 40).all()
        return made.count("product")

    return count


def test_a_second_process_compiles_nothing_and_says_nothing(folder):
    told = [subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert "tinygrad_nd: compiled product" in told[0]
    assert told[1] == ""


def test_what_is_saved_is_loaded(folder, compilations):
    assert [compilations(), compilations()] == [1, 0]
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:5], lambda data: data[:-1], lambda data: data[:99] + bytes([data[99] ^ 1]) + data[100:]]
)
def test_a_damaged_file_is_compiled_again(damage, folder, compilations):
    compilations()
    (file,) = folder.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert [compilations(), compilations()] == [1, 0]


def test_another_processor_shares_nothing_with_this_one(folder, compilations, monkeypatch):
    compilations()
    other = *llvm._host(), "more cores"
    monkeypatch.setattr(llvm, "_host", lambda: other)
    assert compilations() == 1


def test_other_sources_compile_anew_and_clear_away_what_was(folder, compilations, monkeypatch):
    compilations()
    monkeypatch.setattr(objects, "SOURCE", "0" * 32)
    assert [compilations(), compilations()] == [1, 0]
    assert [file.name[:32] for file in folder.iterdir()] == ["0" * 32]


def test_where_nothing_can_be_written_it_compiles_each_time(folder, compilations):
    folder.write_text("a file, not a folder")
    assert [compilations(), compilations()] == [1, 1]


def test_of_two_places_the_first_that_can_be_written_is_taken_and_both_are_read(tmp_path, compilations, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setattr(objects, "_folders", lambda: (first, second))
    first.write_text("in the way")
    assert [compilations(), compilations()] == [1, 0]
    first.unlink()
    assert compilations() == 0 and not first.exists()


def test_without_a_variable_the_places_are_beside_the_source_and_the_users(monkeypatch):
    monkeypatch.delenv("TINYGRAD_ND_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", os.path.abspath("caches"))
    beside, user = objects._folders()
    assert beside == objects.HERE / "__pycache__" and user.parent.name == "caches"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert objects._folders() == (beside,)


def test_a_full_disk_leaves_nothing_behind(folder, compilations, monkeypatch):
    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(folder), "replace", full)
    assert compilations() == 1
    assert list(folder.iterdir()) == []
