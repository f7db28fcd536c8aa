"""How features are explained by language models, and how that is scored. No torch."""

from typing import Literal

from pydantic import Field

from gearscope.config import Config

Provider = Literal["anthropic", "openai", "local"]
Explainer = Literal["examples", "contrastive", "output", "agent"]
Structured = Literal["schema", "object", "text"]
ScorerName = Literal["detection", "fuzzing", "simulation", "intruder", "embedding"]


class CallConfig(Config):
    """How a model is asked."""

    max_tokens: int = Field(default=2048, ge=16, le=20_000)
    """Tokens of a reply, at most; with models that think before they answer, those thoughts too."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """None leaves it to the model: some refuse any."""
    structured: Structured = "schema"
    """How the reply's form is asked for: by JSON schema, as any JSON object (OpenAI's protocol), or in words alone."""
    timeout: float = Field(default=120.0, gt=0)
    """Seconds for a reply."""
    attempts: int = Field(default=5, ge=1, le=20)
    """Tries of one call, where trying again can help."""
    longest_wait: float = Field(default=120.0, gt=0)
    """Seconds between tries, at most; a server that asks for more is not waited for."""
    first_wait: float = Field(default=1.0, gt=0)
    """Seconds before the second try; twice as many before each further one."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """Calls under way at a time."""
    give_up: int = Field(default=10, ge=1)
    """The run ends after so many calls in a row that nobody answered."""


class EvidenceConfig(Config):
    """What an explainer is shown."""

    shown: int = Field(default=12, ge=1, le=100)
    """Examples, at most; others are kept to score with."""
    quiet: int = Field(default=12, ge=1, le=100)
    """Stretches on which it does not fire, for the contrastive explainer."""
    around: int = Field(default=12, ge=1, le=100)
    """Tokens on each side of the one on which it fires, at most so many that all firings among them are known."""
    slice_tokens: int = Field(default=65_536, ge=1)
    """Tokens of the corpus on which all firings are looked at, for stretches without any."""
    rounds: int = Field(default=3, ge=1, le=10)
    """Times that the agent may test its label and write another."""
    tests: int = Field(default=6, ge=1, le=20)
    """Texts of one such test that should make it fire, and as many that should not, at most."""


class ScoreConfig(Config):
    """How labels are scored."""

    positives: int = Field(default=10, ge=1, le=100)
    """Examples that the explainer did not see."""
    negatives: int = Field(default=10, ge=2, le=200)
    """Stretches without a firing; half of them hard, where there are so many."""
    batch: int = Field(default=10, ge=1, le=100)
    """Stretches that are judged in one call."""
    simulated: int = Field(default=8, ge=2, le=100)
    """Stretches on which activations are predicted, half of them with firings."""
    intruders: int = Field(default=6, ge=1, le=50)
    """Questions for the odd one out among five."""
    least: int = Field(default=3, ge=1)
    """Positives, and negatives, without which nothing is scored."""


class ExplainConfig(Config):
    """Everything that decides what is asked."""

    seed: int = 0
    call: CallConfig = CallConfig()
    evidence: EvidenceConfig = EvidenceConfig()
    score: ScoreConfig = ScoreConfig()


class Prices(Config):
    """Dollars for a million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
