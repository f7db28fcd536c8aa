"""Supernodes: groups of a graph's nodes, proposed by evidence, each figure beside that of random groups.

Comes in: a traced graph with the model and basis it was traced in; on request what a feature library knows of its
features, and paraphrases of its prompt. Goes out: the same graph with named groups, and what is known of them (plain
numbers, kept in the graph). Groups are edited where all groups are: on the page, or in the graph file.

Files in reading order:

    config.py       settings; torch-free
    profiles.py     where a node's input begins, to whom it sends; torch-free
    effects.py      what ablating each feature does, measured in the model in batches
    known.py        what a library says of a graph's features; torch-free
    likeness.py     how alike features are, by each kind of evidence, and together; torch-free
    joining.py      the most alike into groups; torch-free
    naming.py       names from labels, promoted tokens or input; torch-free
    stability.py    whether groups are found again; torch-free
    restrict.py     scores of a part of a graph; torch-free
    result.py       what is known of a graph's groups, as JSON; torch-free
    group.py        the recipe
    exchange.py     a group exchanged for the one of another prompt, measured
    text.py         groups as plain text; torch-free
"""
