"""Nested plain values as one JSON document, with arrays beside it. Nothing is ever unpickled.

JSON has no arrays, tuples, keys other than strings, complex numbers, infinities or nan; they are written as an object with one key that
begins with "$": {"$tuple": [1, 2]}. Integers and floats come back exactly, of any size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

__all__ = ["decode", "encode", "parse"]

Arrays = dict[str, np.ndarray]
NUMBERS = "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16".split()  # dtypes of NumPy's numbers that Python's hold exactly


def parse(text: bytes | bytearray) -> Any:
    """What JSON text in UTF-8 says. Raises ValueError for what is no JSON to the letter, or says a name twice."""
    try:
        return json.loads(bytes(text).decode(), object_pairs_hook=_unambiguous, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None


def encode(value: Any, path: str, arrays: Arrays) -> Any:
    """The value as JSON knows it; arrays in it are put into `arrays` under names that begin with `path`, and referred to.

    Raises TypeError, naming its path, for what is no number, string, array, list, tuple, dict or None.
    """
    if isinstance(value, np.ndarray):
        return _encode_array(value, path, arrays)
    if isinstance(value, np.generic):
        if (kind := value.dtype.str[1:]) in NUMBERS:
            return {"$number": [kind, encode(value.item(), path, arrays)]}
        return {"$scalar": _put(np.asarray(value), path, arrays)}
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, complex):
        return {"$complex": [encode(part, path, arrays) for part in (value.real, value.imag)]}
    if isinstance(value, (list, tuple)):
        items = [encode(item, f"{path}/{i}", arrays) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, Mapping):
        pairs = [(key, encode(item, f"{path}/{key}", arrays)) for key, item in value.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key, _ in pairs):
            return dict(pairs)
        return {"$dict": [[encode(key, f"{path}, a key", arrays), item] for key, item in pairs]}
    kinds = "numbers, strings, arrays, None, and lists, tuples and dicts of them"
    raise TypeError(f"{path} is a {type(value).__name__}; a file holds {kinds}, and what has state_dict and load_state_dict")


def decode(document: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The value that `encode` wrote. Raises ValueError for a document that it would not have written."""
    match document:
        case None | bool() | int() | float() | str():
            return document
        case list():
            return [decode(item, arrays) for item in document]
        case {"$array": str(name), "axes": list(axes)}:
            return _get(name, arrays).transpose(np.argsort(axes))
        case {"$array": str(name)}:
            return _get(name, arrays)
        case {"$number": [kind, number]} if kind in NUMBERS:
            return np.dtype(kind).type(decode(number, arrays))
        case {"$scalar": str(name)}:
            return _get(name, arrays)[()]
        case {"$float": "nan" | "inf" | "-inf" as text}:
            return float(text)
        case {"$complex": [real, imag]}:
            return complex(decode(real, arrays), decode(imag, arrays))
        case {"$tuple": list(items)}:
            return tuple(decode(item, arrays) for item in items)
        case {"$dict": list(pairs)}:
            return {decode(key, arrays): decode(item, arrays) for key, item in pairs}
        case dict() if not any(key.startswith("$") for key in document):
            return {key: decode(item, arrays) for key, item in document.items()}
    raise ValueError(f"its state says {str(document)[:80]}, which means nothing")


def _encode_array(array: np.ndarray, path: str, arrays: Arrays) -> Any:
    """Order in memory is kept, for sums may be taken along it, and other sums have other last bits."""
    axes = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    if array.flags.c_contiguous or not array.transpose(axes).flags.c_contiguous:
        return {"$array": _put(array, path, arrays)}
    return {"$array": _put(array.transpose(axes), path, arrays), "axes": axes}


def _put(array: np.ndarray, path: str, arrays: Arrays) -> str:
    name = ascii(path)[1:-1][:1000]  # what every format can write; the true keys are in the document
    while name in arrays:
        name += "'"
    arrays[name] = array
    return name


def _get(name: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    if name not in arrays:
        raise ValueError(f"its state refers to an array {name!r} that is not there")
    return arrays[name]


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"its JSON says {next(n for n in names if names.count(n) > 1)!r} twice")
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"its JSON says {text}, which is no number")
