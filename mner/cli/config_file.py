"""Checking the text of a config: an option that is given twice would silently lose its first value."""

from __future__ import annotations

from pathlib import Path

import yaml

from mner.errors import ConfigurationError


def check_config(path: Path) -> None:
    """Reject a config that is not text, or in which a mapping has a key twice.

    Malformed YAML is left to the parser of the options.

    Raises:
        ConfigurationError: Names the file, the line and the key.
    """
    try:
        stack = [yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)]
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text; a config is a YAML file") from error
    except (OSError, yaml.YAMLError, RecursionError):
        return
    seen: set[int] = set()  # an alias repeats a node, maybe within itself
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            stack += node.value
        elif isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if str(key.value) in keys:
                    raise ConfigurationError(
                        f"{path}, line {key.start_mark.line + 1}: {key.value!r:.60} is given twice; keep one"
                    )
                keys.add(str(key.value))
                stack.append(value)
