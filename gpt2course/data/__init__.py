"""Data: film reviews, jokes, packing. Start in reviews.py.

jokes.py holds the jokes, tables.py reads CSV files, packing.py turns token ids into
rows to train on.
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
            "OF_EACH_LABEL",
            "check_both_labels",
            "embedded_reviews",
            "load_reviews",
            "load_sentences",
            "normalised",
            "plain_text",
            "read_reviews_csv",
            "split_reviews",
        ],
        "jokes": [
            "JOKE_PREFIX",
            "Jokes",
            "MAX_CHARACTERS",
            "OWN_JOKES",
            "SHORT_JOKES",
            "SHORT_JOKES_REVISION",
            "encode_jokes",
            "load_jokes",
            "words",
        ],
        "tables": ["Row", "TableReport", "read_table"],
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
