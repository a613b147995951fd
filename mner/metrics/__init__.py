"""Metrics over entities."""

from mner.metrics.character_f1 import CharacterF1
from mner.metrics.entity_f1 import EntityF1
from mner.metrics.grounded_f1 import GroundedF1
from mner.metrics.seqeval_report import seqeval_report

__all__ = ["CharacterF1", "EntityF1", "GroundedF1", "seqeval_report"]
