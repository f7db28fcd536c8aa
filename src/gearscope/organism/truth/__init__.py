"""Where the organism computes what: interchange maps, measured and stored.

swap.py        Variable and Swap: what is swapped, and which next words are right before and after
acronyms.py    letters, the spelled word, danger and refusal
"""
