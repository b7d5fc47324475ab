"""Fine-tune a GPT-2 on jokes in several processes, whole or sharded.

    accelerate launch --config_file fsdp.yaml finetune_sharded.py gpt2-xl xl-jokes

With ddp.yaml each process holds the whole model, with fsdp.yaml its part; the program
is the same. What it saves is an ordinary checkpoint.
"""

import sys

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, GPT2LMHeadModel

from gpt2course.data import load_jokes

BATCH_SIZE = 8  # of each process
LEARNING_RATE = 5e-5


def batches(jokes: list[str], tokenizer) -> DataLoader:
    """Jokes as (B, T) token ids, padded at the end; padding has no label."""

    def collate(texts: list[str]) -> dict[str, torch.Tensor]:
        rows = tokenizer(
            [text + tokenizer.eos_token for text in texts],
            padding=True,
            truncation=True,
            max_length=128,
            return_tensors="pt",
        )
        labels = rows.input_ids.masked_fill(rows.attention_mask == 0, -100)
        return {**rows, "labels": labels}

    return DataLoader(
        jokes, BATCH_SIZE, shuffle=True, drop_last=True, collate_fn=collate
    )


def held_bytes(tensors) -> int:
    """What this process holds of tensors: of a sharded one its own part."""
    return sum(getattr(tensor, "_local_tensor", tensor).nbytes for tensor in tensors)


def finetune(
    accelerator: Accelerator, checkpoint: str, output: str, max_steps: int = 200
) -> dict:
    """Train and save. Returns the losses, in nats per token, and the bytes."""
    set_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, padding_side="right")
    tokenizer.pad_token = tokenizer.eos_token
    model = GPT2LMHeadModel.from_pretrained(checkpoint, use_cache=False)
    model.gradient_checkpointing_enable()  # keeps dropout's masks
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    rows = batches(load_jokes("embedded").train, tokenizer)
    model, optimizer, rows = accelerator.prepare(model, optimizer, rows)
    model.train()

    losses = []
    while len(losses) < max_steps:
        for batch in rows:
            # of all processes together: a mean of means would weigh tokens unequally
            counted = accelerator.reduce((batch["labels"][:, 1:] != -100).sum())
            loss = model(**batch, num_items_in_batch=counted).loss
            # each process has its share of the sum, and gradients are averaged
            accelerator.backward(loss * accelerator.num_processes)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(accelerator.reduce(loss.detach()).item())
            accelerator.print(f"step {len(losses)}: loss {losses[-1]:.4f}")
            if len(losses) == max_steps:
                break
            optimizer.zero_grad()

    moments = [
        state[name]
        for state in optimizer.state.values()
        for name in ("exp_avg", "exp_avg_sq")
    ]
    measured = {
        "losses": losses,
        "weights": held_bytes(model.parameters()),
        "gradients": held_bytes(p.grad for p in model.parameters()),
        "optimizer": held_bytes(moments),
    }
    accelerator.print(f"{checkpoint}, bytes on each process: {measured}")

    weights = accelerator.get_state_dict(model)
    accelerator.unwrap_model(model).save_pretrained(
        output, state_dict=weights, is_main_process=accelerator.is_main_process
    )
    if accelerator.is_main_process:
        tokenizer.save_pretrained(output)
    return measured


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("give two arguments: a checkpoint, and the folder of the result")
    finetune(Accelerator(), *sys.argv[1:])
