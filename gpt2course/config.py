"""The shape of a GPT-2: the published sizes, and the course's own small one.

model.py builds the network from it; checkpoints/convert.py reads and writes it as
config.json.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

#: other names that transformers takes for an entry of a config.json
ALIASES = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
}
#: the activations that can be loaded: two names for one, the tanh form of GELU
ACTIVATIONS = ("gelu_new", "gelu_pytorch_tanh")
#: the fields that say how likely dropout is; they do not change the weights' shapes
DROPOUT = ("embd_pdrop", "attn_pdrop", "resid_pdrop")
#: the largest size of a tensor's side that a config may have
LARGEST_SIZE = 2**31 - 1
#: the largest epsilon or standard deviation that a config may have
LARGEST = 1000


@dataclass(frozen=True)
class GPT2Config:
    """The shape of a GPT-2. Field names are those of Hugging Face's `config.json`.

    Args:
        vocab_size: number of tokens, V.
        n_positions: longest sequence the model can read, in tokens.
        n_embd: width of the residual stream, C (`d_model` in the paper).
        n_layer: number of blocks, L.
        n_head: attention heads per block, H; must divide n_embd.
        embd_pdrop: dropout probability on the embeddings while training, 0 to 1.
        attn_pdrop: dropout probability on attention weights while training, 0 to 1.
        resid_pdrop: dropout probability on what blocks add while training, 0 to 1.
        layer_norm_epsilon: added to the variance inside every layer norm.
        initializer_range: standard deviation of the initial weights.
        eos_token_id: id of `<|endoftext|>`. Unless it is given, the last of the
            vocabulary, as in GPT-2 and in the mini; checkpoints with tokens added after
            it say so in their config.json.

    Raises:
        ValueError: a size below 1 or above LARGEST_SIZE, a head count that does not
            divide the width, a probability outside [0, 1), an epsilon or a standard
            deviation that is not above 0 or is above LARGEST.

    Source: Radford et al. 2019, section 2.3 and table 2; transformers.GPT2Config.
    Chapter: architecture.
    """

    vocab_size: int = 50257
    n_positions: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    embd_pdrop: float = 0.1
    attn_pdrop: float = 0.1
    resid_pdrop: float = 0.1
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02
    eos_token_id: int | None = None

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head"):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= LARGEST_SIZE:
                raise ValueError(
                    f"{name} is {repr(value)[:80]}; it must be a whole number of at "
                    f"least 1, at most {LARGEST_SIZE:,}"
                )
        if self.n_embd % self.n_head:
            raise ValueError(
                f"n_embd {self.n_embd} cannot be split into {self.n_head} heads; "
                "choose n_head from its divisors"
            )
        for name in DROPOUT:
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 <= value < 1:
                raise ValueError(
                    f"{name} is {repr(value)[:80]}; a dropout probability lies in "
                    "[0, 1)"
                )
        for name in ("layer_norm_epsilon", "initializer_range"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 < value <= LARGEST:
                raise ValueError(
                    f"{name} is {repr(value)[:80]}; it must be a number above 0, at "
                    f"most {LARGEST:,}"
                )
        if self.eos_token_id is None or not 0 <= self.eos_token_id < self.vocab_size:
            object.__setattr__(self, "eos_token_id", self.vocab_size - 1)

    @property
    def head_size(self) -> int:
        """Numbers that a head works with, D = C / H."""
        return self.n_embd // self.n_head

    @classmethod
    def from_dict(cls, config: dict) -> GPT2Config:
        """Read the content of a Hugging Face `config.json`.

        Keys that GPT-2's forward pass does not need are ignored.

        Args:
            config: what json.load gives.

        Returns:
            the shape.

        Raises:
            ValueError: the file describes another architecture, or a GPT-2 variant that
                this model does not compute; or as `token_ids`.

        Source: transformers.GPT2Config. Chapter: architecture.
        """
        if config.get("model_type", "gpt2") != "gpt2":
            raise ValueError(
                f"model_type is {config['model_type']!r}; this course reads 'gpt2' "
                "checkpoints only"
            )
        activation = config.get("activation_function", "gelu_new")
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation_function is {activation!r}; GPT-2 uses one of "
                f"{', '.join(ACTIVATIONS)}"
            )
        for alias, name in ALIASES.items():
            if alias in config and config[alias] != config.get(name):
                raise ValueError(
                    f"{alias} is {repr(config[alias])[:80]} and {name} is "
                    f"{repr(config.get(name))[:80]}; config.json must have {name}, "
                    f"GPT-2's own name: rename {alias}, or leave it out"
                )
        own = {f.name: config[f.name] for f in fields(cls) if f.name in config}
        # several tokens may end a text; the first is GPT-2's own
        ids = token_ids("eos_token_id", own.get("eos_token_id"))
        own["eos_token_id"] = ids[0] if ids else None
        result = cls(**own)
        if config.get("n_inner") not in (None, 4 * result.n_embd):
            raise ValueError(
                f"n_inner is {config['n_inner']}; GPT-2 has 4 * n_embd = "
                f"{4 * result.n_embd}"
            )
        flags = {
            "scale_attn_weights": True,
            "scale_attn_by_inverse_layer_idx": False,
            "add_cross_attention": False,
            "tie_word_embeddings": True,
        }
        for flag, usual in flags.items():
            if config.get(flag, usual) != usual:
                raise ValueError(f"{flag} is {config[flag]}; GPT-2 has {usual}")
        return result

    def to_dict(self) -> dict:
        """The content of a `config.json`, as AutoModelForCausalLM reads it."""
        return {
            "model_type": "gpt2",
            "architectures": ["GPT2LMHeadModel"],
            "activation_function": "gelu_new",
            "bos_token_id": self.eos_token_id,
            "dtype": "float32",
            **asdict(self),
        }


def token_ids(name: str, value: object) -> list[int]:
    """The ids that an entry of a `config.json` names.

    Args:
        name: of the entry, such as eos_token_id.
        value: an id, a list of ids, or None.

    Returns:
        the ids, in their order, without those below 0, which stand for none.

    Raises:
        ValueError: it is something else, or an empty list.

    Source: transformers.GPT2Config.
    """
    if value is None:
        return []
    ids = value if isinstance(value, list) else [value]
    if not ids or not all(type(token) is int for token in ids):
        raise ValueError(
            f"{name} is {str(value)[:80]!r}; it must be a token id or a list of them, "
            "or be left out"
        )
    return [token for token in ids if token >= 0]


#: the published sizes by their name on the hub, and the course's own
SIZES: dict[str, GPT2Config] = {
    "mini": GPT2Config(
        vocab_size=4096, n_positions=512, n_embd=192, n_layer=6, n_head=6
    ),
    "gpt2": GPT2Config(),
    "gpt2-medium": GPT2Config(n_embd=1024, n_layer=24, n_head=16),
    "gpt2-large": GPT2Config(n_embd=1280, n_layer=36, n_head=20),
    "gpt2-xl": GPT2Config(n_embd=1600, n_layer=48, n_head=25),
}
