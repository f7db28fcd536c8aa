"""Where the organism computes what: interchange maps, measured and stored.

swap.py        Variable and Swap: what is swapped, and which next words are right before and after
acronyms.py    letters, the spelled word, danger and refusal
swap.py    Variable and Swap: what is swapped, and which next words are right before and after
rhyme.py   couplets that differ in the rhyme, in the sort of what is planned, or in the planned word
"""
