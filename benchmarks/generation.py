r"""What the next token costs.

Our loop against transformers' generate, LLMs-from-scratch, and the naive loop.

    python benchmarks/generation.py --output
    gpt2course/course/measurements/generation-cpu.json python benchmarks/generation.py
    --device cuda --shapes gpt2-xl --dtype bfloat16 --contestants ours compiled \
        --batches 1
    python benchmarks/generation.py --output
    gpt2course/course/measurements/decoding-cpu.json --shapes gpt2 --threads 1 2
    --contestants ours packed int8 transformers ctranslate2 ctranslate2-int8 \
        --positions 32

All choose greedily, with random weights of the same shape, and never stop early. A
measurement fills the cache with `position` tokens (which ones does not change the
cost), writes some more, and takes the median over their times; the naive loop and
LLMs-from-scratch (its chapter 4; version 1.0.19's variant with a cache never reads the
cache) read a text of that length each time. `products` is the floor: one token's matrix
products and nothing else. `packed` and `int8` are ours with other products:
generation/packed.py and quantized.py. On the CPU and one thread, times are processor
time: on an idle machine that is the time that passes, on a busy one it leaves out
waiting for others. With more threads it is the time that passes, so the machine should
be idle. Each contestant is a process of its own, so that its peak memory is its own.
They take turns, and ratios are medians over rounds, of times that stand side by side.
LLMs-from-scratch comes with: pip install --no-deps llms-from-scratch, CTranslate2 with:
pip install ctranslate2.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from gpt2course.config import SIZES, GPT2Config
from gpt2course.course import measurements

# tokens written in a round, and by a large model in a batch; the first only starts the
# clock
STEPS, FEW = 9, 4
TINY = GPT2Config(
    vocab_size=61, n_positions=64, n_embd=24, n_layer=2, n_head=2
)  # for the test of this script


def child(
    contestant: str, shape: str, batch: int, device: str, dtype: str, threads: int = 1
) -> None:
    """A contestant.

    Reads "position steps", answers with seconds per step, until nothing is left.
    """
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    config = TINY if shape == "tiny" else SIZES[shape]
    write = CONTESTANTS[contestant](config, batch, device, getattr(torch, dtype))
    for line in sys.stdin:
        position, steps = map(int, line.split())
        with torch.inference_mode():
            moments = write(position, steps)
        seconds = [after - before for before, after in itertools.pairwise(moments)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
            2**20 if sys.platform == "darwin" else 2**10
        )
        if device == "cuda":
            peak = torch.cuda.max_memory_allocated() / 2**20
        print(json.dumps({"seconds": seconds, "peak_mb": peak}), flush=True)


def now() -> float:
    """Seconds: of this process's work, or by the clock where others work with it."""
    import torch

    if torch.cuda.is_available() or torch.get_num_threads() > 1:
        return time.perf_counter()
    return time.process_time()


def copy_bandwidth(device: str) -> float:
    """Bytes per second that a plain copy reads and writes, the best of some."""
    import torch

    source = torch.ones(2 ** (30 if device == "cuda" else 26) // 4, device=device)
    target, best = torch.empty_like(source), 0.0
    for _ in range(5):
        started = now()
        target.copy_(source)
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * source.nbytes / (now() - started))
    return best


def our_model(config, device, dtype):
    """Ours, with its matrices in memory as every checkpoint is loaded: (in, out)."""
    import torch

    from gpt2course.model import GPT2

    model = GPT2(config).to(device, dtype).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight.data = module.weight.data.t().contiguous().t()
    return model


def filled(config, batch, position, device, dtype):
    """Keys and values of some tokens.  [L, 2, B, H, position, D]"""
    import torch

    shape = (config.n_layer, 2, batch, config.n_head, position, config.head_size)
    return torch.full(shape, 0.1, device=device, dtype=dtype)


def moments_of(steps, n):
    """When each of n steps was done."""
    found = []
    for _ in range(n):
        next(steps)
        found.append(now())
    return found


def ours(config, batch, device, dtype):
    return our_writer(our_model(config, device, dtype), batch)


def packed(config, batch, device, dtype):
    from gpt2course.generation import pack_weights

    return our_writer(pack_weights(our_model(config, device, dtype), batch), batch)


def int8(config, batch, device, dtype):
    from gpt2course.generation import quantize_weights

    return our_writer(quantize_weights(our_model(config, device, dtype)), batch)


def our_writer(model, batch):
    from gpt2course.cache import KVCache
    from gpt2course.generation import Greedy, decode_steps, stream_tokens

    config, device, dtype = model.config, model.device, model.wte.weight.dtype

    def write(position, steps):
        cache = KVCache(config, batch, position + steps + 1, dtype, device)
        cache._store[..., :position, :] = filled(config, batch, position, device, dtype)
        cache.length = position
        ids = [0] * (position + 1)
        if batch == 1:
            return moments_of(
                stream_tokens(model, ids, steps, stop_ids=(), cache=cache), steps
            )
        return moments_of(
            decode_steps(model, [ids] * batch, steps, Greedy(), None, cache), steps
        )

    return write


