"""Training: the parts that all trained models have in common, whatever their task."""

from mner.training.module import TrainingModule
from mner.training.optimization import Optimization

__all__ = ["Optimization", "TrainingModule"]
