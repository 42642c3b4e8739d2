"""The report: what was measured, beside the paper. One module for each question.

    results.py      reads exactly the metrics and curves that the params list
    statistics.py   means over seeds with their intervals, and verdicts
    paper.py        the paper's numbers
    comparison.py, ablations.py, layers.py, behaviours.py, shuffling.py, scaling.py, corpus.py,
    pretraining.py  a section each, and the answers to its question
    compose.py      the document

To add a section: write `section(results, params)` in a new module, and list it in `compose.report`.
"""
