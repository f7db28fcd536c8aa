"""A corpus that needs no text: window n holds ids that follow from n. Fulfils `corpus.windows.Corpus`."""

import torch

from gearscope.corpus.windows import Taken


class Counted:
    def __init__(self, *, context: int = 6, n_tokens: int = 11, salt: int = 0) -> None:
        self.context = context
        self.n_tokens = n_tokens
        self.salt = salt

    @property
    def fingerprint(self) -> str:
        return f"counted {self.context} {self.n_tokens} {self.salt}"

    def take(self, n_windows: int, place) -> Taken:
        start = 0 if place is None else place["window"]
        rows = []
        for number in range(start, start + n_windows):
            draw = torch.Generator().manual_seed(number + 1000 * self.salt)
            rows.append([0, *torch.randint(2, self.n_tokens, (self.context - 1,), generator=draw).tolist()])
        return Taken(torch.tensor(rows), {"window": start + n_windows})
