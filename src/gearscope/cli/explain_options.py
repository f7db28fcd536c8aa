"""The options of `explain`: which features, who is asked, what it may cost. No torch."""

from pathlib import Path
from typing import Annotated

import typer

from gearscope.explainers.config import Explainer, Provider

Model = Annotated[str, typer.Option("--model", help="The model that is asked; with `local` a HuggingFace folder.")]
ProviderName = Annotated[
    Provider,
    typer.Option(
        "--provider",
        help="anthropic, openai (any server that speaks its protocol: vLLM, Ollama, LM Studio, OpenRouter, Azure), "
        "or local: a model in this process.",
    ),
]
BaseUrl = Annotated[str | None, typer.Option("--base-url", help="The server, for instance http://127.0.0.1:8000/v1.")]
KeyFrom = Annotated[
    str | None,
    typer.Option(
        "--key-from",
        help="Environment variable with the key; ANTHROPIC_API_KEY or OPENAI_API_KEY at their own addresses, none "
        "elsewhere.",
    ),
]
Features = Annotated[list[str] | None, typer.Option("--feature", help="This feature, LAYER/INDEX; can be repeated.")]
OfList = Annotated[str | None, typer.Option("--features-of-list", help="The features of a list of the library.")]
Every = Annotated[bool, typer.Option("--all", help="All features that fire, those that fire most first.")]
Most = Annotated[int | None, typer.Option("--most", min=1, help="Of --all, so many.")]
Method = Annotated[
    Explainer,
    typer.Option(
        "--method",
        help="examples (with next tokens and promoted tokens), contrastive (beside text that looks alike), output "
        "(promoted tokens alone), or agent (writes texts and tests itself on them).",
    ),
]
Scorers = Annotated[
    str | None,
    typer.Option("--score", help="Scorers, by comma: detection, fuzzing, simulation, intruder, embedding."),
]
EmbeddingModel = Annotated[
    str | None, typer.Option("--embedding-model", help="Model of embeddings, for --score embedding.")
]
EmbeddingUrl = Annotated[
    str | None, typer.Option("--embedding-url", help="Its server, which speaks OpenAI's protocol.")
]
EmbeddingKeyFrom = Annotated[
    str | None, typer.Option("--embedding-key-from", help="Environment variable with its key.")
]
Budget = Annotated[
    float | None,
    typer.Option("--budget", min=0, help="Dollars that this run may cost; replies in the cache cost nothing."),
]
PriceIn = Annotated[float | None, typer.Option("--price-in", min=0, help="Dollars for a million tokens that are sent.")]
PriceOut = Annotated[
    float | None, typer.Option("--price-out", min=0, help="Dollars for a million tokens that are written.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count calls, tokens and cost, and send nothing.")]
YesSendText = Annotated[
    bool,
    typer.Option("--yes-send-text", help="Text of the corpus may go to the server; nothing is sent without it."),
]
Cache = Annotated[Path | None, typer.Option("--cache", help="Where replies are kept; LIBRARY/replies by default.")]
