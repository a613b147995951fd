"""A checkpoint of a model that was never trained."""

from pytorch_lightning import Trainer


def save_untrained(model, path):
    """Write the checkpoint and return its path as a string."""
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    model.trainer = trainer
    trainer.strategy.connect(model)
    trainer.save_checkpoint(path, weights_only=True)
    return str(path)
