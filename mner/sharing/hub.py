"""Fetching a model from a model hub, and uploading one, by ``huggingface_hub``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from mner.checkpoint_file import reason
from mner.errors import CheckpointError, OutputError
from mner.model_names import CONFIG
from mner.sharing.folder import WEIGHTS


def fetch(name: str, revision: str | None, token: str | bool | None, *, with_code: bool) -> Path:
    """Download a model, or find it in the cache.

    Args:
        name: Its repository, ``user/name``.
        revision: A branch, tag or commit; the main branch by default.
        token: An access token; by default the one that ``hf auth login`` stored, ``False`` for none.
        with_code: Whether to download Python files, too.

    Returns:
        The folder.

    Raises:
        CheckpointError: If there is no such repository or revision, it is not accessible, or the hub is not reachable.
    """
    patterns = [CONFIG, WEIGHTS, "*.json", "*.onnx", "*.onnx.data", *(["*.py"] if with_code else [])]
    at = f"{name}{f' at {revision}' if revision else ''}"
    try:
        return Path(
            huggingface_hub.snapshot_download(
                name, revision=revision, token=token, allow_patterns=patterns, library_name="mner"
            )
        )
    except GatedRepoError as error:
        raise CheckpointError(f"{at} is gated: request access on its page, then give token=...") from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"no checkpoint at {name}, and the hub has no such repository or it is private; check the name; log in "
            "with hf auth login or give token=..."
        ) from error
    except RevisionNotFoundError as error:
        raise CheckpointError(f"{name} has no revision {revision!r}; give a branch, a tag or a commit") from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise CheckpointError(
            f"no checkpoint at {at}; mner fit prints the path of the one it keeps. As the name of a repository on the "
            "hub it is not in the cache, and the hub is offline or not reachable"
        ) from error
    except Exception as error:  # errors of the network have no common base
        raise CheckpointError(f"{at} cannot be downloaded ({reason(error)}); try again") from error


def upload(
    folder: Path, name: str, *, revision: str | None, token: str | bool | None, private: bool | None, message: str
) -> str:
    """Upload a model folder in one commit, into a repository that is created if needed.

    Returns:
        The address of the commit.

    Raises:
        OutputError: If the hub refuses or is not reachable.
    """
    api = huggingface_hub.HfApi(token=token, library_name="mner")
    options: dict[str, Any] = {"repo_id": name, "token": token}
    try:
        api.create_repo(**options, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(**options, branch=revision, exist_ok=True)
        commit = api.upload_folder(**options, folder_path=folder, revision=revision, commit_message=message)
    except Exception as error:  # errors of the network have no common base
        raise OutputError(
            f"cannot upload to {name} ({reason(error)}); check the name; log in with hf auth login or give token=..."
        ) from error
    return str(commit.commit_url)
