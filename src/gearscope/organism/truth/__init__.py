"""Where the organism computes what: interchange maps, measured and stored.

swap.py    Variable and Swap: what is swapped, and which next words are right before and after
self_report.py, hints.py    the variables of a phenomenon, each with its pairs of prompts
"""
