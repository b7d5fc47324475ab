"""Checkpoints: loading, the hub, tokenizers, conversion. The mini ships here.

Start in load.py. hub.py downloads, tokenizer.py loads tokenizers, convert.py changes
Hugging Face's files into ours and back.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "convert": [
            "CONSTANTS",
            "TRANSPOSED",
            "from_hf",
            "read_config",
            "read_model",
            "to_hf",
            "write_model",
            "write_text",
        ],
        "hub": [
            "ANSWER_SECONDS",
            "CONNECT_SECONDS",
            "HubError",
            "MODEL_FILES",
            "REVISIONS",
            "connection_problem",
            "hub_folder",
        ],
        "load": [
            "MINI",
            "MINI_SHA256",
            "checkpoint_folder",
            "load_checkpoint",
            "verify",
        ],
        "reading": ["CheckpointError", "read_json", "read_state"],
        "reconciliation": ["Reconciled", "check_shapes", "read_entries", "reconcile"],
        "tokenizer": [
            "byte_characters",
            "gpt2_vocabulary",
            "load_tokenizer",
            "write_tokenizer",
        ],
    },
)
