"""Generation: sampling, the decoding loop, streaming, beam search, faster steps. Start in loop.py."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "flat_step": ["PLAIN", "is_plain", "one_token"],
        "loop": [
            "Generators",
            "NotFinite",
            "byte_characters",
            "check_finite",
            "check_prompts",
            "decode_steps",
            "generate",
            "generate_batch",
            "stream_text",
            "stream_tokens",
            "text_pieces",
        ],
        "sampling": [
            "Filter",
            "Greedy",
            "MinP",
            "RULED_OUT",
            "RepetitionPenalty",
            "Sample",
            "Temperature",
            "TopK",
            "TopP",
            "sampler",
        ],
        "beam": ["Beam", "beam_search"],
        "compiled": ["CompiledWriter", "StaticCache", "check_compiler"],
    },
)
