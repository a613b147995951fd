"""Sphinx directives that show what ``--help`` says of the commands of ``mner`` and of the classes that they take."""

import contextlib
import io
import re
import sys
import textwrap
from collections.abc import Iterable
from unittest.mock import patch

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mner.cli import COMMANDS, main
from mner.cli.option import Option, options_in
from mner.cli.static_help import class_help, described_classes

OPTION = "OPTION"
"""What stands for the option that takes the class."""
VERBATIM = {"support_smartquotes": False}
"""Attributes of a paragraph whose hyphens and quotation marks are left as they are."""
WIDTH = 88
"""Characters per line of a block of code, which the theme would wrap anywhere else."""
BRACKETS = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]")
POSITIONAL = re.compile(r"^  (\w+) +(.+(?:\n {10,}.+)*)", re.MULTILINE)


class CommandHelp(SphinxDirective):
    """The usage, description and options of one command."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Ask the command."""
        name = self.arguments[0]
        found: list[nodes.Node] = []
        for block in re.split(r"\n\n(?=\S)", help_of(name)):
            title, _, rest = block.partition("\n")
            if title.startswith("usage:"):
                usage = wrapped(block)
                found.append(nodes.literal_block(usage, usage, language="text"))
            elif options := list(options_in(f"\n{rest}").values()):
                found.append(section(title[0].upper() + title[1:].rstrip(":"), [option_list(options)]))
            elif title == "positional arguments:":
                named = [Option(name, "", " ".join(text.split())) for name, text in POSITIONAL.findall(rest)]
                found.append(section("Positional arguments", [option_list(named)]))
            elif title.endswith(":") and rest:
                found.append(
                    section(title[0].upper() + title[1:-1], [nodes.literal_block(rest, rest, language="text")])
                )
            else:
                found.append(text_of(" ".join(block.split())))
        return found


class CommandList(SphinxDirective):
    """What each command does, in the order of ``mner --help``, with links to their pages."""

    def run(self) -> list[nodes.Node]:
        """Read the overview."""
        rows = [f"* {{doc}}`mner {name} <commands/{name}>`: {about}\n" for name, (_, about) in COMMANDS.items()]
        return self.parse_text_to_nodes("".join(rows))


class ClassOptions(SphinxDirective):
    """The options of all classes of a package that the commands take; those that all of them have come first."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Read the help of each class."""
        prefixes = tuple(f"{prefix}." for prefix in self.arguments[0].split())
        classes = sorted(path for path in described_classes() if f"{path}.".startswith(prefixes))
        options = {path: options_in(class_help(path, OPTION)) for path in classes}
        shared = set.intersection(*({*each.values()} for each in options.values())) if len(classes) > 2 else set()
        found = [section(path, self._own_options(path, options[path], shared)) for path in classes]
        if shared:
            ordered = [option for option in options[classes[0]].values() if option in shared]
            found.append(section("Options of all of them", [option_list(ordered)]))
        return list(found)

    @staticmethod
    def _own_options(path: str, options: dict[str, Option], shared: set[Option]) -> list[nodes.Node]:
        title = re.search(r"^(\S.*):$", class_help(path, OPTION).partition("\n\n")[2], re.MULTILINE)
        return [
            text_of(f"{title[1]}." if title else ""),
            option_list(each for each in options.values() if each not in shared),
        ]


def section(title: str, content: Iterable[nodes.Node]) -> nodes.section:
    """A section; that of a class has its name as title and leads to its documentation."""
    found = nodes.section(ids=[nodes.make_id(title)], names=[title])
    found += nodes.title("", "", class_link(title)) if title.startswith("mner.") else nodes.title(text=title)
    found += list(content)
    return found


def option_list(options: Iterable[Option]) -> nodes.definition_list:
    """Describe options one by one, without those that only print help."""
    found = nodes.definition_list(classes=["options"])
    for option in options:
        name = option.name.replace(f"--{OPTION}.", "")
        if name in ("-h", "--help", f"--{OPTION}") or name.endswith(".help") or option.is_section:
            continue
        description, _, facts = (
            option.description.rpartition(" (") if option.description.endswith(")") else (option.description, "", "")
        )
        term = nodes.term("", "", nodes.literal(text=f"{name} {option.value}".strip()))
        definition = nodes.definition("", text_of(description))
        if facts:
            definition += nodes.paragraph("", "", *facts_of(facts.removesuffix(")")), classes=["facts"], **VERBATIM)
        found += nodes.definition_list_item("", term, definition)
    return found


def facts_of(facts: str) -> list[nodes.Node]:
    """The type and default of an option, and links to the classes that it takes."""
    plain, _, listed = re.sub(r"<class '([\w.]+)'>", r"\1", facts).partition("known subclasses: ")
    found: list[nodes.Node] = [nodes.Text(plain if not listed else f"{plain}classes: ")]
    for place, path in enumerate(listed.split(", ") if listed else ()):
        found += [nodes.Text(", ")] if place else []
        found.append(class_link(path) if path in described_classes() else nodes.literal(text=path))
    return found


def class_link(path: str) -> pending_xref:
    """The name of a class, which leads to its documentation."""
    name = nodes.literal(text=path.rpartition(".")[2])
    return pending_xref("", name, refdomain="py", reftype="class", reftarget=path, refwarn=False)


def text_of(text: str) -> nodes.paragraph:
    """A paragraph with the literals and class names of a docstring, and the options that it names."""
    found = nodes.paragraph(**VERBATIM)
    for place, part in enumerate(re.split(r"``(.+?)``|:\w+:`~?(?:\w+\.)*(\w+)`|(?<!\S)(--[\w.]+\w)", text)):
        if part:
            found += nodes.Text(part) if place % 4 == 0 else nodes.literal(text=part)
    return found


def wrapped(usage: str) -> str:
    """The usage in lines of a page's width, broken between options only."""
    joined = BRACKETS.sub(lambda option: option[0].replace(" ", "\0"), " ".join(usage.split()))
    lines = textwrap.wrap(joined, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


def help_of(name: str) -> str:
    """The text that ``mner NAME --help`` prints."""
    printed = io.StringIO()
    with (
        patch.object(sys, "argv", ["mner", name, "--help"]),
        patch.dict("os.environ", COLUMNS="90"),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        main()
    return printed.getvalue()


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("command-help", CommandHelp)
    app.add_directive("command-list", CommandList)
    app.add_directive("class-options", ClassOptions)
    return {"parallel_read_safe": True}
