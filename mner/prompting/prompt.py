"""Prompts: template files with the post, its caption and solved examples as fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from mner.errors import ConfigurationError, summary
from mner.paths import is_file
from mner.posts import Post
from mner.unicode import repair_surrogates

FOLDER = Path(__file__).parent / "prompts"
_FIELDS = {
    "instructions": {"types"},
    "question": {"post", "caption", "examples", "types", "entity", "type"},
    "example": {"post", "caption", "answer", "entity", "type"},
}
_FIELD = re.compile(r"\$\{(\w+)\}")
_MARKER = re.compile(r"<(?=[|\uff5c/!]?[A-Za-z_])|<(?=<)|\[(?=/?[A-Z_]+\])")
"""The beginning of a tag, of a special token such as ``<|im_end|>`` or ``</s>``, or of a marker such as ``[INST]``."""


@dataclass(frozen=True)
class Prompt:
    """A template of questions about posts.

    A line with a field that is empty for a post, such as the caption of a post that has none, is left out. What comes
    from a post is data: fields are filled in once, so that ``${caption}`` in a post is text, and whatever could close
    the tags around the post or begin a special token of a model is broken up by a space.

    Args:
        kind: What the answers are, for example ``knowledge``: the kind of the contexts.
        instructions: The system message, with the field ``types``.
        question: The user's message, with the fields ``post``, ``caption``, ``examples``, ``types`` and, about one
            entity, ``entity`` and ``type``.
        example: A solved example, with the fields ``post``, ``caption`` and ``answer``; empty for a prompt without.
        needs_image: Whether posts without an image are left out.
    """

    kind: str
    instructions: str
    question: str
    example: str = ""
    needs_image: bool = False

    def __post_init__(self) -> None:
        """Check the fields of the template.

        Raises:
            ConfigurationError: If it has an unknown field, or does not show the post.
        """
        for part, known in _FIELDS.items():
            strange = sorted(set(_FIELD.findall(getattr(self, part))) - known)
            if strange:
                raise ConfigurationError(
                    f"the {part} of the prompt {self.kind!r} contains the field {strange[0]!r}; there are "
                    f"{', '.join(sorted(known))}"
                )
        if "post" not in self.fields:
            raise ConfigurationError(f"the question of the prompt {self.kind!r} does not show the post; add ${{post}}")

    @property
    def fields(self) -> frozenset[str]:
        """The fields of the question: what it shows of a post, and around it."""
        return frozenset(_FIELD.findall(self.question))

    @classmethod
    def load(cls, name: str | Path) -> Prompt:
        """Read a prompt: one that ships with mner, by name, or a YAML file of the arguments of this class.

        Raises:
            ConfigurationError: If there is none, or it is malformed.
        """
        path = Path(name)
        if not is_file(path):
            shipped = {each.stem: each for each in sorted(FOLDER.glob("*.yaml"))}
            if str(name) not in shipped:
                raise ConfigurationError(f"no prompt {str(name)!r}: give a YAML file, or one of {', '.join(shipped)}")
            path = shipped[str(name)]
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise ConfigurationError(f"{path} is not a YAML file: {summary(error)}") from error
        if not isinstance(content, dict) or not {"kind", "instructions", "question"} <= content.keys():
            raise ConfigurationError(f"expected {path} to have kind, instructions and question, as a mapping")
        strange = sorted(content.keys() - {*cls.__dataclass_fields__}, key=str)
        if strange:
            raise ConfigurationError(
                f"{path}: unknown key {strange[0]!r}; there are {', '.join(cls.__dataclass_fields__)}"
            )
        for key, value in content.items():
            expected = bool if key == "needs_image" else str
            if not isinstance(value, expected):
                raise ConfigurationError(f"{path}: expected {key} to be of type {expected.__name__}, got {value!r:.60}")
        if re.fullmatch(r"\w+", content["kind"]) is None or content["kind"] in ("id", "image_id"):
            raise ConfigurationError(f"{path}: expected kind to be a word, such as knowledge, got {content['kind']!r}")
        return cls(**content)

    def instruct(self, types: str = "") -> str:
        """Fill in the instructions."""
        return _filled(self.instructions, {"types": types})

    def ask(self, post: Post, examples: Iterable[str] = (), types: str = "", entity: str = "", type: str = "") -> str:
        """Fill in the question.

        Args:
            post: The post.
            examples: Solved examples, see :meth:`solve`.
            types: The entity types in words.
            entity: The entity in question, if there is one.
            type: Its type.
        """
        fields = {"examples": "\n\n".join(examples), "types": types}
        return _filled(self.question, {**_shown(post), **fields, "entity": as_data(entity), "type": type})

    def solve(self, post: Post, answer: str) -> str:
        """Fill in a solved example."""
        return _filled(self.example, {**_shown(post), "answer": answer})


def as_data(text: str) -> str:
    """Break up tags and special tokens in a text that others wrote, so that it ends nowhere but at its end.

    Example:
        >>> as_data("hi </post> <|im_end|> [INST] I <3 it")
        'hi < /post> < |im_end|> [ INST] I <3 it'
    """
    return _MARKER.sub(lambda match: f"{match[0]} ", repair_surrogates(text)[0])


def _shown(post: Post) -> Mapping[str, str]:
    text = post.text if post.text is not None else " ".join(post.words)
    return {"post": as_data(text.strip()), "caption": as_data(" ".join(post.contexts.get("caption", "").split()))}


def _filled(template: str, fields: Mapping[str, str]) -> str:
    lines = (line for line in template.splitlines() if all(fields[name] for name in _FIELD.findall(line)))
    return _FIELD.sub(lambda match: fields[match[1]], "\n".join(lines)).strip()
