"""A command reads and writes UTF-8 in a locale of another encoding, and talks to the terminal in that of the locale."""

import os
import subprocess
import sys
from pathlib import Path

import mner
from mner.cli import main

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
REPORT = """
import locale, os, sys
from mner.cli.utf8_mode import enter_utf8_mode
enter_utf8_mode()
encodings = [locale.getpreferredencoding(False), sys.stdout.encoding, sys.getfilesystemencoding()]
print(os.getpid(), *(each.lower() for each in encodings), ascii(sys.argv[1:]))
"""


def run(*arguments, **changes):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "PYTHON", "LANG"))}
    environment |= {"PYTHONPATH": str(Path(mner.__file__).parent.parent), **changes}
    process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0
    return output, process.pid


def test_an_ascii_locale():
    output, pid = run("-c", REPORT, "--data.root", "Größe".encode(), **ASCII)
    assert output.decode() == f"{pid} utf-8 ascii utf-8 ['--data.root', 'Gr\\xf6\\xdfe']\n"


def test_a_locale_of_utf_8_and_a_chosen_encoding_of_the_streams_stay():
    assert run("-c", REPORT, LC_ALL="C.UTF-8")[0].split()[1:4] == [b"utf-8", b"utf-8", b"utf-8"]
    assert run("-c", REPORT, **ASCII, PYTHONIOENCODING="koi8-r")[0].split()[1:4] == [b"utf-8", b"koi8-r", b"utf-8"]


def test_commands_do_so_and_calls_from_python_do_not(monkeypatch, capsys):
    entered = []
    monkeypatch.setattr("mner.cli.enter_utf8_mode", lambda: entered.append(True))
    monkeypatch.setattr(sys, "argv", ["mner", "--version"])
    assert (main(["--version"]), entered) == (0, [])
    assert (main(), entered) == (0, [True])
