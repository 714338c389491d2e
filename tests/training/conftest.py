"""What tests of training share: one thread, and base weights that know nothing."""

import pytest


@pytest.fixture(scope="module")
def one_thread():
    """Networks of 64 px gain nothing from threads, and threads that wait for a busy core cost minutes."""
    import torch  # noqa: PLC0415 - the tests that ask for this skip where it is absent

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The path of a plain state dict of YOLO11n with 80 classes, as it is before anything is taught."""
    import torch  # noqa: PLC0415

    from training.network import build_network  # noqa: PLC0415 - imports torch

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("base") / "base.pt"
    torch.save(build_network("yolo11n", 80).state_dict(), path)
    return path
