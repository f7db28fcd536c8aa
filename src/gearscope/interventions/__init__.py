"""Edits of a circuit's nodes, and what they do: predicted by the graph, measured in the model, beside a random control.

Comes in: a graph, the model and basis it was traced with, and edits such as `3/388@6*0` or `supernode:sum*-1`.
Goes out: an `Intervention`, plain numbers per node and per token, with generated text on request. Nothing is stored.

Files in reading order:

    edits.py        what an edit is, and its one text form; torch-free
    config.py       the modes, the seed, how many controls; torch-free
    result.py       what came of an intervention, as JSON; torch-free
    basis.py        any feature of a basis, active or not: what it writes, what it is, its stored maximum and density
    changes.py      edits resolved against a graph: which features change, from what to what
    writing.py      what changed features add to MLP outputs; random controls that add as much
    response.py     the prediction: the graph's linear response, over all active features
    measure.py      the measurement: the model run with something added, in one of three modes
    watch.py        the features of a graph, and what they are in each run
    agreement.py    rank correlation, signs, divergence
    provenance.py   whether a graph belongs to what is open, and its prompt's token ids
    scene.py        one prompt, opened for all of this
    compare.py      rows of predicted, measured and control
    intervene.py    the recipe
    text.py         a result as plain text; torch-free

Whole graphs put to test:

    validation.py   the plan made in advance, the table of predicted and measured, its place in a graph; torch-free
    protocol.py     the plan of a graph: its groups, from which runs values are taken
    validate.py     the recipe
    effects.py      what one edit can reach, and what was predicted and measured there
    figures.py      agreement over the whole table
    validation_text.py   a validation as plain text; torch-free
    knocked_out.py  features held at 0 while everything else is live
    survival.py     what survives of an answer, as data; torch-free
    redundancy.py   the recipe of a redundancy sweep
    survival_picture.py  a sweep as SVG; torch-free
    gate_report.py  gates one ablation away, as data; torch-free
    gates.py        the recipe of a search for gates
    proof_text.py   sweeps and gates as plain text; torch-free
"""
