"""Python's UTF-8 mode for commands, whatever the encoding of the locale."""

from __future__ import annotations

import locale
import os
import sys


def enter_utf8_mode() -> None:
    """Start the command again in UTF-8 mode if the locale has another encoding, such as that of ``LANG=en_US``.

    mner names the encoding of every file that it opens, but the libraries that read configs and write logs use that of
    the locale: there an accent in a config would be a decoding error, or silently two other letters. The standard
    streams keep the encoding of the terminal, and child processes inherit both settings.
    """
    if sys.flags.utf8_mode or not sys.executable or locale.nl_langinfo(locale.CODESET).lower() in ("utf-8", "utf8"):
        return
    if sys.stdout is not None:
        os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
