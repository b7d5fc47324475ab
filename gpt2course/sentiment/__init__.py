"""Sentiment: a classifier of film reviews, trained with transformers' Trainer.

The trained classifier ships in classifier/. Start in finetuning.py.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["CHAPTER_RUN", "SentimentConfig"],
        "dataset": [
            "LengthBuckets",
            "pad_right",
            "review_dataset",
            "short_sentences",
            "tokenise_reviews",
        ],
        "model": [
            "CLASSIFIER",
            "CLASSIFIER_SHA256",
            "evaluate_classifier",
            "load_classifier",
            "max_length_of",
            "new_classifier",
            "predict",
            "write_classifier",
        ],
        "trainer": [
            "ACCURACY_METRIC",
            "ReviewTrainer",
            "classification_loss",
            "compute_metrics",
            "language_model_loss",
            "layer_groups",
        ],
        "finetuning": ["finetune_sentiment"],
        "statistics": ["holm", "mcnemar", "wilson_interval"],
        "card": ["write_classifier_card"],
    },
)