def transformers(config, batch, device, dtype):
    import torch
    from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(**config.to_dict())).to(device, dtype).eval()

    def write(position, steps):
        cache, found = DynamicCache(), []
        for layer, (keys, values) in enumerate(
            filled(config, batch, position, device, dtype)
        ):
            cache.update(keys, values, layer)

        def note(input_ids, logits):
            found.append(now())
            return logits

        ids = torch.zeros(batch, position + 1, dtype=torch.long, device=device)
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            past_key_values=cache,
            do_sample=False,
            max_new_tokens=steps,
            pad_token_id=0,
            eos_token_id=None,
            logits_processor=[note],
        )
        assert out.shape[1] == position + 1 + steps
        return found

    return write


def ctranslate2(config, batch, device, dtype, compute_type="float32"):
    import tempfile

    import ctranslate2
    import torch
    from ctranslate2.converters.transformers import _MODEL_LOADERS
    from transformers import GPT2Config, GPT2LMHeadModel

    loader = _MODEL_LOADERS["GPT2Config"]
    model = GPT2LMHeadModel(GPT2Config(**config.to_dict())).eval()
    spec = loader.get_model_spec(model)
    names = [str(token) for token in range(config.vocab_size)]
    spec.register_vocabulary(names)
    for kind in ("bos", "eos", "unk"):
        setattr(spec.config, f"{kind}_token", names[-1])
    with tempfile.TemporaryDirectory() as folder:
        spec.validate()
        spec.optimize()
        spec.save(folder)
        del model, spec
        generator = ctranslate2.Generator(
            folder,
            device="cpu",
            compute_type=compute_type,
            inter_threads=1,
            intra_threads=torch.get_num_threads(),
        )

    def write(position, steps):  # it has to read the text first; that is not counted
        found = []

        def note(result):
            if result.batch_id == batch - 1:
                found.append(now())
            return False

        out = generator.generate_batch(
            [["0"] * (position + 1)] * batch,
            beam_size=1,
            min_length=steps,
            max_length=steps,
            include_prompt_in_result=False,
            callback=note,
        )
        assert all(len(result.sequences[0]) == steps for result in out)
        return found

    return write


def ctranslate2_int8(config, batch, device, dtype):
    return ctranslate2(config, batch, device, dtype, "int8")


def llms_from_scratch(config, batch, device, dtype):
    from llms_from_scratch.ch04 import GPTModel

    model = (
        GPTModel(
            {
                "vocab_size": config.vocab_size,
                "context_length": config.n_positions,
                "emb_dim": config.n_embd,
                "n_heads": config.n_head,
                "n_layers": config.n_layer,
                "drop_rate": 0.0,
                "qkv_bias": True,
            }
        )
        .to(device, dtype)
        .eval()
    )
    return lambda position, steps: moments_of(
        whole_texts(model, config, batch, position, device), steps
    )


def naive(config, batch, device, dtype):
    model = our_model(config, device, dtype)
    return lambda position, steps: moments_of(
        whole_texts(model, config, batch, position, device), steps
    )


def whole_texts(model, config, batch, position, device):
    """The loop without a cache: read everything, take the best token, again."""
    import torch

    ids = torch.randint(config.vocab_size - 1, (batch, position + 1), device=device)
    while True:
        ids = torch.cat([ids, model(ids)[:, -1].argmax(-1, keepdim=True)], dim=1)
        yield ids


def products(config, batch, device, dtype):
    import torch
    import torch.nn.functional as F

    model = our_model(config, device, dtype)
    matrices = [
        (m.weight, m.bias) for m in model.modules() if isinstance(m, torch.nn.Linear)
    ]
    matrices.append((model.wte.weight, None))
    inputs = {
        n: torch.randn(batch, n, device=device, dtype=dtype)
        for n in (config.n_embd, 4 * config.n_embd)
    }

    def loop():
        while True:
            for weight, bias in matrices:
                out = F.linear(inputs[weight.size(1)], weight, bias)
            yield out.argmax(dim=-1).tolist()

    return lambda position, steps: moments_of(loop(), steps)


def compiled(config, batch, device, dtype):
    from gpt2course.generation import CompiledWriter

    if batch > 1:
        sys.exit("the compiled step writes one text at a time; pass --batches 1")
    writer = CompiledWriter(
        our_model(config, device, dtype),
        backend="eager" if config is TINY else "inductor",
    )

    def write(position, steps):  # what the cache holds does not change the cost
        return moments_of(
            writer.stream([0] * (position + 1), steps, stop_ids=()), steps
        )

    return write


CONTESTANTS = {
    "ours": ours,
    "transformers": transformers,
    "products": products,
    "naive": naive,
    "llms-from-scratch": llms_from_scratch,
    "compiled": compiled,
    "packed": packed,
    "int8": int8,
    "ctranslate2": ctranslate2,
    "ctranslate2-int8": ctranslate2_int8,
}
WITHOUT_CACHE = ("naive", "llms-from-scratch")


