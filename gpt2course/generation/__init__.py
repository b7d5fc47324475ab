"""Generation: from logits to text. Start in loop.py, then sampling.py.

loop.py holds the decoding loop, sampling.py the choice of a token, streaming.py text
while it is written, beam.py beam search, flat_step.py, packed.py, quantized.py
and compiled.py faster steps.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "flat_step": ["EXCHANGED", "one_token"],
        "loop": [
            "Generators",
            "NotFinite",
            "check_eval_mode",
            "check_finite",
            "check_prompts",
            "decode_steps",
            "generate",
            "generate_batch",
            "stream_tokens",
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
        "streaming": ["decode_utf8", "stream_text", "until_stop"],
        "beam": ["Beam", "beam_search"],
        "packed": [
            *("ExchangedGPT2", "PLAIN", "PackedLinear", "is_plain", "is_plain_module"),
            "pack_weights",
        ],
        "quantized": ["Int8Linear", "quantize_weights", "weight_limit"],
        "compiled": ["CompiledWriter", "StaticCache", "check_compiler"],
    },
)
