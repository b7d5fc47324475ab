"""What the pages of the course need.

opening.py is every notebook's first cell, passed.py notes exercises that were passed;
notebook.py holds glue, show and table; plots.py and widgets.py draw; interpret.py looks
inside a model and intervene.py changes what it computes; exercises/ holds the checks,
measurements/ the committed figures, of which recorded.py shows those of the real GPT-2.
variants.py has exercises with values of a course's own, of which assignments.py makes
notebooks.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["exercises", "measurements"],
    submod_attrs={
        "assignments": ["assignment_files", "chapters_of"],
        "exercises": ["check", "require"],
        "interpret": [
            *("attention_weights", "block_contributions", "first_token_scores"),
            *("induction_scores", "logit_lens", "neurons_on"),
            *("previous_token_scores", "repeated_tokens", "residual_stream"),
        ],
        "intervene": ["ablated", "ablation_costs", "patched", "patching_effects"],
        "live": [
            *("LEAST_AGREEMENT", "LiveFile", "MOST_KL", "as_read", "export_live"),
            *("file_content", "logits_without", "merges_of", "refuse_other_file"),
        ],
        "notebook": ["code_of", "glue", "INK", "show", "table", "Text", "visible"],
        "opening": ["start", "to_drive"],
        "passed": ["progress"],
        "plots": [
            *("BLUE", "COLOURS", "GREEN", "ORANGE", "PURPLE"),
            *("attention_map", "axes", "bars", "confusion", "grid"),
            *("grouped_bars", "lines", "next_tokens", "panels"),
        ],
        "recorded": [
            *("real_evaluations", "real_next_tokens", "real_samples", "real_speed"),
        ],
        "variants": ["VARIANTS"],
        "widgets": ["explore", "live_loss", "probability_bars", "static", "surprise"],
    },
)
