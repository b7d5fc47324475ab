"""Sentiment: a classifier of film reviews, with Trainer. The classifier ships here."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["CHAPTER_RUN", "SentimentConfig"],
        "classify": [
            "CARD",
            "CLASSIFIER",
            "CLASSIFIER_SHA256",
            "LengthBuckets",
            "MAX_TOKENS",
            "METRIC",
            "ReviewConfig",
            "build_trainer",
            "evaluate",
            "finetune_reviews",
            "layer_groups",
            "load_classifier",
            "mcnemar",
            "metrics",
            "new_classifier",
            "pad_right",
            "predict",
            "review_dataset",
            "review_loss",
            "review_sentences",
            "tokenise_reviews",
            "wilson",
            "write_card",
            "write_classifier",
        ],
    },
)
