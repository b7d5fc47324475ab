"""Checkpoints: loading, converting, the hub, tokenizers. The mini ships here. Start in load.py."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "convert": [
            "CONSTANTS",
            "CheckpointError",
            "TRANSPOSED",
            "from_hf",
            "read_config",
            "read_model",
            "to_hf",
            "write_model",
            "write_text",
        ],
        "load": [
            "ANSWER_SECONDS",
            "CONNECT_SECONDS",
            "HubError",
            "MINI",
            "MINI_SHA256",
            "MODEL_FILES",
            "REVISIONS",
            "checkpoint_folder",
            "connection_problem",
            "gpt2_vocabulary",
            "hub_folder",
            "load_checkpoint",
            "load_tokenizer",
            "verify",
        ],
    },
)
