"""Where the organism computes what: interchange maps, measured and stored.

swap.py        Variable and Swap: what is swapped, and which next words are right before and after
concepts.py    topic, sense, smallness, inner conflict, jokes, the style of radio hosts
grammar.py     exceptions, the number of a subject
"""
