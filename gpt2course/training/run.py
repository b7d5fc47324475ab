"""The run: train, log, evaluate, save, resume, stop. Start at `Run.loop`.

pretraining.py and finetuning.py are recipes: they say what a step is and how good the
model is. Everything that makes a run safe to leave alone is here, once.
"""

from __future__ import annotations

import errno
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from gpt2course.checkpoints import read_model
from gpt2course.files import save_atomically
from gpt2course.training.config import FinetuneConfig, PretrainConfig
from gpt2course.training.folder import RunFolder, damaged, digest_of_model
from gpt2course.training.log import Log
from gpt2course.training.processes import (
    CtrlC,
    is_main_process,
    rank,
    stopped,
    wait_for_everyone,
    world_size,
)
from gpt2course.training.state import (
    TrainState,
    load_trained,
    read_state,
    trained_weights,
)
from gpt2course.training.step import LossNotFinite, Step

# None: torch does not say why
NO_ROOM = (None, errno.ENOSPC, getattr(errno, "EDQUOT", None))
# what entries of a wrong type or shape lead to
WRONG_STATE = (AttributeError, LookupError, RuntimeError, TypeError, ValueError)
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)

logger = logging.getLogger(__name__)


class Recipe(ABC):
    """What one kind of training supplies. `Run` does the rest.

    Attributes:
        model: the network that is trained.
        optimizers: whatever else has a state to save, by name: optimizers, a scaler.
        total_steps: optimizer steps of the whole run.
        settings: what has to be the same for a run to be resumed.
        fixed_length: why a longer run cannot continue a shorter one; "" if it can.
        patience: evaluations without a new best after which the run stops; 0: never.
        keeps_best: whether the folder holds the best model so far. Then the model is
            evaluated before the first step, too.
    """

    model: torch.nn.Module
    optimizers: dict[str, object]
    total_steps: int
    settings: dict[str, object]
    fixed_length: str = ""
    patience: int = 0
    keeps_best: bool = False

    @abstractmethod
    def learning_rate(self, step: int) -> float:
        """The rate of an optimizer step, for the log."""

    @abstractmethod
    def train_step(self, step: int) -> Step:
        """Do one optimizer step. Raises LossNotFinite and leaves the weights alone."""

    def log_step(self, step: int) -> dict[str, object]:
        """More entries for the log row of a step."""
        return {}

    @abstractmethod
    def evaluate(self, step: int) -> dict[str, float]:
        """How good the model is after this many steps; "eval_loss" is among it.

        Every process calls this, and all get the same numbers.
        """

    def sample(self) -> str | None:
        """A text of the model as it is, for the log; None for no text."""
        return None

    def write_first(self, folder: Path) -> None:  # noqa: B027 (a recipe may leave it out)
        """Files that do not change during a run, such as the tokenizer."""

    def write_best(self, folder: Path) -> None:  # noqa: B027 (a recipe may leave it out)
        """The model, each time that it is the best so far."""

    def write_last(self, folder: Path) -> None:  # noqa: B027 (a recipe may leave it out)
        """The model at the end of the run."""

    @abstractmethod
    def results(self, state: TrainState) -> dict[str, object]:
        """What results.json holds at the end of the run."""


