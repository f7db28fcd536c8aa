"""Gemma Scope's parameters, drawn in their layout, against their formula; hostile files of arrays."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gearscope.dictionaries.store import read_dictionaries, write_as
from gearscope.errors import ArtifactError, GearscopeError
from tests.oracles.foreign_forward import gemma_scope
from tests.oracles.planted_dictionaries import plant_at

D, F = 6, 10
PLACE = "gemma-scope-2b-pt-res/layer_2/width_16k/average_l0_71"


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed + sum(shape))) * 2 - 1


def tensors(**more: Tensor) -> dict[str, Tensor]:
    held = {"W_enc": draw(D, F), "W_dec": draw(F, D), "b_enc": draw(F), "b_dec": draw(D)}
    return held | {"threshold": draw(F, seed=3).abs()} | more


def store(folder: Path, held: dict[str, Tensor]) -> Path:
    folder.mkdir(parents=True)
    np.savez(folder / "params.npz", **{name: tensor.numpy() for name, tensor in held.items()})
    return folder


@pytest.mark.parametrize(
    ("place", "reads", "writes", "form", "model"),
    [
        (PLACE, "resid_post", "resid_post", "site", "google/gemma-2-2b"),
        ("models--google--gemma-scope-9b-it-res/layer_2/width_16k/x", "resid_post", "resid_post", "site", "9b-it"),
        ("gemma-scope-2b-pt-mlp/layer_2/width_16k/x", "mlp_out", "mlp_out", "site", "google/gemma-2-2b"),
        ("gemma-scope-2b-pt-att/layer_2/width_16k/x", "z", "z", "site", "google/gemma-2-2b"),
        ("gemma-scope-2b-pt-transcoders/layer_2/x", "mlp_in", "mlp_out", "before_gain", "google/gemma-2-2b"),
    ],
)
def test_names_of_folders_say_the_site(tmp_path: Path, place: str, reads: str, writes: str, form: str, model: str):
    held, x = tensors(), draw(30, D, seed=5)
    read = read_dictionaries(store(tmp_path / place, held))
    (one,) = read.dictionaries
    assert (one.config.reads, one.config.writes) == ((f"blocks.2.{reads}",), (f"blocks.2.{writes}",))
    assert one.config.read_form == form
    assert read.model.endswith(model)
    acts, out = gemma_scope(held, x)
    torch.testing.assert_close(one.encode(x[:, None]).dense(F), acts)
    torch.testing.assert_close(one.reconstruct(x[:, None])[:, 0], out)


def test_embeddings_are_scaled_as_gemma_scales_them(tmp_path: Path) -> None:
    held, x = tensors(), draw(30, D, seed=5)
    (one,) = read_dictionaries(store(tmp_path / "gemma-scope-2b-pt-res/embedding/width_4k/x", held)).dictionaries
    acts, out = gemma_scope(held, x / D**0.5)
    assert one.config.reads == ("embed",)
    torch.testing.assert_close(one.encode(x[:, None]).dense(F), acts)
    torch.testing.assert_close(one.reconstruct(x[:, None])[:, 0], out * D**0.5)


def test_what_is_written_computes_the_same_there(tmp_path: Path) -> None:
    planted = plant_at([(("blocks.1.z",), ("blocks.1.z",))], D, rectified=True, n_features=F, dtype=torch.float32)
    write_as(tmp_path / "set", planted, "gemma-scope")
    (path,) = (tmp_path / "set").rglob("params.npz")
    assert path.relative_to(tmp_path / "set").parts[:2] == ("gemma-scope-att", "layer_1")
    x = draw(9, D, seed=5)
    acts, out = gemma_scope({name: torch.from_numpy(array) for name, array in np.load(path).items()}, x)
    torch.testing.assert_close(planted.dictionaries[0].encode(x[:, None]).dense(F), acts)
    torch.testing.assert_close(planted.dictionaries[0].reconstruct(x[:, None])[:, 0], out)


def test_two_widths_of_a_layer_are_refused(tmp_path: Path) -> None:
    for width in ("width_16k", "width_65k"):
        store(tmp_path / "gemma-scope-2b-pt-res" / "layer_2" / width / "x", tensors())
    with pytest.raises(GearscopeError, match=r"two that read blocks\.2\.resid_post"):
        read_dictionaries(tmp_path)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({n: t for n, t in tensors().items() if n != "threshold"}, "no threshold"),
        (tensors(scaling_factor=draw(D)), "an unknown scaling_factor"),
        (tensors(b_enc=draw(D)), r"b_enc of shape \(6,\) where \(10,\) fits"),
        (tensors(b_enc=torch.zeros(F, dtype=torch.int64)), "b_enc.npy of int64"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, held: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        read_dictionaries(store(tmp_path / PLACE, held))


def test_a_folder_that_says_no_site(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="folders that name its kind and layer"):
        read_dictionaries(store(tmp_path / "some" / "layer_2", tensors()))


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("it was run",))


def entry(name: str, data: bytes, path: Path, compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "a", compression) as archive:
        archive.writestr(name, data)


def header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"shape": shape, "fortran_order": False, "descr": descr})
    return stream.getvalue()


def test_arrays_that_carry_code_or_lie_about_their_size_are_not_read(tmp_path: Path) -> None:
    path = store(tmp_path / PLACE, tensors()) / "params.npz"
    whole = path.read_bytes()
    pickled = header((1,), "|O") + pickle.dumps(Harmful())
    for data, words in (
        (pickled, "of object"),
        (header((10**12,)) + b"1234", "of shape"),
        (header((-4,)) + b"1234", "numpy arrays"),
        (b"not an array", "magic"),
    ):
        path.write_bytes(whole)
        entry("more.npy", data, path)
        with pytest.raises(ArtifactError, match=words):
            read_dictionaries(path.parent)


def test_an_array_that_unpacks_to_far_more_than_the_file_is_not_read(tmp_path: Path) -> None:
    path = store(tmp_path / PLACE, tensors()) / "params.npz"
    entry("more.npy", header((10**7,)) + bytes(4 * 10**7), path, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**5
    with pytest.raises(ArtifactError, match=r"shape \(10000000,\) in an entry of 40000128 bytes"):
        read_dictionaries(path.parent)


def test_a_file_that_is_no_zip(tmp_path: Path) -> None:
    path = store(tmp_path / PLACE, tensors()) / "params.npz"
    path.write_bytes(b"something else")
    with pytest.raises(ArtifactError, match="file of numpy arrays"):
        read_dictionaries(path.parent)


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_changed_byte_gives_a_dictionary_or_a_sentence(tmp_path_factory, at, byte):
    path = store(tmp_path_factory.mktemp("byte") / PLACE, tensors()) / "params.npz"
    data = bytearray(path.read_bytes())
    data[at % len(data)] = byte
    path.write_bytes(bytes(data))
    try:
        read = read_dictionaries(path.parent)
    except GearscopeError:
        return
    assert read.configs[0].n_features == F
