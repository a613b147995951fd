"""Which classes a checkpoint may name: those of mner, of installed plugins, and of modules the user has imported.

A checkpoint is somebody else's data. The name of a class in it never imports a module, except one of mner itself: any
other module must already have been imported by the user or an installed package.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from mner.errors import CheckpointError, ConfigurationError
from mner.plugins import load_plugins

MAX_PATH = 500
OWN_PACKAGE = __name__.partition(".")[0]


def import_named(modules: str | Iterable[str]) -> None:
    """Import modules that the user names, so that checkpoints may name their classes.

    Args:
        modules: Dotted names; one string is one module.

    Raises:
        ConfigurationError: If one of them cannot be imported.
    """
    if not isinstance(modules, Iterable):
        raise ConfigurationError(f'expected modules by their dotted names, such as ["my_fusion"], got {modules!r:.60}')
    for name in [modules] if isinstance(modules, str) else modules:
        try:
            import_module(name)
        except Exception as error:  # noqa: PERF203  the import of a user's module may fail in any way
            raise ConfigurationError(
                f"the module {name!r} cannot be imported ({type(error).__name__}: {error}); give the dotted name of a "
                "module that is installed, on PYTHONPATH or in the working directory"
            ) from error


def find_class(path: Any, base: type) -> type:
    """Find a class by its dotted path without importing a module only because the path names it.

    Args:
        path: ``module.Class``, where the class is defined at the top level of the module.
        base: What the class must be derived from.

    Raises:
        CheckpointError: If there is no such class in a trusted module; explains how to name the module.
    """
    module, _, name = path.rpartition(".") if isinstance(path, str) else ("", "", "")
    if len(str(path)) > MAX_PATH or not all(
        part.isidentifier() and not part.startswith("__") for part in (*module.split("."), name)
    ):
        raise CheckpointError(f"expected the dotted path of a class, got {str(path)[:80]!r}")
    if module.partition(".")[0] == OWN_PACKAGE:
        try:
            import_module(module)
        except ImportError as error:
            raise CheckpointError(
                f"the class {path} cannot be imported ({error}); install the version of mner that saved the checkpoint"
            ) from error
    elif module not in sys.modules:
        load_plugins()
    if module not in sys.modules:
        raise CheckpointError(
            f"the class {path} is not imported: its module is not part of mner, of an installed plugin or of a module "
            f"that was named. If you trust its code, name it: --import {module} on the command line, "
            f'modules=["{module}"] in mner.load, or import {module} in Python; code in a model folder or on a hub is '
            "executed by trust_remote_code=True"
        )
    # Only what the module itself defines: nested attributes and a module's __getattr__ are ignored.
    found = vars(sys.modules[module]).get(name)
    if found is None:
        raise CheckpointError(f"the module {module} has no class {name}; use its version that trained the model")
    if not isinstance(found, type) or not issubclass(found, base):
        raise CheckpointError(f"{path} is not a {base.__name__} of mner, and nothing else is built from a checkpoint")
    if (found.__module__, found.__qualname__) != (module, name):
        raise CheckpointError(
            f"{path} is defined elsewhere, as {found.__module__}.{found.__qualname__}; a checkpoint names a class "
            "by the module that defines it"
        )
    return found
