"""A file that is written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed
    fcntl = None

__all__ = ["replacing", "write"]


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write, beside `path`, that takes its place when the block has ended; if the block raises, `path` stays as it is.

    Whenever the process is killed or power is lost, `path` is either the old file or the whole new one, for the new one is on the disk
    before it gets the name. Links are followed. A new file gets the usual permissions, otherwise those of the old one stay. What a writer
    that was killed left in this folder is removed.

    Raises OSError, of the kind that fits, naming the path.
    """
    target = Path(os.path.realpath(path))
    part = None
    try:
        mode = _mode(target)
        _remove_abandoned(target.parent)
        part, file = _new_part(target.parent)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if mode is not None:
                os.chmod(part, mode)
            if fcntl is None:
                file.close()  # what is open cannot be renamed there
            os.replace(part, target)
        finally:
            with suppress(OSError):  # that it cannot write what is left, if so, was the first error
                file.close()
    except BaseException as error:
        if part is not None:
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, f"save: {error.strerror or error}; nothing was written", os.fspath(path)) from None
        raise
    _sync_folder(target.parent)


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file of these bytes, whole or not at all."""
    with replacing(path) as file:
        file.write(data)


def _mode(target: Path) -> int | None:
    """The permissions of the file that stands there, if one does and may be replaced."""
    if target.is_symlink():  # still one after following them
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not target.exists():
        return None
    if not target.is_file():
        raise OSError(errno.EISDIR, "a folder stands there") if target.is_dir() else OSError(errno.EINVAL, "that is no regular file")
    if not os.access(target, os.W_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    return target.stat().st_mode & 0o777


def _new_part(folder: Path) -> tuple[Path, BinaryIO]:
    """A new file, locked while it is open: the lock goes with the process, however it ends, and tells the living from the abandoned."""
    while True:
        part = folder / f".tinygrad_nd-{secrets.token_hex(8)}.part"
        file = open(part, "xb")
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks: nothing is removed there, either
                fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink == 0:  # taken for abandoned before it was locked
                file.close()
                continue
        return part, file


def _remove_abandoned(folder: Path) -> None:
    for part in folder.glob(".tinygrad_nd-*.part"):
        with suppress(OSError):
            if fcntl is None:
                part.unlink()
                continue
            with open(part, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while its writer lives
                part.unlink()


def _sync_folder(folder: Path) -> None:
    """The new name is on the disk, too; where a folder can be synchronised."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
