"""The parser of a training command, built once for all command lines that a test parses."""

from functools import cache

import pytest

from mner.cli.training import TrainingCommandLine


class Built(Exception):  # noqa: N818
    """Stops the command line before it parses, and carries its parser."""


class ParserOnly(TrainingCommandLine):
    def parse_arguments(self, parser, args):
        raise Built(parser)


@cache
def training_parser(command="fit"):
    with pytest.raises(Built) as built:
        ParserOnly([command])
    return built.value.args[0]
