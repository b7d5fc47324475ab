"""What the pages of the course need: notebooks, plots, widgets, exercises, measurements."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["exercises", "measurements"],
    submod_attrs={
        "exercises": ["check", "require"],
        "interpret": ["attention_weights"],
        "notebook": ["INK", "Text", "code_of", "glue", "show", "table"],
        "plots": [
            *("BLUE", "COLOURS", "GREEN", "ORANGE", "PURPLE"),
            *("attention_map", "axes", "bars", "confusion", "lines", "next_tokens"),
        ],
        "widgets": ["explore", "live_loss", "probability_bars", "static", "surprise"],
    },
)
