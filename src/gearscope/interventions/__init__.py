"""Edits of a circuit's nodes, and what they do: predicted by the graph, measured in the model, beside a random control.

Comes in: a graph, the model and basis it was traced with, and edits such as `3/18@6*0` or `supernode:sum*-1`.
Goes out: an `Intervention`, plain numbers per node and per token, with generated text on request. Nothing is stored.

Files in reading order:

    edits.py        what an edit is, and its one text form; torch-free
    result.py       what came of an intervention, as JSON; torch-free
"""
