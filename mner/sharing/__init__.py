"""Models as folders and on a model hub: config, weights, tokenizer and model card."""

from mner.sharing.shareable import Shareable

__all__ = ["Shareable"]