class Run:
    """One process of a run. All processes hold the same weights; the first one writes.

    Args:
        recipe: what is trained, and how.
        config: how often to log, evaluate and save; the seed.
        folder: where log.jsonl, state.pt and the model go; it exists.
        watch: called with every row of the log.
        progress: show a bar on stderr.
    """

    def __init__(
        self,
        recipe: Recipe,
        config: FinetuneConfig | PretrainConfig,
        folder: Path,
        *,
        watch: Callable[[dict], None] | None = None,
        progress: bool = False,
    ) -> None:
        self.recipe, self.config, self.folder = recipe, config, folder
        self.watch, self.progress = watch, progress and rank() == 0
        self.state, self.saved_step = TrainState(), 0
        self.log_file = Log(folder / "log.jsonl")
        self.device = next(recipe.model.parameters()).device

    def go(self) -> dict:
        """Begin or resume, run to the end, and say how it went.

        Returns:
            the recipe's results; of a run that was finished before, what it stored.

        Raises:
            ValueError: the folder holds another run, or a damaged one.
            LossNotFinite: NaN or infinity; what was saved last is kept.
            OSError: the folder cannot be written, or the disk is full.
            KeyboardInterrupt: after ctrl-C, once the step is done and the state saved.
        """
        recipe = self.recipe
        run = RunFolder(self.folder, recipe.settings, fixed_length=recipe.fixed_length)
        try:
            with CtrlC() as ctrl_c, self.log_above_bar():
                results = run.open(write=rank() == 0)
                if results is not None:
                    if rank() == 0:
                        recipe.write_first(self.folder)
                    return results
                resumed = self.resume()
                wait_for_everyone(self.device)  # nobody may look later than this
                if not resumed:
                    self.begin()
                self.loop(ctrl_c)
                results = recipe.results(self.state)
                if rank() == 0:
                    self.check_best()
                    recipe.write_last(self.folder)
                    run.finish(results)
        except OSError as error:
            remedy = "fix that"
            if error.errno in NO_ROOM:
                remedy = "make room"
            elif error.errno in NOT_ALLOWED:
                remedy = "make it writable"
            raise OSError(
                f"cannot write to {self.folder} ({error.strerror or error}); what was "
                f"saved last is whole: {remedy}, then start again, and it resumes from "
                f"step {self.saved_step}"
            ) from error
        return results

    def loop(self, ctrl_c: CtrlC) -> None:
        """Step after step, and between them what keeps the run safe and visible."""
        config, recipe, state = self.config, self.recipe, self.state
        seconds_before, started = state.seconds, time.monotonic()
        speed = Speed()
        with self.bar() as bar:
            while state.step < recipe.total_steps and not self.out_of_patience():
                seed_step(config.seed, state.step)
                with speed:
                    done = self.try_step()
                state.step += 1
                state.tokens += done.tokens
                state.seconds = seconds_before + time.monotonic() - started
                speed.tokens += done.tokens
                bar.update()

                last = state.step == recipe.total_steps
                if state.step == 1 or state.step % config.logging_steps == 0:
                    self.log_step(done, speed, bar)
                if last or state.step % config.eval_steps == 0:
                    self.evaluate()
                stop = ctrl_c.asked(self.device)
                last = last or stop or self.out_of_patience()
                if last or state.step % config.save_steps == 0:
                    self.save()
                if stop:
                    raise stopped(self.folder, state.step, recipe.total_steps)

    def try_step(self) -> Step:
        """The recipe's step; if it fails, say what is kept and what to try."""
        step = self.state.step
        try:
            return self.recipe.train_step(step)
        except LossNotFinite as problem:
            raise LossNotFinite(self.advice(str(problem), step + 1)) from None

    def evaluate(self) -> None:
        """Measure, log, and write the model if it is the best so far."""
        state, recipe = self.state, self.recipe
        result = recipe.evaluate(state.step)
        loss = result["eval_loss"]
        if not math.isfinite(loss):
            problem = f"the held-out loss is {loss}"
            raise LossNotFinite(self.advice(problem, state.step))
        best = loss < state.best_loss
        if math.isinf(state.first_loss):
            state.first_loss = loss
        if best:
            state.best_loss, state.best_step = loss, state.step
            if rank() == 0:
                recipe.write_best(self.folder)
                state.best_digest = digest_of_model(self.folder)
        state.evaluations_without_best = (
            0 if best else state.evaluations_without_best + 1
        )
        state.last_evaluation = result
        rounded = {name: _rounded(value) for name, value in result.items()}
        self.log(**rounded, best=best)
        text = "  ".join(f"{name} {value}" for name, value in rounded.items())
        self.tell(f"step {state.step}/{recipe.total_steps}  {text}")
        if rank() == 0:
            sample = recipe.sample()
            if sample is not None:
                self.log(sample=sample)

    def out_of_patience(self) -> bool:
        """Whether too many evaluations brought no new best."""
        return 0 < self.recipe.patience <= self.state.evaluations_without_best

    # ---- the folder ------------------------------------------------------------------

    def begin(self) -> None:
        """The state comes first: a folder in which a run lies is known by it."""
        self.save()
        if rank() == 0:
            self.log_file.forget_after(-1)
            self.recipe.write_first(self.folder)
        if self.recipe.keeps_best:
            self.evaluate()
            self.save()

    def resume(self) -> bool:
        """Load state.pt if there is one, and drop the log rows that came after it."""
        recipe, path = self.recipe, self.folder / "state.pt"
        saved = read_state(path, self.device)
        if saved is None:
            return False
        try:
            load_trained(recipe.model, saved["model"])
            for name, optimizer in recipe.optimizers.items():
                optimizer.load_state_dict(saved["optimizers"][name])
            self.state = TrainState.from_dict(saved["progress"])
        except WRONG_STATE as error:
            raise damaged(path, error) from None
        if self.state.step > recipe.total_steps:
            raise ValueError(
                f"{self.folder} has done {self.state.step} steps already, more than "
                f"the {recipe.total_steps} of this run; use as many, or an empty folder"
            )
        self.saved_step = self.state.step
        if recipe.keeps_best and math.isinf(self.state.first_loss):
            return False  # it broke off during its first evaluation
        if rank() == 0:
            self.log_file.forget_after(self.state.step)
            recipe.write_first(self.folder)
            if recipe.keeps_best and not self.has_best():
                self.restore_best()
        self.tell(f"resuming from step {self.state.step}")
        return True

    def has_best(self) -> bool:
        """Whether the folder holds the best model, as it was written."""
        return digest_of_model(self.folder) == self.state.best_digest

    def restore_best(self) -> None:
        """Write the best model again if it is the saved one. Otherwise a readable one
        may pass: a kill comes between the best model and the state that knows it."""
        if self.state.best_step == self.state.step:
            self.recipe.write_best(self.folder)
            return
        try:
            read_model(self.folder)
        except ValueError as error:
            raise damaged(self.folder / "model.safetensors", error) from None

    def check_best(self) -> None:
        """Refuse to call a run finished whose best model somebody has changed."""
        state = self.state
        if not self.recipe.keeps_best or self.has_best():
            return
        if state.best_step != state.step:
            raise ValueError(
                f"{self.folder}: the model is not the best of the run, that of step "
                f"{state.best_step}: it was changed or removed on the way; choose an "
                "empty folder to train it again"
            )
        self.recipe.write_best(self.folder)  # the last one is the best one

    def save(self) -> None:
        """Write everything that resuming needs, in one file."""
        if rank() == 0:
            states = {
                name: optimizer.state_dict()
                for name, optimizer in self.recipe.optimizers.items()
            }
            save_atomically(
                {
                    "model": trained_weights(self.recipe.model),
                    "optimizers": states,
                    "progress": asdict(self.state),
                },
                self.folder / "state.pt",
            )
        self.saved_step = self.state.step

    # ---- what people see -------------------------------------------------------------

    def log_step(self, done: Step, speed: Speed, bar: tqdm) -> None:
        """A row of the log, and the same figures on the bar."""
        step, tokens_per_second = self.state.step, speed.measured()
        learning_rate = self.recipe.learning_rate(step - 1)
        self.log(
            loss=round(done.loss, 6),
            learning_rate=learning_rate,
            grad_norm=round(done.grad_norm, 4),
            **self.recipe.log_step(step - 1),
            tokens_per_second=round(tokens_per_second),
        )
        shown = {"loss": f"{done.loss:.3f}", "lr": f"{learning_rate:.1e}"}
        shown["tokens/s"] = f"{tokens_per_second:,.0f}"
        bar.set_postfix(shown)
        if not self.progress:
            self.tell(
                f"step {step}/{self.recipe.total_steps}  loss {done.loss:.3f}  "
                f"{tokens_per_second:,.0f} tokens/s"
            )

    def log(self, **row: object) -> None:
        """Append to log.jsonl, with the step, the tokens and the time."""
        if rank() == 0:
            state = self.state
            common = {"step": state.step, "tokens": state.tokens}
            row = {**common, "seconds": round(state.seconds, 2), **row}
            self.log_file.append(row)
            if self.watch:
                self.watch(row)

    def tell(self, line: str) -> None:
        """A line for whoever follows the log of the package."""
        if is_main_process():
            logger.info(line)

    def bar(self) -> tqdm:
        """Steps done, steps to do, loss and speed; nothing unless asked for."""
        return tqdm(
            total=self.recipe.total_steps,
            initial=self.state.step,
            unit="step",
            dynamic_ncols=True,
            disable=not self.progress,
        )

    def log_above_bar(self) -> AbstractContextManager:
        """Lines of the log appear above the bar instead of within it."""
        package = logging.getLogger("gpt2course")
        return logging_redirect_tqdm([package]) if self.progress else nullcontext()

    def advice(self, problem: str, step: int) -> str:
        """What happened, what is kept, what to try."""
        state, config = self.state, self.config
        kept = f"the state of step {self.saved_step}"
        if self.recipe.keeps_best:
            kept += (
                f" and the best weights, those of step {state.best_step} "
                f"(held-out loss {state.best_loss:.3f})"
            )
        remedies = f"a lower learning_rate than {config.learning_rate:.1e}"
        if getattr(config, "mixed_precision", "no") != "no":
            remedies += ", mixed_precision no"
        return (
            f"{problem} at step {step}; {self.folder} keeps {kept}. Try {remedies} or "
            "more warmup_steps, in another folder"
        )


class Speed:
    """Tokens per second of the steps alone, without evaluations and saves."""

    def __init__(self) -> None:
        self.tokens, self.seconds = 0, 0.0

    def __enter__(self) -> Speed:
        self.started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self.started

    def measured(self) -> float:
        """Since the last call."""
        tokens_per_second = self.tokens / max(self.seconds, 1e-9)
        self.tokens, self.seconds = 0, 0.0
        return tokens_per_second


def seed_step(seed: int, step: int) -> None:
    """Let the random numbers of a step (dropout) depend on nothing but the seed, the
    step and the process: then a run can stop and be resumed."""
    torch.manual_seed(seed * 1_000_003 + step * world_size() + rank())


def _rounded(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value
