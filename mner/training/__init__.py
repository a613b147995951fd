"""Training: what every model that is trained has in common, whatever its task."""

from mner.training.module import TrainingModule
from mner.training.optimization import Optimization

__all__ = ["Optimization", "TrainingModule"]
