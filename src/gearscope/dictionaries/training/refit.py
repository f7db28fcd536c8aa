"""Decoders and biases as least squares has them, for the codes that the finished encoders give.

For each site that is written, with S the codes of all dictionaries that write there and a column of ones, and W the
decoders and bias that training ended with (W₀),

    min_W ‖S W − y‖² + λ ‖W − W₀‖²        λ = pull · the mean square of a feature, summed over tokens

which takes out what the last steps of training, and thresholds in the place of the batch's k largest, leave over.
Features that hardly fire keep what training gave them. Rows of the decoder no longer have norm 1. Tokens come in parts;
the matrices of all features that write to one site are held. Knows nothing about models.
"""

import warnings
from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.fidelity import Readings
from gearscope.dictionaries.selection import Codes

PULL = 1e-4
"""Where W₀ is what training ended with."""


@torch.no_grad()
def refit(dictionaries: DictionarySet, parts: Iterable[Readings], pull: float = PULL) -> DictionarySet:
    """The same encoders with refitted decoders and biases."""
    fits = {site: _Fit(dictionaries, site) for config in dictionaries.configs for site in config.writes}
    # What fewer dictionaries write to needs no sums of its own: the last layer of a cross-layer transcoder has all.
    grams = {fit.holder(fits.values()).site: fit.holder(fits.values()) for fit in fits.values()}
    for fit in grams.values():
        fit.gram = fit.right.new_zeros(fit.size, fit.size)
    for part in parts:
        codes = [
            dictionary.encode(torch.stack([part[site] for site in dictionary.config.reads], dim=1))
            for dictionary in dictionaries.dictionaries
        ]
        for fit in fits.values():
            fit.add(part, codes)
    decoders = [dictionary.W_dec.clone() for dictionary in dictionaries.dictionaries]
    biases = [dictionary.b_dec.clone() for dictionary in dictionaries.dictionaries]
    for fit in fits.values():
        fit.put(fit.within(fit.holder(fits.values())), decoders, biases, pull)
    made = [
        replace(dictionary, W_dec=W_dec, b_dec=b_dec)
        for dictionary, W_dec, b_dec in zip(dictionaries.dictionaries, decoders, biases, strict=True)
    ]
    return replace(dictionaries, dictionaries=tuple(made))


class _Fit:
    """The sums of one site."""

    def __init__(self, dictionaries: DictionarySet, site: str) -> None:
        self.set, self.site = dictionaries.dictionaries, site
        self.writers = [i for i, config in enumerate(dictionaries.configs) if site in config.writes]
        self.size = 1 + sum(self.set[i].config.n_features for i in self.writers)
        self.right = self.set[0].W_enc.new_zeros(self.size, dictionaries.d_model)
        self.gram: Tensor | None = None

    def holder(self, fits: Iterable["_Fit"]) -> "_Fit":
        """The site with the most writers among those that all of this site's dictionaries write to."""
        return max((fit for fit in fits if set(fit.writers) >= set(self.writers)), key=lambda fit: fit.size)

    def within(self, holder: "_Fit") -> Tensor:
        """Sᵀ S of this site, out of the sums of another one."""
        assert holder.gram is not None
        sizes = [self.set[i].config.n_features for i in holder.writers]
        kept = [torch.full((n,), i in self.writers) for i, n in zip(holder.writers, sizes, strict=True)]
        here = torch.cat([*kept, torch.tensor([True])]).to(holder.gram.device)
        return holder.gram[here][:, here]

    def _place(self, number: int) -> int:
        return self.set[number].config.writes.index(self.site)

    def add(self, part: Readings, codes: list[Codes]) -> None:
        """One part of the tokens; what skips write is not to be fitted."""
        y = part[self.site]
        for number in self.writers:
            dictionary = self.set[number]
            if dictionary.W_skip is not None and dictionary.config.own_write == self._place(number):
                y = y - part[dictionary.config.reads[0]] @ dictionary.W_skip.T
        wide_T = self._side_by_side(codes, len(y))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
            if self.gram is not None:
                self.gram.add_(torch.sparse.mm(wide_T, wide_T.T))
            self.right.add_(torch.sparse.mm(wide_T, y))

    def _side_by_side(self, codes: list[Codes], n_rows: int) -> Tensor:
        """The codes of all that write here and a row of ones, [size, P], sparse."""
        first, rows, columns, values = 0, [], [], []
        for number in self.writers:
            rows.append(codes[number].rows)
            columns.append(codes[number].columns + first)
            values.append(codes[number].values)
            first += self.set[number].config.n_features
        ones = torch.ones_like(self.right[:1, 0]).expand(n_rows)
        rows.append(torch.arange(n_rows, device=ones.device))
        columns.append(torch.full_like(rows[-1], first))
        values.append(ones)
        at = torch.stack([torch.cat(columns), torch.cat(rows)])
        return torch.sparse_coo_tensor(at, torch.cat(values), (self.size, n_rows), check_invariants=False)

    def put(self, gram: Tensor, decoders: list[Tensor], biases: list[Tensor], pull: float) -> None:
        """Solve, and put the rows where they belong; the whole bias goes to the last dictionary that writes here."""
        old = [self.set[number].W_dec[:, self._place(number)] for number in self.writers]
        bias = sum(self.set[number].b_dec[self._place(number)] for number in self.writers)
        first = torch.cat([*old, torch.as_tensor(bias)[None]]).double()
        gram = gram.double()
        ridge = pull * gram.diagonal()[:-1].mean()
        gram.diagonal().add_(ridge)
        solved = torch.linalg.solve(gram, self.right.double() + ridge * first).to(self.right)
        rows = solved[:-1].split([len(part) for part in old])
        for number, part in zip(self.writers, rows, strict=True):
            decoders[number][:, self._place(number)] = part
            biases[number][self._place(number)] = 0
        biases[self.writers[-1]][self._place(self.writers[-1])] = solved[-1]
