import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small networks only lose by more."""
    torch.set_num_threads(1)
