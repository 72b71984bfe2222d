"""Compiled objects kept on disk, a file each, so that what one process compiled the next one loads.

A file's name tells what it was compiled from, and its first bytes are a checksum of the rest; a file that does not fit is as good as none.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECK = 16  # bytes of a checksum


def load(key: str) -> bytes | None:
    """What was saved under this key by a library of the same source."""
    for folder in _folders():
        with suppress(OSError):
            data = _file(folder, key).read_bytes()
            if data[:CHECK] == _digest(data[CHECK:]):
                return data[CHECK:]
    return None


def save(key: str, data: bytes) -> None:
    """Keep the object, if there is a place for it, and none of other sources beside it."""
    for folder in _folders():
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = _file(folder, f"{key} of {os.getpid()}")
            try:
                unfinished.write_bytes(_digest(data) + data)
                unfinished.replace(_file(folder, key))  # at once: no process sees half of it
            finally:
                unfinished.unlink(missing_ok=True)
            for old in folder.glob("*.object"):
                if not old.name.startswith(SOURCE):
                    old.unlink(missing_ok=True)
            return


def _folders() -> tuple[Path, ...]:
    """Where objects may lie, the best place first: where one is told, beside the source, in the user's cache."""
    if not (HERE / "objects.py").is_file():
        return ()  # without sources one version is not told from another
    own = "tinygrad_nd_" + _digest(bytes(HERE)).hex()  # what one installation clears away is not another's
    if told := os.environ.get("TINYGRAD_ND_CACHE_DIR"):
        return (Path(told) / own,)
    user = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/.cache")
    return tuple(folder for folder in (HERE / "__pycache__", Path(user) / own) if folder.is_absolute())


def _file(folder: Path, key: str) -> Path:
    return folder / f"{SOURCE}-{_digest(key.encode()).hex()}.object"


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=CHECK).digest()


SOURCE = _digest(b"".join(path.read_bytes() for path in sorted(HERE.parent.rglob("*.py")))).hex()  # of all kernels, as they are imported
