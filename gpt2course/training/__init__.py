"""Training: optimizers, one step, a run that can be trusted, pretraining, fine-tuning. Start in finetuning.py."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["FinetuneConfig"],
        "muon": ["Muon", "orthogonalize"],
        "run": [
            "CtrlC",
            "Log",
            "LossNotFinite",
            "in_processes",
            "read_state",
            "save_atomically",
            "seed_step",
        ],
        "finetuning": [
            "FineTuned",
            "PRECISIONS",
            "SAMPLE_TOKENS",
            "Step",
            "TrainConfig",
            "as_ours",
            "finetune",
            "gradient_checkpointing",
            "held_out_loss",
            "learning_rate_at",
            "next_token_nats",
            "parameter_groups",
            "rows_of_step",
            "train_step",
        ],
        "pretraining": [
            "Corpus",
            "END_OF_TEXT",
            "MINI_WITHOUT_DROPOUT",
            "PretrainConfig",
            "pretrain",
            "save_tokenizer",
            "to_stderr",
            "tokenise",
            "train_tokenizer",
        ],
        "card": ["CARD", "draw", "write_card"],
    },
)
