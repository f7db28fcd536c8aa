"""Where the organism computes what: interchange maps, measured and stored.

In: a model and the variables of the phenomena. Out: one map per variable, stored in the bundle, with what it says.

Files, in reading order:

    swap.py           Variable and Swap: what is swapped, and which next words are right before and after
    addition.py, self_report.py, hints.py, two_hops.py, names.py, languages.py, rhyme.py, acronyms.py, concepts.py,
    grammar.py        each phenomenon's variables, with pairs of prompts that differ in them
    registry.py       all of them in the order of the table
    maps.py           a measured map as data
    interchange.py    measures maps; the only file here that needs a model
    store.py          maps in a bundle's file
    claims.py         what a map says: where a variable is carried, and the bar of causal planning
    text.py           a map as a table for the terminal
    picture.py        a map as an SVG picture

A new phenomenon is one new file of variables and one line in `registry.py`.
"""
