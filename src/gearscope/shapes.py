"""The axis legend. A letter never changes meaning anywhere in the package.

    B batch          P position       L layer          D model width    H head
    F feature        K active features                 N graph node     V vocabulary     S write site
    E width of one attention head     T target rows of one attribution block         X expert         R read site
    Q the first positions, up to the last target of a block: its causal cone
    M site of a training run           I what a feature reads, its sites side by side (R D)
    W what a feature writes, its sites side by side (S D)
    U planted truth       J some of them       Y child of a parent       C common cause of planted truths

Signatures use jaxtyping with these letters (`Float[Tensor, "B P D"]`; a single axis starts with a space: `" F"`).
They are checked only under pytest (import hook + beartype), so users pay nothing. Bodies use a suffix where the layout
changes (`acts_PF`). Weights: `W_enc`, `b_enc`, `W_dec`, `b_dec`, `W_skip`, `threshold`; counts: `n_features`,
`n_layers`, `d_model`. The one word for the dictionary axis is *feature*; a neuron is a feature of the neuron basis.
"""
