"""Parts that remember how they were built, so that a checkpoint can build them again.

``Component.__new__`` records the bound constructor arguments, :func:`to_config` turns them into plain
``{class_path, init_args}`` data, and :func:`from_config` builds the same part again. Nothing is pickled, so a
checkpoint that holds such a config loads under ``weights_only=True``.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mner.errors import CheckpointError

PLAIN = (str, int, float, bool, type(None))


class Component:
    """Base of everything that stands in a config: encoders, decoders, fusions, captioners."""

    _arguments: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Record the constructor's arguments before it runs."""
        self = super().__new__(cls)
        signature = inspect.signature(cls.__init__)
        bound = signature.bind_partial(self, *args, **kwargs)
        bound.apply_defaults()
        arguments: dict[str, Any] = {}
        for index, (name, parameter) in enumerate(signature.parameters.items()):
            if index == 0 or parameter.kind is parameter.VAR_POSITIONAL:
                continue
            if parameter.kind is parameter.VAR_KEYWORD:
                arguments.update(bound.arguments.get(name, {}))
            elif name in bound.arguments:
                arguments[name] = bound.arguments[name]
        object.__setattr__(self, "_arguments", arguments)
        return self


def class_path(cls: type) -> str:
    """The dotted path under which a class is imported."""
    return f"{cls.__module__}.{cls.__qualname__}"


def to_config(component: Component) -> dict[str, Any]:
    """Describe a component as plain data.

    Args:
        component: A part, with its own parts inside.

    Returns:
        ``{"class_path": ..., "init_args": {...}}`` of strings, numbers, lists and dicts alone.

    Raises:
        TypeError: If an argument is not plain data; names the argument and its type.
    """
    path = class_path(type(component))
    arguments = component._arguments
    return {"class_path": path, "init_args": {k: _plain(v, f"{path}({k}=...)") for k, v in arguments.items()}}


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, Component):
        return to_config(value)
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v, f"{where}[{k!r}]") for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v, f"{where}[{i}]") for i, v in enumerate(value)]
    raise TypeError(
        f"{where} holds a {type(value).__name__}, which a checkpoint cannot keep as plain data; "
        "give a string, a number, a list or a dict, or derive its class from mner.components.Component"
    )


def import_class(path: str) -> type:
    """Import a class from its dotted path.

    Raises:
        CheckpointError: If the module or the class is not there.
    """
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise CheckpointError(
            f"the class {path} cannot be imported ({error}); put its file on PYTHONPATH or install its package"
        ) from error
    if not isinstance(found, type):
        raise CheckpointError(f"{path} is not a class")
    return found


def from_config(config: Any) -> Any:
    """Build what :func:`to_config` described; anything else is returned as it is.

    Args:
        config: Plain data, with ``{"class_path", "init_args"}`` wherever a component stood.

    Raises:
        CheckpointError: If a class cannot be imported or is not a :class:`Component`.
    """
    if isinstance(config, Mapping):
        if set(config) == {"class_path", "init_args"}:
            cls = import_class(config["class_path"])
            if not issubclass(cls, Component):
                raise CheckpointError(f"{config['class_path']} is not an mner component")
            return cls(**{k: from_config(v) for k, v in config["init_args"].items()})
        return {k: from_config(v) for k, v in config.items()}
    if isinstance(config, list):
        return [from_config(v) for v in config]
    return config
