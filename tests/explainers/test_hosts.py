"""Addresses hold no secrets, keys go where they were named for, and nothing goes anywhere unasked."""

import pytest

from gearscope.errors import ConfigError, ModelError
from gearscope.explainers.clients.opening import client_of, identity, source_of
from gearscope.explainers.config import CallConfig
from gearscope.explainers.hosts import check_agreed, host_of, key_for

KEY = "sk-test-0123456789abcdef"


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{KEY}@127.0.0.1:8000/v1",
        f"https://{KEY}@example.org",
        f"https://example.org/v1?key={KEY}",
        f"https://example.org/#{KEY}",
    ],
)
def test_secrets_in_an_address_are_refused_and_not_repeated(url):
    with pytest.raises(ConfigError, match="without password, query and fragment") as caught:
        host_of("openai", url)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://example.org", "https://", "http://[::1", "http://h:99999"]
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ConfigError, match="a --base-url such as"):
        host_of("openai", url)


@pytest.mark.parametrize(
    ("url", "name", "is_here"),
    [
        ("http://127.0.0.1:8000/v1/", "127.0.0.1:8000", True),
        ("http://localhost/v1", "localhost", True),
        ("http://[::1]:80", "::1:80", True),
        ("http://127.0.0.1.example.org", "127.0.0.1.example.org", False),
        (None, "api.openai.com", False),
    ],
)
def test_an_address(url, name, is_here):
    host = host_of("openai", url)
    assert (host.name, host.is_here, host.official) == (name, is_here, url is None)


def test_keys_go_only_where_they_were_named_for(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("MINE", "other-key")
    assert key_for("openai", host_of("openai", None), None).reveal() == KEY
    elsewhere = host_of("openai", "https://example.org/v1")
    assert not key_for("openai", elsewhere, None).given
    assert key_for("openai", elsewhere, "MINE").reveal() == "other-key"
    with pytest.raises(ConfigError, match=r"https was expected for example\.org"):
        key_for("openai", host_of("openai", "http://example.org/v1"), "MINE")
    assert key_for("openai", host_of("openai", "http://127.0.0.1:1/v1"), "MINE").given


def test_the_sdk_sends_no_key_of_the_environment_elsewhere(stub, monkeypatch):
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(variable, KEY)
    stub.brain = lambda _: {"label": "x"}
    from tests.explainers.test_caller import ask

    for provider, path in (("openai", "/v1"), ("anthropic", "")):
        client_of(source_of(provider, "m", stub.url + path), CallConfig()).complete(ask().messages, ask().schema)
    assert len(stub.seen) == 2
    assert not [seen for seen in stub.seen if KEY in str(seen.headers)]


def test_a_key_that_is_missing(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="in the environment variable ANTHROPIC_API_KEY; found none"):
        key_for("anthropic", host_of("anthropic", None), None)
    with pytest.raises(ConfigError, match="in --key-from") as caught:
        key_for("anthropic", host_of("anthropic", None), KEY)
    assert KEY not in str(caught.value)


def test_text_goes_nowhere_unasked():
    for url in (None, "http://127.0.0.1:8000/v1"):
        host = host_of("openai", url)
        with pytest.raises(ConfigError, match=f"before excerpts go to {host.name}; .*--yes-send-text"):
            check_agreed(host, agreed=False, what="excerpts")
        check_agreed(host, agreed=True, what="excerpts")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("openai", " "), "the name of a model"),
        (("openai", "a\x1bb"), "the name of a model"),
        (("local", "nowhere"), "a HuggingFace folder with a config.json"),
        (("local", "nowhere", "http://127.0.0.1"), "a folder alone"),
    ],
)
def test_names_of_models(arguments, said):
    with pytest.raises((ConfigError, ModelError), match=said):
        source_of(*arguments)


def test_a_local_folder_that_changed_is_another_model(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    before = identity(source_of("local", str(tmp_path)), CallConfig())
    assert identity(source_of("local", str(tmp_path)), CallConfig()) == before
    (tmp_path / "model.safetensors").write_bytes(b"0")
    assert identity(source_of("local", str(tmp_path)), CallConfig()) != before
