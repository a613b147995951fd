"""Exported models: one in the fast tests, since exporting takes seconds."""

import pytest
import torch


@pytest.fixture(scope="session")
def exported_run(tmp_path_factory, trained_run):
    """The folder of the exported model of ``trained_run``."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from mner.cli import main

    if torch.__version__.startswith("2.6."):
        pytest.skip("torch 2.6 cannot translate index_add to ONNX")
    folder = tmp_path_factory.mktemp("exported") / "model"
    assert main(["export", "--ckpt_path", str(trained_run / "best.ckpt"), "--output", str(folder)]) == 0
    return folder
