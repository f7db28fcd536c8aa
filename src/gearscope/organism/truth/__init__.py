"""Where the organism computes what: interchange maps, measured and stored.

swap.py    Variable and Swap: what is swapped, and which next words are right before and after
two_hops.py, names.py, languages.py    the variables of each phenomenon
"""
