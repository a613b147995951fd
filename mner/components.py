"""Parts that remember how they were built, so that a checkpoint can rebuild them.

``Component.__new__`` records the bound constructor arguments, :func:`to_config` turns them into plain
``{class_path, init_args}`` data, and :func:`from_config` rebuilds the part. Nothing is pickled, so a checkpoint
that contains such a config loads under ``weights_only=True``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from math import isfinite
from typing import Any

from mner.argument_types import constructor_arguments, plain_scalar
from mner.errors import CheckpointError, ConfigurationError
from mner.trust import find_class
from mner.weights import closed_sources

PLAIN = (str, int, float, bool, type(None))


class Component:
    """Base of everything that a config describes: encoders, decoders, fusions, captioners."""

    _arguments: dict[str, Any]

    def checkpoint_arguments(self) -> dict[str, Any]:
        """Return the constructor arguments that a checkpoint keeps; by default all of them.

        Those are the arguments given and the defaults of the class's own constructor, not of bases that it passes
        ``**kwargs`` on to: a subclass may fix these. A model of ``mner fit`` is given every argument.

        A part whose constructor reads weights, a name or a size from elsewhere overrides this, calls ``super()`` and
        replaces what must not be read again when a checkpoint is loaded.

        Returns:
            A new dict of plain data and components by argument name.
        """
        return dict(self._arguments)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Check and record the constructor's arguments before it runs.

        Raises:
            ConfigurationError: If an argument has another type than its hint, or is a number that is not finite.
        """
        self = super().__new__(cls)
        object.__setattr__(self, "_arguments", constructor_arguments(cls, args, kwargs))
        return self


def takes_any_keyword(cls: type) -> bool:
    """Return whether a constructor has ``**kwargs``, which it passes on to the constructor of its base."""
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in inspect.signature(cls).parameters.values())


def class_path(cls: type) -> str:
    """Return the dotted path under which a class is imported."""
    return f"{cls.__module__}.{cls.__qualname__}"


def to_config(component: Component) -> dict[str, Any]:
    """Describe a component as plain data from which :func:`from_config` can rebuild it.

    Args:
        component: A component, which may contain others.

    Returns:
        ``{"class_path": ..., "init_args": {...}}`` of strings, numbers, lists and dicts only.

    Raises:
        TypeError: If an argument is not plain data; names the argument and its type.
        ConfigurationError: If a number is not finite.
        CheckpointError: If the class of the component or of a part in it cannot be imported by its name.
    """
    for cls in _classes(component):
        if cls.__module__ == "__main__" or getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is not cls:
            raise CheckpointError(
                f"the class {class_path(cls)} cannot be kept in a checkpoint, since it could not be imported when the "
                "checkpoint is loaded; define it at the top level of a module (not in a function, another class, a "
                "script or a notebook) and import it from there"
            )
    return describe(component)


def _classes(value: Any) -> Iterator[type]:
    if isinstance(value, Component):
        yield type(value)
        value = value.checkpoint_arguments()
    if isinstance(value, (Mapping, Sequence)) and not isinstance(value, (str, bytes)):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _classes(each)


def describe(component: Component) -> dict[str, Any]:
    """Return what :func:`to_config` does, even if a class cannot be imported; for comparing components.

    Raises:
        TypeError: If an argument is not plain data; names the argument and its type.
        ConfigurationError: If a number is not finite.
    """
    path, arguments = class_path(type(component)), component.checkpoint_arguments()
    return {"class_path": path, "init_args": {k: _plain(v, f"{path}({k}=...)") for k, v in arguments.items()}}


def check_arguments(component: Component) -> None:
    """Refuse arguments that a checkpoint cannot keep; called by constructors, so that no training is wasted.

    Raises:
        TypeError: If an argument is not plain data; names the argument and its type.
        ConfigurationError: If a number is not finite.
    """
    for name, value in component._arguments.items():
        if isinstance(value, Component):
            check_arguments(value)
        else:
            _plain(value, f"{class_path(type(component))}({name}=...)")


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, Component):
        return describe(value)
    value = plain_scalar(value)
    if isinstance(value, float) and not isfinite(value):
        raise ConfigurationError(f"expected {where} to be a finite number, got {value}")
    if isinstance(value, PLAIN):
        return value
    if is_dataclass(value) and not isinstance(value, type):  # options, whose constructor also takes the mapping
        return {each.name: _plain(getattr(value, each.name), f"{where}.{each.name}") for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain_scalar(k)): _plain(v, f"{where}[{k!r}]") for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(v, f"{where}[{i}]") for i, v in enumerate(value)]
    raise TypeError(
        f"{where} contains a {type(value).__name__}, which a checkpoint cannot keep as plain data; "
        "give a string, a number, a list or a dict, or derive its class from mner.components.Component"
    )


def from_config(config: Any) -> Any:
    """Build what :func:`to_config` described; anything else is returned unchanged.

    Nothing outside the description is read while it is built (see :mod:`mner.weights`), and no class is imported that
    :func:`mner.trust.find_class` does not trust. All classes are resolved before the first is built.

    Args:
        config: Plain data, with ``{"class_path", "init_args"}`` in place of each component.

    Raises:
        CheckpointError: If a class is not trusted or not a :class:`Component`, or a part requests a file or the
            network.
    """
    found = _with_classes(config)
    with closed_sources():
        return _build(found)


@dataclass
class _Part:
    """A component to build, with its class resolved."""

    cls: type
    arguments: dict[str, Any]


def _with_classes(config: Any) -> Any:
    if isinstance(config, Mapping):
        if set(config) == {"class_path", "init_args"}:
            cls, arguments = find_class(config["class_path"], Component), config["init_args"]
            if not isinstance(arguments, Mapping):
                raise CheckpointError(f"{class_path(cls)}: expected init_args by name, got {type(arguments).__name__}")
            return _Part(cls, {k: _with_classes(v) for k, v in arguments.items()})
        return {k: _with_classes(v) for k, v in config.items()}
    if isinstance(config, list):
        return [_with_classes(v) for v in config]
    return config


def _build(found: Any) -> Any:
    if isinstance(found, _Part):
        return found.cls(**{k: _build(v) for k, v in found.arguments.items()})
    if isinstance(found, dict):
        return {k: _build(v) for k, v in found.items()}
    if isinstance(found, list):
        return [_build(v) for v in found]
    return found
