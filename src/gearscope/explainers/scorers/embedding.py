"""Embedding: are stretches with firings nearer to the label than others? AUROC of cosines; chance is .5.

Needs a server of embeddings (`clients/embedding_api.py`); nothing is downloaded for it.
"""

import json
from collections.abc import Sequence
from functools import partial

import numpy as np

from gearscope.explainers.caller import Outcome
from gearscope.explainers.protocol import Ask, Message, Vectors
from gearscope.explainers.scorers.figures import Figure, auroc
from gearscope.explainers.scorers.material import Material, items


def asks(of: Material, label: str) -> list[Ask]:
    """One call: the label, and all stretches."""
    texts = [label, *(item.passage.text for item in items(of))]
    sample = Vectors(vectors=((0.0,),) * len(texts))
    return [Ask((Message("user", json.dumps(texts)),), Vectors, sample, partial(_unfit, len(texts)))]


def _unfit(n: int, answer: Vectors) -> str | None:
    lengths = {len(vector) for vector in answer.vectors}
    return None if len(answer.vectors) == n and len(lengths) == 1 else f"{n} vectors of one length were expected"


def figure(of: Material, outcomes: Sequence[Outcome]) -> Figure:
    """The AUROC of the cosines to the label."""
    (outcome,) = outcomes
    if not isinstance(outcome.answer, Vectors):
        return Figure(None, 0, {"failed_calls": 1})
    label, *texts = (np.array(vector) for vector in outcome.answer.vectors)
    norms = [float(np.linalg.norm(text)) * float(np.linalg.norm(label)) for text in texts]
    cosines = [float(text @ label) / norm if norm else 0.0 for text, norm in zip(texts, norms, strict=True)]
    return Figure(auroc(cosines, [item.fires for item in items(of)]), len(texts), {"failed_calls": 0})
