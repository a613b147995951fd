"""Type checks of a component's arguments, the same from Python and from a checkpoint."""

from __future__ import annotations

import inspect
import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from functools import cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mner.errors import ConfigurationError

MAX_SEED = 2**32 - 1
"""The largest seed, that of NumPy."""

_WORDS: dict[Any, str] = {
    float: "a finite number",
    int: "a whole number",
    str: "a string",
    bool: "True or False",
    NoneType: "None",
}

_PLAIN = (str, bytes, int, float, NoneType, list, tuple, dict)


def check_types(cls: type, arguments: Mapping[str, Any]) -> None:
    """Check arguments against the type hints of a constructor, of its own and of those to which it passes ``**kwargs``.

    Numbers must be finite; those of NumPy count as Python's, a path as a string, and any sequence as a list. Only types
    of plain data, components and options are checked.

    Args:
        cls: The class that is built.
        arguments: Its arguments by name.

    Raises:
        ConfigurationError: If an argument has another type; names the class and the argument.
    """
    hints = _hints(cls)
    for name, value in arguments.items():
        check_type(name, value, hints.get(name, Any), f"{cls.__name__}: ")


def check_type(name: str, value: Any, hint: Any, of: str = "") -> None:
    """Check one argument against its type hint, as :func:`check_types` does.

    Args:
        name: The argument.
        value: Its value.
        hint: Its type.
        of: What the message begins with.

    Raises:
        ConfigurationError: If it has another type; names the argument.
    """
    if not _fits(value, hint):
        found = f"{value!r:.60} ({type(value).__name__})" if isinstance(value, _PLAIN) else type(value).__name__
        raise ConfigurationError(f"{of}expected {name} to be {_in_words(hint)}, got {found}")


def constructor_arguments(cls: type, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a constructor by name, with its defaults, checked by :func:`check_types`.

    Args:
        cls: The class that is built.
        args: The positional arguments.
        kwargs: The keyword arguments.

    Raises:
        ConfigurationError: If an argument has another type than its hint, or is a number that is not finite.
    """
    signature = inspect.signature(cls.__init__)  # type: ignore[misc]  # of the class itself
    bound = signature.bind_partial(None, *args, **kwargs)
    bound.apply_defaults()
    arguments: dict[str, Any] = {}
    for index, (name, parameter) in enumerate(signature.parameters.items()):
        if index == 0 or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments.update(bound.arguments.get(name, {}))
        elif name in bound.arguments:
            arguments[name] = bound.arguments[name]
    check_types(cls, arguments)
    return arguments


def check_range(name: str, value: float | None, interval: str) -> None:
    """Check that a number is in an interval.

    Args:
        name: The argument.
        value: Its value; ``None`` is in every interval, NaN in none.
        interval: Such as ``(0, 1]``; ``[1, inf)`` has no upper bound.

    Raises:
        ConfigurationError: If it is not; names the argument, the interval and the value.

    Example:
        >>> check_range("lr", 0.0, "[0, inf)")
        >>> check_range("dropout", 1.0, "[0, 1)")
        Traceback (most recent call last):
        mner.errors.ConfigurationError: expected dropout in [0, 1), got 1.0
    """
    low, high = map(float, interval[1:-1].split(", "))
    above = value is None or value > low or (interval[0] == "[" and value == low)
    below = value is None or value < high or (interval[-1] == "]" and value == high)
    if not (above and below):
        is_one_sided = high == math.inf and low > -math.inf
        sign = ">=" if interval[0] == "[" else ">"
        expected = f"{sign} {interval[1:].partition(',')[0]}" if is_one_sided else f"in {interval}"
        raise ConfigurationError(f"expected {name} {expected}, got {value!r}")


def plain_scalar(value: Any) -> Any:
    """Return the bool, int, float or str that a value of NumPy, an enumeration or a subclass equals.

    Args:
        value: Any value; one that is not such a scalar is returned unchanged.
    """
    numpy = sys.modules.get("numpy")  # importing it would be slow, and without it there is no NumPy value
    if isinstance(value, bool) or (numpy is not None and isinstance(value, numpy.bool_)):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return str.__str__(value) if isinstance(value, str) else value


@cache
def _hints(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        with suppress(NameError, TypeError):  # a type that is imported for the type checker only, or no Python function
            found |= get_type_hints(vars(base).get("__init__"))
    return found


def _in_words(expected: Any) -> str:
    origin, inner = get_origin(expected), get_args(expected)
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin in (Union, UnionType):
        return " or ".join(map(_in_words, inner))
    kind: type = origin or expected
    if kind in _WORDS:
        return _WORDS[kind]
    if issubclass(kind, Mapping):
        return "a dict"
    if issubclass(kind, Sequence):
        return "a list of strings" if inner == (str,) else "a list"
    return f"a{'n' if kind.__name__[0] in 'AEIOU' else ''} {kind.__name__}"


def _fits(value: Any, expected: Any) -> bool:
    if expected is Any:
        return True
    origin, inner = get_origin(expected), get_args(expected)
    scalar = plain_scalar(value)
    if origin is Literal:
        return any(scalar == each and type(scalar) is type(each) for each in inner)
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in inner)
    kind = origin or expected
    if not isinstance(kind, type):
        return True
    if issubclass(kind, Mapping):
        return isinstance(value, Mapping) and (
            not inner or all(_fits(k, inner[0]) and _fits(v, inner[1]) for k, v in value.items())
        )
    if issubclass(kind, Sequence) and kind not in (str, bytes):
        is_list = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
        return is_list and (not inner or kind is tuple or all(_fits(each, inner[0]) for each in value))
    if kind is float:
        return type(scalar) in (int, float) and abs(scalar) <= sys.float_info.max
    if kind in (bool, int, str):
        return type(scalar) is kind
    return isinstance(value, kind) or (is_dataclass(kind) and isinstance(value, Mapping))  # options from a checkpoint
