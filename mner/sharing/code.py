"""The code of a user's own classes, which a model folder may contain and only ``trust_remote_code`` executes."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from mner.checkpoint_file import reason
from mner.errors import CheckpointError
from mner.files import atomic_write
from mner.plugins import load_plugins
from mner.sharing.folder import read_config
from mner.trust import OWN_PACKAGE, import_named


def write_code(config: Any, folder: Path) -> list[str]:
    """Copy the modules of a user's own classes into a folder.

    Modules of installed packages, and modules of a package of several files, are left out; whoever loads the model
    needs them installed.

    Args:
        config: The config of a model.
        folder: The folder.

    Returns:
        The modules that are not part of mner.
    """
    modules = foreign_modules(config)
    for module in modules:
        source = inspect.getsourcefile(sys.modules[module])
        if source is not None and module.isidentifier() and module not in packages_distributions():
            text = Path(source).read_text(encoding="utf-8")
            with atomic_write(folder / f"{module}.py") as file:
                file.write(text)
    return modules


def import_code(folder: Path) -> None:
    """Import the modules of a model's own classes, from its folder or from where they are installed.

    Raises:
        CheckpointError: If the code in the folder cannot be executed.
        ConfigurationError: If a module is neither in the folder nor installed.
    """
    load_plugins()
    for module in foreign_modules(read_config(folder)):
        if module in sys.modules:
            continue
        path = folder / f"{module}.py"
        if re.fullmatch(r"\w+", module) and module not in sys.stdlib_module_names and path.is_file():
            _execute(module, path)
        else:
            import_named(module)


def foreign_modules(config: Any) -> list[str]:
    """List the modules of the classes in a config that are not part of mner."""
    named = {path.rpartition(".")[0] for path in _class_paths(config)}
    return sorted(module for module in named if module and module.partition(".")[0] != OWN_PACKAGE)


def _class_paths(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        path = config.get("class_path")
        if isinstance(path, str) and "init_args" in config:
            yield path
        for value in config.values():
            yield from _class_paths(value)
    elif isinstance(config, list):
        for value in config:
            yield from _class_paths(value)


def _execute(name: str, path: Path) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CheckpointError(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # code of somebody else
        del sys.modules[name]
        raise CheckpointError(f"{path} cannot be imported ({reason(error)}); ask its authors") from error
