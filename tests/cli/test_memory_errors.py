"""Memory that runs out is reported in one line with the remedy."""

import pytest
import torch

from mner.cli import main
from mner.cli.memory_errors import out_of_memory

ON_A_GPU = (
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.18 GiB of which 15.44 MiB is "
    "free. Process 1296 has 2.06 GiB memory in use. If reserved but unallocated memory is large try setting"
)
AT_THE_START = "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in https://docs.nvidia.com/cuda"


@pytest.mark.parametrize(
    ("error", "amounts"),
    [
        (torch.OutOfMemoryError(ON_A_GPU), " (tried to allocate 20.00 MiB, 15.44 MiB is free)"),
        (RuntimeError(AT_THE_START), ""),
        (MemoryError(), ""),
    ],
)
def test_shortage_is_one_line_with_the_remedy_of_the_command(error, amounts):
    said = out_of_memory("fit", error)
    assert said.startswith(f"out of memory{amounts}; a smaller batch_size with trainer.accumulate_grad_batches")
    assert out_of_memory("tag", error) == f"out of memory{amounts}; a smaller batch size needs less"


def test_the_processors_own_allocator_is_recognised():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(10**15)
    assert out_of_memory("tag", raised.value).startswith("out of memory (tried to allocate ")


@pytest.mark.parametrize(
    "error", [ValueError("out of memory"), RuntimeError("shapes differ"), OSError("No space left")]
)
def test_other_errors_are_left(error):
    assert out_of_memory("fit", error) is None


def test_a_command_prints_no_traceback(monkeypatch, capsys):
    def fail(*_):
        raise torch.OutOfMemoryError(ON_A_GPU)

    monkeypatch.setattr("mner.cli.configs.run", fail)
    assert main(["configs"]) == 1
    assert capsys.readouterr().err.startswith("mner configs: error: out of memory (tried to allocate 20.00 MiB")
