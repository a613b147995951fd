"""The parser's messages in one line: the option, what was expected and what was given."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from mner.components import Component

_KEY = re.compile(r'Parser key "([^"]+)"')
_NOISE = re.compile(
    r"Does not validate against any|Subtypes: |Errors:|Given value|Problem with given class_path|Parser key |"
    r"Expected a path but |Expected an? <class 'NoneType'>|Not a valid subclass of |Subclass types expect|"
    r"a class path \(str\)|a dict with|$"
)
_EXPECTED = re.compile(
    r"Expected an? (?:<class '(?:\w+\.)*(\w+)'>|(?:typing\.)?(\S+?\[.*\])|(dot import path) .*)(?:\. Got value: .*)?$"
)
_SUBTYPES = re.compile(r"Subtypes: (.*)")
_GIVEN = re.compile(r"(?:Got value|Given value): (.*)")
_NESTED = re.compile(r"NestedArg\(key='([^']*)'")
_NO_CLASS = re.compile(r"Not a valid subclass of (PostDataModule|TrainingModule)\b")
_CHOOSE = {
    "PostDataModule": "no data set is chosen: add --config demo or another name of mner configs, or --data with "
    "the name of a class, before options that change its arguments",
    "TrainingModule": "no model is chosen: add --config 1.0_bert_crf or another name of mner configs, or "
    "--model with the name of a class, before options that change its arguments",
}
_UNKNOWN_CLASS = re.compile(r"Expected a dot import path string: ([A-Za-z_]\w*)$|Unexpected import path format: (\w+)$")
_INFINITE = re.compile(r"[-+.]*(nan|inf|infinity)", re.IGNORECASE)
_TYPES = {
    "Mapping": "a mapping",
    "dict": "a mapping",
    "Iterable": "a list",
    "Sequence": "a list",
    "list": "a list",
    "dot import path": "the name or the arguments of a class",
}


def shortened(message: str) -> str:
    """Reduce a message of jsonargparse to what a user can act on.

    Args:
        message: The message. One of a single line is returned unchanged.
    """
    keys = re.sub(r"^(fit|validate|test|predict)\.", "", ".".join(dict.fromkeys(_KEY.findall(message))))
    if "\n" not in message:
        return message
    complaints = "; ".join(dict.fromkeys(_complaints(message))) or "not accepted"
    return f"--{keys}: {complaints}" if keys else complaints


def _complaints(message: str) -> Iterator[str]:
    """The complaints about the innermost option: about its class if there are such, else about its type."""
    yield from (_CHOOSE[name] for name in _NO_CLASS.findall(message))
    lines = [(len(line) - len(line.lstrip(" -")), line.lstrip(" -")) for line in message.splitlines()]
    lines = [(depth, text) for depth, text in lines if not _NOISE.match(text)]
    innermost = [text for depth, text in lines if depth == max(each for each, _ in lines)]
    unknown = [match[1] or match[2] for text in innermost if (match := _UNKNOWN_CLASS.match(text))]
    if unknown:
        yield from map(_unknown_class, unknown)
        return
    given = _GIVEN.search(message)
    reasons = [text for _, text in lines if not _EXPECTED.match(text)]
    if reasons and given is not None and "Namespace(class_path=" in given[1]:  # what its constructor said
        yield from reasons
        return
    # Of Literal[64, 32] the parser says that it expected an int.
    is_literal = any("Literal[64" in each and "class 'int'" not in each for each in _SUBTYPES.findall(message))
    types = [
        _in_words(match[1] or match[2] or match[3])
        for text in innermost
        if (match := _EXPECTED.match(text)) and not (match[1] == "int" and is_literal)
    ]
    if not types or given is None:
        yield from innermost
        return
    nested = _NESTED.match(given[1])
    listed = f" such as [{given[1]}]" if types == ["a list"] else ""
    if _INFINITE.fullmatch(given[1]):
        types = ["a finite number" if each == "float" else each for each in types]
    words = dict.fromkeys(word for each in sorted({*types}) for word in each.split(" or "))
    expected = " or ".join(words) if len(words) < 5 else f"one of {', '.join(words)}"
    yield f"expected {expected}{listed}, {f'which has no {nested[1]}' if nested else f'got {given[1]!r}'}"


def _in_words(expected: str) -> str:
    if expected.startswith("Literal["):
        return expected.removeprefix("Literal[").removesuffix("]").replace("'", "").replace(", ", " or ")
    name = expected.partition("[")[0].rpartition(".")[2]
    return _TYPES.get(name, name)


def _unknown_class(name: str) -> str:
    from pytorch_lightning import LightningDataModule

    known = {cls.__name__ for base in (Component, LightningDataModule) for cls in _subclasses(base)}
    if name in known:
        return f"{name} is a class of another kind; --help lists those that the option takes"
    close = difflib.get_close_matches(name, sorted(known))
    meant = f"did you mean {', '.join(close)}? A" if close else "a"
    return f"no class is called {name!r}; {meant} class of your own is given by its dotted path, my_module.{name}"


def _subclasses(cls: type) -> Iterator[type]:
    subclasses: list[type] = cls.__subclasses__()
    for each in subclasses:
        yield each
        yield from _subclasses(each)