class Process:
    """A contestant that waits for its turn."""

    def __init__(
        self,
        name: str,
        shape: str,
        batch: int,
        threads: int,
        options: argparse.Namespace,
    ) -> None:
        self.name = name
        command = [
            sys.executable,
            __file__,
            "--child",
            name,
            shape,
            str(batch),
            options.device,
            options.dtype,
            str(threads),
        ]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(command, text=True, **pipes)

    def ask(self, position: int, steps: int) -> dict:
        """Seconds of some steps after `position` tokens."""
        try:
            self.process.stdin.write(f"{position} {steps}\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (BrokenPipeError, ValueError):
            sys.exit(f"{self.name} failed:\n{self.process.communicate()[1][-2000:]}")

    def close(self) -> None:
        """End it, and wait until it has ended."""
        self.process.communicate()


def compare(
    shape: str, batch: int, threads: int, options: argparse.Namespace
) -> list[dict]:
    """All contestants on one shape: one row for each of them and each position."""
    config = TINY if shape == "tiny" else SIZES[shape]
    last = config.n_positions - 24
    positions = sorted({min(n, last) for n in options.positions})
    weights = sum(p.numel() for p in _meta(config).parameters()) * (
        4 if options.dtype == "float32" else 2
    )
    names = [
        name for name in options.contestants if name not in WITHOUT_CACHE or batch == 1
    ]
    entered = [Process(name, shape, batch, threads, options) for name in names]
    found: dict[tuple[str, int], list[dict]] = {}
    for entry in entered:
        entry.ask(positions[0], 2)  # the first call pays for memory and kernels
    large = shape not in ("tiny", "mini")
    for number in range(options.rounds):
        for position in positions:
            copy = copy_bandwidth(options.device)
            for entry in entered:
                slow = entry.name in WITHOUT_CACHE
                if slow and large and (position > 256 or number > 0):
                    # minutes, which say nothing new; for the same reason not in batches
                    continue
                answer = entry.ask(
                    position, FEW if slow or (large and batch > 1) else STEPS
                )
                answer |= {"copy": copy, "step": statistics.median(answer["seconds"])}
                found.setdefault((entry.name, position), []).append(answer)
    for entry in entered:
        entry.close()

    def middle(values) -> float:
        return float(f"{statistics.median(values):.3g}")

    def ratio(runs, others) -> float:
        pairs = zip(runs, others, strict=False)
        return middle(run["step"] / other["step"] for run, other in pairs)

    rows = []
    for (name, position), runs in found.items():
        first = found[name, positions[0]]
        base = found[names[0], position]
        rows.append(
            {
                "shape": shape,
                "batch": batch,
                "threads": threads,
                "position": position,
                "contestant": name,
                "milliseconds": middle(1000 * run["step"] for run in runs),
                "tokens_per_second": middle(batch / run["step"] for run in runs),
                "times_as_long_as_ours": ratio(runs, base),
                "times_as_long_as_at_the_first": ratio(runs, first),
                "share_of_copy_bandwidth": middle(
                    weights / run["step"] / run["copy"] for run in runs
                ),
                "peak_mb": round(max(run["peak_mb"] for run in runs)),
                "rounds": len(runs),
            }
        )
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def _meta(config):
    import torch

    from gpt2course.model import GPT2

    with torch.device("meta"):
        return GPT2(config)


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output", type=Path, help="a file; without it, the result is printed"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--shapes", nargs="+", choices=("tiny", *SIZES), default=["mini", "gpt2"]
    )
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    parser.add_argument("--positions", nargs="+", type=int, default=[32, 256, 1000])
    parser.add_argument(
        "--contestants",
        nargs="+",
        choices=list(CONTESTANTS),
        default=list(CONTESTANTS)[:5],
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16", "float16"), default="float32"
    )
    parser.add_argument("--child", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, shape, batch, device, dtype, threads = options.child
        return child(name, shape, int(batch), device, dtype, int(threads))
    torch.set_num_threads(1)
    started = time.perf_counter()
    rows = [
        row
        for shape in options.shapes
        for batch in options.batches
        for threads in options.threads
        for row in compare(shape, batch, threads, options)
    ]
    result = {
        "command": " ".join(["python benchmarks/generation.py", *sys.argv[1:]]),
        "machine": measurements.machine(
            "transformers", "llms-from-scratch", "ctranslate2"
        ),
        "device": options.device,
        "dtype": options.dtype,
        "rounds": options.rounds,
        "tokens_a_round": {
            "as a rule": STEPS - 1,
            "a large model in a batch, or without a cache": FEW - 1,
        },
        # processes that wanted to run in the last 15 minutes, these among them
        "load": [round(load, 1) for load in os.getloadavg()],
        "minutes": round((time.perf_counter() - started) / 60, 1),
        "rows": rows,
    }
    measurements.write(result, options.output)


if __name__ == "__main__":
    main()
