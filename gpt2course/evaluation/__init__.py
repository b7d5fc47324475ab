"""Evaluation: tasks with their protocols, and the tables of the paper as data.

Start in tasks.py, which says what is measured and how. runner.py runs a task,
windows.py and scoring.py ask the model, examples.py has the data, overlap.py compares
texts; published.py holds what others measured.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "runner": [
            *("Evaluation", "check_language_model", "check_task", "evaluate"),
        ],
        "tasks": ["TASKS", "Task"],
        "scoring": ["Reader", "STOP_WORDS"],
        "windows": [
            *("Likelihood", "check_window", "continuation_likelihoods"),
            *("sliding_windows", "text_likelihood"),
        ],
        "examples": ["FIELDS", "load_examples", "read_examples", "sentences"],
        "hub_data": ["HUB", "from_hellaswag", "from_wikitext_page", "hub_examples"],
        "overlap": ["bleu", "bleu_counts", "rouge"],
        "published": [
            *(
                "DATA_SETS",
                "HARNESS",
                "LAMBADA_UNFILTERED",
                "OVERLAP",
                "PAPER",
                "PARAMETERS",
                "SUMMARIES",
            ),
            *("DataSet", "improved"),
        ],
    },
)
