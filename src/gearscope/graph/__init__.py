"""Circuits as data: what a traced circuit is, how much each node matters, what may be left out. No torch.

In: arrays of node properties and a sparse matrix of edges from whoever traced a circuit, or a graph file of ours,
of circuit-tracer, Neuronpedia or Anthropic.
Out: an `AttributionGraph` with influence and scores, a pruned one, a graph file, a page of readable text, a picture.

On disk: one JSON file per graph, in the format the public graph viewers read; what the format has no place for lies
under its `metadata.gearscope`.

Reading order:
    nodes.py        kinds of node, their properties as columns, the named ranges they lie in
    influence.py    how much of the targets flows through each node and edge
    scores.py       replacement and completeness, each as the interval that contains the uncapped score
    graph.py        AttributionGraph: nodes, edges, rest, and the sum rule
    prune.py        keep what carries the influence; what is dropped goes into the rest, so rows still sum
    paths.py        the strongest chains of edges from the prompt to a target
    panels.py       what a page shows of it: the connections of a node, the strongest links, what groups send
    schema.py       graph -> JSON-able dictionary
    dialect.py      the same in the older form of the public format
    empty_groups.py supernodes of a file with none of its nodes: left out, and named
    reading.py      JSON -> graph, ours and foreign
    notes.py        what a person added: pins, groups, labels, put into a file's JSON and nothing else changed
    store.py        read and write graph files (the only file of the room that touches the disk)
    align.py        which positions of several prompts mean the same
    summing.py      graphs of many prompts added up
    average.py      their mean, and the difference of two means, as one graph
    spread.py       in how many prompts nodes and edges are, and how sure their means are
    routing.py      which experts the prompt was sent to
    opened.py       error nodes opened into neurons
    heads.py        every edge split by the last attention head before its receiver
    qk.py           why a head looks where it does: scores by pairs of nodes, in our files and where viewers look
    text.py         a circuit as plain text
    qk_text.py      the heads of a circuit and their scores as plain text
    placement.py    where the boxes of a picture stand, so that none touch
    picture.py      a circuit as an SVG picture
"""
