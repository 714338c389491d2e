"""Official weights become plain state dicts, checked, from a mirror without the network."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.card import sha256_of  # noqa: E402
from training.bases import bring_base  # noqa: E402
from training.errors import FetchError  # noqa: E402
from training.network import build_network, start_from  # noqa: E402
from training.sources.bases import OFFICIAL  # noqa: E402
from training.sources.catalogue import Archive  # noqa: E402


class Trap:
    """A pickle that runs code when it is read."""

    def __reduce__(self):
        return (print, ("trapped",))


@pytest.fixture
def official(tmp_path):
    """A file as its owner gives it: a pickled network in half precision among other things."""
    path = tmp_path / "mirror" / "weights" / "tiny.pt"
    path.parent.mkdir(parents=True)
    network = build_network("yolo11n", 80)
    network.args = {}
    torch.save({"epoch": -1, "ema": None, "model": network.half()}, path)
    return Archive(url="https://example.org/tiny.pt", sha256=sha256_of(path), into="weights"), path


def test_a_mirror_s_file_becomes_a_plain_state_dict(official, tmp_path):
    entry, path = official
    target = bring_base(entry, tmp_path / "base" / "tiny.pt", tmp_path / "mirror")
    state = torch.load(target, weights_only=True)
    assert all(one.dtype == torch.float32 for one in state.values() if one.is_floating_point())
    network = build_network("yolo11n", 1)
    assert start_from(network, target) > 400
    assert path.is_file(), "the mirror keeps its file"


def test_another_file_is_refused_before_it_is_read(official, tmp_path, capsys):
    entry, path = official
    torch.save({"model": Trap()}, path)
    with pytest.raises(FetchError, match="not the official one"):
        bring_base(entry, tmp_path / "tiny.pt", tmp_path / "mirror")
    assert "trapped" not in capsys.readouterr().out


def test_code_in_a_file_is_not_run(official, tmp_path, capsys):
    entry, path = official
    torch.save({"model": Trap()}, path)
    pinned = entry.model_copy(update={"sha256": sha256_of(path)})
    with pytest.raises(FetchError, match="no network that can be read"):
        bring_base(pinned, tmp_path / "tiny.pt", tmp_path / "mirror")
    assert "trapped" not in capsys.readouterr().out


def test_every_official_file_is_pinned():
    assert set(OFFICIAL) >= {"yolo11n", "yolo26n"}
    assert all(one.sha256 for one in OFFICIAL.values())
