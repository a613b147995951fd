"""Of many problems the first are shown, and all are counted."""

from mner.bounded_report import BoundedReport


def test_the_first_are_shown_and_all_are_counted():
    shown = []
    report = BoundedReport(shown.append, "bad lines", max_shown=2)
    for problem in (ValueError("a"), "b"):
        report(problem)
    assert shown == ["a", "b"]
    for _ in range(100):
        report("c")
    assert shown == ["a", "b", "further bad lines are only counted"]
    assert report.count == 102
