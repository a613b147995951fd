"""Training: what every model that is trained has in common, whatever its task."""

from mner.training.module import TrainingModule

__all__ = ["TrainingModule"]
