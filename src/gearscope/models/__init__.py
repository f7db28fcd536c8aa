"""A HuggingFace causal language model made transparent.

Comes in: a hub name or a local folder (or a model in memory), a prompt. Goes out: a `Model` whose named sites can be
read, written and frozen, which writes text under edits, and whose `record` of one prompt is all that attribution needs.
Nothing here knows about dictionaries, targets or graphs; nothing is stored.

Files in reading order:

    families.py     one small map per model family: where its parts are and what their formulas are
    mlp.py          the weights of MLPs and of experts, in one shape for all families
    anatomy.py      a map laid over one model: its modules, and its weights in one shape for all families
    sites.py        named places, and edits of what stands there
    attention.py    the attention that shows its pattern, lets it be edited, or replays a recorded one
    scoring.py      attention scores as a form that is linear in what is read at each end
    routing.py      routed experts opened: the router's choice and the experts' neurons
    hooks.py        sites read, written and frozen through forward hooks that are always taken away again
    tangent.py      how an MLP's output moves with its input
    frozen.py       one prompt's forward pass as a linear map, with the adjoints of its pieces
    record.py       one forward pass that fills it in
    tokens.py       text to ids and back; which special token stands first
    generate.py     writing token by token, edits under the key-value cache
    selfcheck.py    what is verified before a model is trusted
    model.py        the `Model`
    load.py         names and folders to a `Model`; the only file that touches disk
"""
