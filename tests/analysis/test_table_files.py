"""Tables of a report as files: CSV that reads back, LaTeX in which names are text."""

import io

import pytest

pytest.importorskip("pandas")

import pandas as pd

from mner.analysis.report_sections import Section
from mner.analysis.table_files import table_files

TABLE = pd.DataFrame({"model": ['1.0_bert & CRF, "x"', "50 % \\input{a}"], "F1": ["80.10 ± 0.20", "79.00"]})


def test_each_table_is_written_twice_under_a_name_of_its_own():
    files = dict(table_files([Section("Scores", "", [TABLE]), Section("What is missing", "", [TABLE, TABLE])]))
    assert len(files) == 6
    assert {"scores.csv", "scores.tex", "what_is_missing.csv"} < set(files)
    assert pd.read_csv(io.StringIO(files["scores.csv"]), dtype=str).equals(TABLE)


def test_latex_shows_names_as_text():
    text = dict(table_files([Section("Scores", "", [TABLE])]))["scores.tex"]
    assert r"1.0\_bert \& CRF" in text
    assert r"50 \% \textbackslash input\{a\}" in text


def test_numbers_are_aligned_right_and_set_as_numbers():
    table = pd.DataFrame({"model": ["0.1.0"], "F1": ["80.10 ± 0.20"], "interval": ["-1.2 to -0.3"], "p": ["< 0.001"]})
    text = dict(table_files([Section("Scores", "", [table])]))["scores.tex"]
    assert r"\begin{tabular}{lrrr}" in text
    assert r"0.1.0 & 80.10 $\pm$ 0.20 & $-$1.2 to $-$0.3 & $<$ 0.001 \\" in text
