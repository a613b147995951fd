"""A model that can be saved as a folder and shared on a model hub."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import torch

from mner.checkpoints import SelfContained
from mner.components import to_config
from mner.errors import ConfigurationError
from mner.files import atomic_write
from mner.model_names import is_model_folder, is_repository
from mner.sharing.card import model_card
from mner.sharing.code import write_code
from mner.sharing.folder import read_folder, write_folder
from mner.sharing.hub import upload

Model = TypeVar("Model", bound="Shareable")


class Shareable(SelfContained):
    """A model that is saved as a folder of config, weights, tokenizer and model card."""

    def save_pretrained(
        self, folder: str | Path, *, run: str | Path | None = None, license: str | None = None, name: str | None = None
    ) -> None:
        """Save the model as a folder, which ``mner.load(folder)`` loads.

        It contains ``config.json``, ``model.safetensors``, ``tokenizer.json``, the model card ``README.md``, and the
        modules of your own classes.

        Args:
            folder: The folder; created if needed, its files of these names are replaced.
            run: The run folder of the training, for the scores in the model card.
            license: Identifier of the licence for the card, such as ``apache-2.0``.
            name: Name of the model in the card, such as ``user/name``; that of the folder by default.

        Raises:
            OutputError: If a file cannot be written.
            TypeError: If an argument of the model is not plain data.
            ConfigurationError: If ``run`` is not a run folder.
        """
        folder = Path(folder)
        card = model_card(self, name or folder.absolute().name, run, license)  # first: a wrong run writes nothing
        write_folder(self, folder)
        write_code(to_config(self), folder)
        with atomic_write(folder / "README.md") as file:
            file.write(card)

    def push_to_hub(
        self,
        name: str,
        *,
        run: str | Path | None = None,
        license: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        private: bool | None = None,
        message: str = "Upload a model with mner",
    ) -> str:
        """Upload the model to a model hub, from where ``mner.load(name)`` loads it.

        Args:
            name: The repository, ``user/name``; created if needed.
            run: The run folder of the training, for the scores in the model card.
            license: Identifier of the licence for the card.
            revision: The branch; created if needed, by default the main branch.
            token: An access token; by default the one that ``hf auth login`` stored.
            private: Whether a new repository is private.
            message: Message of the commit.

        Returns:
            The address of the commit.

        Raises:
            ConfigurationError: If the name is not ``user/name``, or ``run`` is not a run folder.
            OutputError: If the hub refuses or is not reachable.
        """
        if not is_repository(name):
            raise ConfigurationError(f"expected the name of a repository, user/name, got {name!r}")
        with TemporaryDirectory() as temporary:
            self.save_pretrained(temporary, run=run, license=license, name=name)
            return upload(Path(temporary), name, revision=revision, token=token, private=private, message=message)

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls: type[Model], checkpoint_path: str | Path, map_location: str | torch.device = "cpu", **arguments: Any
    ) -> Model:
        """Load the model of a checkpoint or of a folder; see the base class."""
        if isinstance(checkpoint_path, (str, Path)) and is_model_folder(checkpoint_path):
            return cls.from_checkpoint(read_folder(checkpoint_path), checkpoint_path, map_location, **arguments)
        return super().load_from_checkpoint(checkpoint_path, map_location, **arguments)
