"""Evaluation: the tables of the paper as data.

Start in published.py, which holds what others measured.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "published": [
            *("DATA_SETS", "OVERLAP", "PAPER", "PARAMETERS", "SUMMARIES"),
            *("DataSet", "improved"),
        ],
    },
)
