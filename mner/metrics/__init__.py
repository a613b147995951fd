"""Metrics over entities."""

from mner.metrics.entity_f1 import EntityF1
from mner.metrics.seqeval_report import seqeval_report

__all__ = ["EntityF1", "seqeval_report"]
