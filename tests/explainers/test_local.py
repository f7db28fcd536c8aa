"""A model in this process: told once more what is wanted, counted where it fails, and never a stranger's code."""

import pytest

from gearscope.errors import ModelError
from gearscope.explainers.clients.local import LocalClient, written_by
from gearscope.explainers.config import CallConfig
from gearscope.explainers.prompts import LabelAnswer
from gearscope.explainers.protocol import CallFailedError, Message, Usage
from gearscope.organism.config import OrganismConfig
from gearscope.organism.model import untrained_model
from gearscope.organism.tokenizer import build_tokenizer
from tests.explainers.test_caller import ask


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("small")
    config = OrganismConfig(n_layers=1, d_model=16, d_mlp=16)
    untrained_model(config).save_pretrained(out)
    build_tokenizer(config.context).save_pretrained(out)
    return out


def test_a_second_try_is_told_what_was_wrong():
    texts, turns = iter(["cats, I think", '{"label": "cats"}']), []

    def write(told):
        turns.append(list(told))
        return next(texts), Usage(10, 2)

    answer, usage = LocalClient(write).complete(ask().messages, LabelAnswer)
    assert (answer.label, usage) == ("cats", Usage(20, 4))
    assert '"title": "LabelAnswer"' in turns[0][0].content
    assert turns[1][-2:] == [
        Message("assistant", "cats, I think"),
        Message("user", "That was not JSON of the schema. Answer again, with the JSON alone."),
    ]


def test_a_model_that_cannot_is_counted():
    with pytest.raises(CallFailedError, match="malformed") as caught:
        LocalClient(lambda _: ("no", Usage(5, 1))).complete(ask().messages, LabelAnswer)
    assert caught.value.usage == Usage(10, 2)
    assert caught.value.tries == 1


def test_a_real_folder_writes(folder):
    write = written_by(folder, CallConfig(max_tokens=16), "cpu")
    text, usage = write([Message("user", "calc : 1 + 2")])
    assert isinstance(text, str)
    assert usage.input > 3
    assert 1 <= usage.output <= 16
    again, _ = write([Message("user", "calc : 1 + 2")])
    assert again == text
    with pytest.raises(CallFailedError, match="bad request: a prompt of"):
        write([Message("user", "calc : 1 + 2 " * 200)])


def test_a_folder_without_a_model(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="a causal language model in safetensors was expected"):
        written_by(tmp_path, CallConfig(), "cpu")
