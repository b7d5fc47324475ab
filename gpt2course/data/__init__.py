"""Data: film reviews, jokes, packing. Start in reviews.py.

jokes.py holds the jokes; packing.py turns token ids into rows to train on.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "reviews": [
            "HELD_OUT",
            "IMDB",
            "IMDB_REVISION",
            "LABELS",
            "embedded_reviews",
            "load_reviews",
            "normalised",
            "plain_text",
            "read_reviews_csv",
            "split_reviews",
        ],
        "jokes": [
            "JOKE_PREFIX",
            "JokeReport",
            "Jokes",
            "MAX_CHARACTERS",
            "OWN_JOKES",
            "SHORT_JOKES",
            "SHORT_JOKES_REVISION",
            "encode_jokes",
            "load_jokes",
            "words",
        ],
        "packing": [
            "Packed",
            "concatenate",
            "document_mask",
            "epoch_seed",
            "pack_sequences",
            "rows_at",
            "shuffled_stream",
        ],
    },
)
