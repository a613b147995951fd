"""A missing package of an extra is one error that names the extra."""

import pytest

from mner.errors import ConfigurationError
from mner.extras import extra


def test_the_extra_is_named():
    message = r'^a figure needs no_such_package: pip install "mner\[report\]"$'
    with pytest.raises(ConfigurationError, match=message), extra("report", "a figure"):
        import no_such_package.part  # noqa: F401


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), extra("report", "a figure"):
        raise ZeroDivisionError
