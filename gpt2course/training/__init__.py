"""Training: optimizers, one step, a run that can be left alone, and its two recipes:
pretraining and fine-tuning. Start in run.py."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": [
            "FinetuneConfig",
            "MINI_WITHOUT_DROPOUT",
            "MOST_STEPS",
            "PRECISIONS",
            "PretrainConfig",
            "check_steps",
        ],
        "optim": [
            "Muon",
            "learning_rate_at",
            "orthogonalize",
            "parameter_groups",
            "set_learning_rate",
        ],
        "step": [
            "LossNotFinite",
            "Step",
            "gradient_checkpointing",
            "held_out_loss",
            "next_token_nats",
            "rows_of_step",
            "train_step",
        ],
        "processes": [
            "CtrlC",
            "is_main_process",
            "pick_device",
            "run_in_processes",
            "stopped",
        ],
        "log": ["Log"],
        "lora": ["add_lora", "merge_lora"],
        "folder": [
            "RunFolder",
            "check_finite",
            "check_same_run",
            "damaged",
            "diverged",
            "read_json_object",
        ],
        "run": ["Recipe", "Run", "seed_step"],
        "state": [
            "TrainState",
            "digest",
            "digest_of_start",
            "digest_of_tokenizer",
            "read_state",
        ],
        "tokenizer": ["END_OF_TEXT", "save_tokenizer", "train_tokenizer"],
        "pretraining": [
            "Corpus",
            "PretrainResult",
            "pretrain",
            "pretrain_from_reviews",
            "tokenise",
        ],
        "finetuning": [
            "FinetuneResult",
            "SAMPLE_TOKENS",
            "eval_rows",
            "finetune",
            "finetune_rate",
            "to_gpt2",
        ],
        "finetuning_jokes": ["JokesResult", "finetune_on_jokes"],
        "memory": [
            "Memory",
            "OPTIMIZERS",
            "cache_bytes",
            "inference_memory",
            "optimizer_bytes",
            "parameter_count",
            "training_memory",
        ],
        "card": ["hardware", "precision", "write_card", "write_jokes_card"],
    },
)
