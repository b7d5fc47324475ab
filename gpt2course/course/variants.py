"""Private variants of exercises: the same task with numbers of a course's own.

A published solution answers the published exercise only. Here some exercises have words
in capitals, whose values a course draws from its code. With the values of `published` a
variant is the exercise of the page. `gpt2course assignments` writes the notebooks; the
instructor's guide says what such a variant can and cannot prevent.
"""

from __future__ import annotations

import copy
import hashlib
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

Values = Mapping[str, object]
CASES = 6  # inputs on which an answer is compared
MOST_CASES = 100  # more of them, until the exercise of the page has another result


@dataclass(frozen=True)
class Variant:
    """An exercise whose text and solution depend on drawn values.

    Args:
        text: the question, in Markdown, with words in capitals for the values.
        solution: code that defines what the question asks for.
        published: the values of the page, by word.
        draws: what a course may draw, by word; never the published value.
        inputs: arguments of the function, from a random generator and the values.
        stub: what students find; by default the first line of the function and dots.
        points: for a right answer, as on the page.
        minutes: that the page gives it.
    """

    text: str
    solution: str
    published: Values
    draws: Mapping[str, Sequence]
    inputs: Callable[[random.Random, Values], tuple]
    stub: str = ""
    points: int = 1
    minutes: int = 5

    @property
    def function(self) -> str:
        """The name of the function that is to be written."""
        return re.findall(r"^def (\w+)", self.solution, flags=re.M)[-1]

    def values(self, name: str, course: str) -> dict[str, object]:
        """What the code of a course draws for the exercise of this name."""
        dice = generator("values", course, name)
        return {word: dice.choice(self.draws[word]) for word in self.draws}

    def question(self, values: Values) -> str:
        """The text with values in it."""
        return filled(self.text, values, str)

    def answer(self, values: Values) -> str:
        """The code of the solution with values in it."""
        return filled(self.solution, values, repr)

    def start(self, values: Values) -> str:
        """What students find in the cell."""
        if self.stub:
            return filled(self.stub, values, str)
        heads = re.findall(r"^def \w+\([^)]*\):", self.solution, flags=re.M)
        return f"{heads[-1]}\n    ...  # your code here"


def generator(*parts: str) -> random.Random:
    """A random generator that depends on the texts alone, on every machine."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def filled(text: str, values: Values, form: Callable[[object], str]) -> str:
    """A text with values in place of the words in capitals."""
    for word, value in values.items():
        text = re.sub(rf"\b{word}\b", lambda _, value=value: form(value), text)
    return text


def course_code(seed: str) -> str:
    """What students may see of a course's seed: it draws the same exercises.

    Args:
        seed: the secret of the course.
    """
    return hashlib.sha256(f"course\0{seed}".encode()).hexdigest()[:12]


def secret_values(seed: str, chapter: str) -> str:
    """What hidden tests draw their inputs from: not to be had from the course's code.

    Feedback of nbgrader shows the hidden cells. So each chapter has a secret of its
    own, and the feedback on one says nothing about the next.

    Args:
        seed: the secret of the course.
        chapter: its name.
    """
    text = f"hidden\0{seed}\0{chapter}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def compare(
    name: str, answer: Callable, course: str | None, inputs: str | None
) -> str | None:
    """What is wrong with an answer to a variant; None if nothing is.

    Args:
        name: of an exercise in VARIANTS.
        answer: the learner's function.
        course: code of the course; None for the exercise of the page.
        inputs: text to draw the inputs from; None for those that students see.
    """
    variant = VARIANTS[name]
    values = variant.values(name, course) if course else variant.published
    right = defined(variant.answer(values), variant.function)
    page = defined(variant.answer(variant.published), variant.function)
    dice = generator("inputs", inputs or "seen", name)
    as_on_the_page, differs, wrong = True, not course, None
    for case in range(MOST_CASES):
        if case >= CASES and differs:
            break
        arguments = variant.inputs(dice, values)
        given, given_right = copied(arguments), copied(arguments)
        got, wanted = answer(*given), right(*given_right)
        if same(given_right, arguments) and not same(given, arguments):
            return "your function changes what it is given; leave that as it is"
        published = page(*copied(arguments))
        as_on_the_page &= same(got, published)
        differs |= not same(wanted, published)
        if wrong is None and not same(got, wanted):
            if got is None:
                return "there is nothing here yet, or the function returns nothing"
            wrong = (
                f"for {', '.join(map(shown, arguments))} it should be "
                f"{shown(wanted)}; yours is {shown(got)}"
            )
            tensors = isinstance(got, torch.Tensor) and isinstance(wanted, torch.Tensor)
            if tensors and kind_of_numbers(got) != kind_of_numbers(wanted):
                wrong += (
                    f". Yours holds {kind_of_numbers(got)}; it should hold "
                    f"{kind_of_numbers(wanted)}"
                )
    if wrong and as_on_the_page:
        drawn = ", ".join(f"{word} = {value}" for word, value in values.items())
        return (
            "this answers the exercise of the page. The one of this course differs "
            f"({drawn}); read its text again"
        )
    return wrong


def defined(code: str, name: str) -> Callable:
    """The function of this name that the code defines."""
    space = {"torch": torch, "math": math, "Counter": Counter}
    exec(compile(code, "<variant>", "exec"), space)
    return space[name]


def copied(value: object) -> object:
    """Arguments of a function's own: it may change them."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, torch.nn.Module):
        return copy.deepcopy(value)
    if isinstance(value, (list, tuple)):
        return type(value)(copied(part) for part in value)
    return value


def same(a: object, b: object) -> bool:
    """Whether two results are equal, numbers up to rounding.

    Of two tensors both hold whole numbers, or truth values, or neither does.
    """
    if isinstance(a, torch.nn.Module) and isinstance(b, torch.nn.Module):
        return same(a.state_dict(), b.state_dict())
    both = isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)
    if both and kind_of_numbers(a) != kind_of_numbers(b):
        return False
    if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
        try:
            a, b = torch.as_tensor(a), torch.as_tensor(b)
            return a.shape == b.shape and torch.allclose(
                a.double(), b.double(), rtol=1e-4, atol=1e-6, equal_nan=True
            )
        except (TypeError, ValueError, RuntimeError):
            return False
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) or (a != a and b != b)
    return type(a) is type(b) and a == b


def kind_of_numbers(tensor: torch.Tensor) -> str:
    """What a tensor holds, whatever its precision."""
    if tensor.dtype == torch.bool:
        return "truth values"
    return "fractions" if tensor.is_floating_point() else "whole numbers"


def shown(value: object) -> str:
    """A value in a message: rounded, and short."""
    if isinstance(value, torch.nn.Module):
        each = (f"{name} {shown(p)}" for name, p in value.named_parameters())
        text = f"a model with {', '.join(each)}"
    elif isinstance(value, torch.Tensor):
        text = shown(value.tolist())
    elif isinstance(value, (list, tuple)):
        inner = ", ".join(map(shown, value))
        text = f"[{inner}]" if isinstance(value, list) else f"({inner})"
    elif isinstance(value, float):
        text = f"{value:.6g}"
    else:
        text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]} ..."


def whole(dice: random.Random, low: int, high: int, n: int) -> list[int]:
    """n whole numbers from low to high."""
    return [dice.randint(low, high) for _ in range(n)]


def floats(dice: random.Random, *shape: int) -> torch.Tensor:
    """A tensor of normal numbers."""
    g = torch.Generator().manual_seed(dice.getrandbits(32))
    return torch.randn(*shape, generator=g)


def ids(dice: random.Random, high: int, *shape: int) -> torch.Tensor:
    """A tensor of ids from 0 to high - 1."""
    g = torch.Generator().manual_seed(dice.getrandbits(32))
    return torch.randint(high, shape, generator=g)


def distribution(dice: random.Random, n: int) -> torch.Tensor:
    """n probabilities that add up to 1."""
    return (2 * floats(dice, n)).softmax(-1)


def documents(dice: random.Random, length: int) -> list[int]:
    """Numbers of texts side by side, with padding (-1) at the end."""
    row, number = [], 0
    while len(row) < length - 2:
        number += dice.randint(1, 3)
        row += [number] * dice.randint(1, 4)
    return [*row[: length - 2], -1, -1]


def labels_with(dice: random.Random, ignored: int) -> torch.Tensor:
    """Labels of which some do not count, here or on the page."""
    labels = ids(dice, 50, 3, 9)
    for value in (ignored, -100):
        labels[floats(dice, 3, 9) > 0.8] = value
    return labels


def padded(dice: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (3, 8) and how many of each row are text."""
    return ids(dice, 50, 3, 8), torch.tensor(whole(dice, 5, 8, 3))


def rows_of_ids(dice: random.Random) -> list[list[int]]:
    """Lists of ids of different lengths."""
    return [whole(dice, 1, 9, n) for n in whole(dice, 1, 9, 4)]


def loss_log(dice: random.Random) -> list[float]:
    """Losses, some of which are not finite."""
    bad = (math.nan, math.inf)
    return [
        dice.choice(bad) if dice.random() < 0.5 else dice.uniform(1, 5)
        for _ in range(12)
    ]


def repeating(dice: random.Random) -> list[int]:
    """Ids that end with a block, one to four times in a row."""
    block = whole(dice, 1, 3, dice.randint(1, 3))
    return whole(dice, 1, 3, 3) + block * dice.randint(1, 4)


def text_rows(dice: random.Random) -> tuple[list[list[int]], int]:
    """Rows of ids that end with 9, some with a second 9 in the middle, and 9."""
    rows = [[*whole(dice, 1, 8, n), 9] for n in whole(dice, 1, 4, 3)]
    return [[*rows[0], *rows[1]], *rows[1:]], 9


def texts_of(dice: random.Random, n: int, words: str, low: int, high: int) -> list:
    """n lists of words, each of low to high of them."""
    return [
        [dice.choice(words) for _ in range(dice.randint(low, high))] for _ in range(n)
    ]


def attention(dice: random.Random, heads: int, T: int) -> torch.Tensor:
    """Causal attention weights (heads, T, T)."""
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    scores = floats(dice, heads, T, T).masked_fill(future, float("-inf"))
    return scores.softmax(dim=-1)


def padded_mask(dice: random.Random) -> torch.Tensor:
    """An attention mask (3, 7) with padding on the left."""
    start = torch.tensor(whole(dice, 0, 4, 3))
    return (torch.arange(7) >= start[:, None]).long()


def words_of_tokens(dice: random.Random) -> tuple[list[int | None], list[int]]:
    """The word of each token, None for special ones, and the labels of the words."""
    n = dice.randint(3, 5)
    tokens = [word for word in range(n) for _ in range(dice.randint(1, 3))]
    return [None, *tokens, None], whole(dice, 0, 4, n)


def planned_rates(dice: random.Random) -> list[float]:
    """Learning rates: most fall to 0 some steps before the end, some only rise."""
    rises = [step / 4 for step in range(5)]
    if dice.random() < 0.2:
        return rises
    return [*rises, 0.75, 0.5, 0.25, *[0.0] * dice.randint(0, 7)]


def broken_model(dice: random.Random) -> torch.nn.Module:
    """Three parameters of five numbers, of which some are not finite."""
    parameters = {}
    for name in ("first", "second", "third"):
        numbers = floats(dice, 5).round(decimals=1)
        n_bad = dice.randint(0, 5)
        bad = [dice.choice((math.nan, math.inf)) for _ in range(n_bad)]
        parameters[name] = torch.cat([torch.tensor(bad), numbers[n_bad:]])
    return torch.nn.ParameterDict(parameters)


#: the exercises that have variants: name -> variant
VARIANTS: dict[str, Variant] = {
    "gpt2-needed": Variant(
        "Write `needed(probabilities, share)` for a tensor of probabilities: how many "
        "of the most probable tokens it takes until their probabilities add up to at "
        "least `share`. The answer is never below LEAST.",
        "def needed(probabilities, share):\n"
        "    total = probabilities.sort(descending=True).values.cumsum(0)\n"
        "    n = min(int((total < share).sum()) + 1, len(probabilities))\n"
        "    return max(n, LEAST)",
        {"LEAST": 1},
        {"LEAST": (3, 4, 5)},
        lambda dice, _: (distribution(dice, 9), dice.choice((0.05, 0.4, 0.7, 0.97))),
        points=2,
        minutes=8,
    ),
    "gpt2-memory": Variant(
        "Write `gigabytes(parameters, bits)`: how many units of UNIT bytes the weights "
        "take when each has that many bits and is kept COPIES times, as in training, "
        "where gradients and the optimizer's state come on top.",
        "def gigabytes(parameters, bits):\n"
        "    return COPIES * parameters * bits / 8 / UNIT",
        {"COPIES": 1, "UNIT": 10**9},
        {"COPIES": (2, 3, 4), "UNIT": (10**6, 2**20, 2**30)},
        lambda dice, _: (dice.randint(10**6, 10**9), dice.choice((4, 8, 16, 32))),
        points=1,
        minutes=4,
    ),
    "tokens-pairs": Variant(
        "Write `pair_counts(texts)` for texts that are lists of numbers: a dictionary "
        "from each pair of numbers that stand GAP places apart in a text to how often "
        "it occurs. (Neighbours are 1 place apart.)",
        "from collections import Counter\n\n"
        "def pair_counts(texts):\n"
        "    return dict(\n"
        "        Counter(pair for text in texts for pair in zip(text, text[GAP:]))\n"
        "    )",
        {"GAP": 1},
        {"GAP": (2, 3, 4)},
        lambda dice, _: (rows_of_ids(dice),),
        points=2,
        minutes=6,
    ),
    "tokens-train": Variant(
        "Write `train(words, n_merges)`: the first `n_merges` merges learned from a "
        "list of words. Words are `bytes`, and a merge is a pair of `bytes`. If two "
        "pairs are equally frequent, take the larger one. Stop early when no pair "
        "occurs at least LEAST times. (You may copy `count_pairs` and `merge` from the "
        "page.)",
        "from collections import Counter\n\n"
        "def merged(text, pair):\n"
        "    result = []\n"
        "    for piece in text:\n"
        "        if result and (result[-1], piece) == pair:\n"
        "            result[-1] += piece\n"
        "        else:\n"
        "            result.append(piece)\n"
        "    return result\n\n"
        "def train(words, n_merges):\n"
        "    texts = [[bytes([b]) for b in word] for word in words]\n"
        "    merges = []\n"
        "    while len(merges) < n_merges:\n"
        "        counts = Counter(\n"
        "            pair for text in texts for pair in zip(text, text[1:])\n"
        "        )\n"
        "        often = [(n, pair) for pair, n in counts.items() if n >= LEAST]\n"
        "        if not often:\n"
        "            break\n"
        "        pair = max(often)[1]\n"
        "        merges.append(pair)\n"
        "        texts = [merged(text, pair) for text in texts]\n"
        "    return merges",
        {"LEAST": 1},
        {"LEAST": (2, 3)},
        lambda dice, _: (
            ["".join(text).encode() for text in texts_of(dice, 4, "abc", 3, 7)],
            dice.randint(6, 12),
        ),
        points=4,
        minutes=15,
    ),
    "generation-pad": Variant(
        "Write `pad_left(prompts, pad)` for lists of ids: two tensors, the ids padded "
        "on the left to the same length, and the attention mask. The length is the "
        "smallest multiple of MULTIPLE that the longest prompt fits into.",
        "import torch\n\n"
        "def pad_left(prompts, pad):\n"
        "    longest = -(-max(map(len, prompts)) // MULTIPLE) * MULTIPLE\n"
        "    ids = [[pad] * (longest - len(p)) + list(p) for p in prompts]\n"
        "    mask = [[0] * (longest - len(p)) + [1] * len(p) for p in prompts]\n"
        "    return torch.tensor(ids), torch.tensor(mask)",
        {"MULTIPLE": 1},
        {"MULTIPLE": (4, 5, 8)},
        lambda dice, _: (rows_of_ids(dice), 0),
        points=2,
        minutes=8,
    ),
    "generation-positions": Variant(
        "Write `positions(attention_mask)`: the position ids that make each prompt "
        "start at START, whatever its padding on the left. Padding has the position "
        "PADDING.",
        "import torch\n\n"
        "def positions(attention_mask):\n"
        "    counted = attention_mask.cumsum(-1) - 1 + START\n"
        "    return torch.where(attention_mask == 1, counted, PADDING)",
        {"START": 0, "PADDING": 0},
        {"START": (1, 2, 10), "PADDING": (1, 3, 7)},
        lambda dice, _: (padded_mask(dice),),
        points=2,
        minutes=8,
    ),
    "counting-bigram": Variant(
        "Write `followers(words, word)`: a dictionary with the probability of each "
        "word that stands GAP places after `word` in the list `words`. (The very next "
        "word stands 1 place after it.)",
        "from collections import Counter\n\n"
        "def followers(words, word):\n"
        "    counts = Counter(b for a, b in zip(words, words[GAP:]) if a == word)\n"
        "    return {b: n / counts.total() for b, n in counts.items()}",
        {"GAP": 1},
        {"GAP": (2, 3, 4)},
        lambda dice, _: ([dice.choice("abc") for _ in range(20)], dice.choice("abc")),
        points=2,
        minutes=6,
    ),
    "counting-perplexity": Variant(
        "Write `perplexity_of(probabilities)` for the list of probabilities that a "
        "model gave to the tokens that came. The first FIRST tokens had too little "
        "context, and do not count. It has to work for long texts.",
        "import math\n\n"
        "def perplexity_of(probabilities):\n"
        "    counted = probabilities[FIRST:]\n"
        "    return math.exp(-sum(map(math.log, counted)) / len(counted))",
        {"FIRST": 0},
        {"FIRST": (1, 2, 3, 4)},
        lambda dice, _: (
            [dice.uniform(0.001, 1) for _ in range(dice.choice((8, 2000)))],
        ),
        points=2,
        minutes=6,
    ),
    "counting-bits": Variant(
        "Write `bits_per_character(loss, tokens, characters)`: a model has a mean "
        "`loss` in nats per token on a text of that many tokens and characters. "
        "Despite its name, let it return digits of base BASE per PER characters. (Bits "
        "are digits of base 2.)",
        "import math\n\n"
        "def bits_per_character(loss, tokens, characters):\n"
        "    return PER * loss * tokens / math.log(BASE) / characters",
        {"BASE": 2, "PER": 1},
        {"BASE": (3, 5, 10, 16), "PER": (10, 100, 1000)},
        lambda dice, _: (
            dice.uniform(1, 5),
            dice.randint(10, 99),
            dice.randint(100, 900),
        ),
        points=1,
        minutes=5,
    ),
    "loss-count": Variant(
        "Write `n_terms(labels)`: over how many tokens the loss is averaged, for "
        "labels (B, T) that have not been shifted. Here a label of IGNORED does not "
        "count, and every other label does; and row t of the logits predicts token "
        "t + AHEAD.",
        "def n_terms(labels):\n    return int((labels[:, AHEAD:] != IGNORED).sum())",
        {"AHEAD": 1, "IGNORED": -100},
        {"AHEAD": (2, 3, 4), "IGNORED": (-1, -2, -7, -9)},
        lambda dice, values: (labels_with(dice, values["IGNORED"]),),
        points=1,
        minutes=4,
    ),
    "loss-labels": Variant(
        "A batch was padded on the right with `<|endoftext|>`. Write "
        "`padded_labels(input_ids, lengths)`: the labels, where row $i$ holds "
        "`lengths[i]` tokens of text, its end included. A label of IGNORED does not "
        "count. The first FIRST tokens of each row are a prompt; they do not count "
        "either.",
        "import torch\n\n"
        "def padded_labels(input_ids, lengths):\n"
        "    places = torch.arange(input_ids.shape[1])\n"
        "    is_text = (places < lengths[:, None]) & (places >= FIRST)\n"
        "    return torch.where(is_text, input_ids, IGNORED)",
        {"FIRST": 0, "IGNORED": -100},
        {"FIRST": (1, 2, 3), "IGNORED": (-1, -2, -7, -9)},
        lambda dice, _: padded(dice),
        points=3,
        minutes=8,
    ),
    "greedy-circle": Variant(
        "Write `circle(ids)`: the length of the shortest block with which the list "
        "ends at least TIMES times in a row. Return 0 if there is none.",
        "def circle(ids):\n"
        "    for n in range(1, len(ids) // TIMES + 1):\n"
        "        if ids[-n * TIMES :] == ids[-n:] * TIMES:\n"
        "            return n\n"
        "    return 0",
        {"TIMES": 2},
        {"TIMES": (3, 4)},
        lambda dice, _: (repeating(dice),),
        points=3,
        minutes=10,
    ),
    "greedy-stop": Variant(
        "Write `cut(pieces, stop)`: join the pieces of text as they come, and end "
        "before occurrence number TIMES of `stop` (they count from 1, and do not "
        "overlap), even if it begins in one piece and ends in another.",
        "def cut(pieces, stop):\n"
        '    text = ""\n'
        "    for piece in pieces:\n"
        "        text += piece\n"
        "        parts = text.split(stop)\n"
        "        if len(parts) > TIMES:\n"
        "            return stop.join(parts[:TIMES])\n"
        "    return text",
        {"TIMES": 1},
        {"TIMES": (2, 3)},
        lambda dice, _: (
            ["".join(text) for text in texts_of(dice, 6, "abc", 1, 4)],
            dice.choice(("ab", "bc", "ca")),
        ),
        points=3,
        minutes=10,
    ),
    "sampling-topp": Variant(
        "Write `top_p(probabilities, p)` for one row: the probabilities after the "
        "filter, adding up to 1 again. The token that crosses p is kept, and the LEAST "
        "most probable tokens are kept however small p is.",
        "import torch\n\n"
        "def top_p(probabilities, p):\n"
        "    values, order = probabilities.sort(descending=True)\n"
        "    before = values.cumsum(0) - values\n"
        "    keep = (before < p) | (torch.arange(len(values)) < LEAST)\n"
        "    kept = torch.zeros_like(probabilities)\n"
        "    kept[order] = torch.where(keep, values, 0.0)\n"
        "    return kept / kept.sum()",
        {"LEAST": 1},
        {"LEAST": (2, 3, 4)},
        lambda dice, _: (distribution(dice, 6), dice.choice((0.05, 0.3, 0.9))),
        points=4,
        minutes=15,
    ),
    "sampling-ban": Variant(
        "Write a filter like those of the package: a function `no_doubles` of "
        "`(logits, input_ids)` that forbids the tokens which stand at the last LAST "
        'places of each row. A forbidden token has the logit `float("-inf")`. Return '
        "a new tensor.",
        "def no_doubles(logits, input_ids):\n"
        '    return logits.scatter(1, input_ids[:, -LAST:], float("-inf"))',
        {"LAST": 1},
        {"LAST": (2, 3, 4)},
        lambda dice, _: (floats(dice, 2, 9), ids(dice, 9, 2, 6)),
        points=2,
        minutes=8,
    ),
    "attention-mask": Variant(
        "Write the causal mask with a window, without `causal_mask`: a (T, S) tensor "
        "of booleans, True where looking is allowed. The T queries are the *last* T of "
        "the S tokens. A token may look at itself and at the WINDOW - 1 tokens before "
        "it, no further.",
        "import torch\n\n"
        "def my_mask(T, S):\n"
        "    back = torch.arange(S - T, S)[:, None] - torch.arange(S)\n"
        "    return (back >= 0) & (back < WINDOW)",
        {"WINDOW": 10**6},
        {"WINDOW": (2, 3, 4)},
        lambda dice, _: (n := dice.randint(3, 7), n + dice.randint(0, 3)),
        points=2,
        minutes=8,
    ),
    "attention-formula": Variant(
        "Write `my_attention(q, k, v)` for tensors of shape (B, H, T, D), causal, from "
        "the formula, but with scores divided by SCALE times the square root of D. Do "
        "not call the fused kernel.",
        "import torch\n\n"
        "def my_attention(q, k, v):\n"
        "    scores = q @ k.transpose(-2, -1) / (SCALE * q.size(-1) ** 0.5)\n"
        "    T, S = scores.shape[-2:]\n"
        "    future = torch.ones(T, S, dtype=torch.bool).triu(S - T + 1)\n"
        '    return scores.masked_fill(future, float("-inf")).softmax(dim=-1) @ v',
        {"SCALE": 1.0},
        {"SCALE": (0.5, 2.0, 3.0)},
        lambda dice, _: tuple(floats(dice, 2, 2, 4, 3) for _ in range(3)),
        points=3,
        minutes=12,
    ),
    "architecture-layernorm": Variant(
        "Write a layer norm, with `weight` and `bias`, that splits the last dimension "
        "into GROUPS equal parts side by side and normalises each part by itself. Mind "
        "which variance it takes.",
        "import torch\n\n"
        "def my_layer_norm(x, weight, bias, eps=1e-5):\n"
        "    parts = x.unflatten(-1, (GROUPS, -1))\n"
        "    centred = parts - parts.mean(-1, keepdim=True)\n"
        "    variance = centred.square().mean(-1, keepdim=True)\n"
        "    normal = centred / torch.sqrt(variance + eps)\n"
        "    return normal.flatten(-2) * weight + bias",
        {"GROUPS": 1},
        {"GROUPS": (2, 3, 4)},
        lambda dice, _: (floats(dice, 2, 3, 12), floats(dice, 12), floats(dice, 12)),
        points=2,
        minutes=8,
    ),
    "architecture-count": Variant(
        "Write the number of parameters of a GPT-2 whose MLP is FACTOR times as wide "
        "as the stream (GPT-2's is 4 times as wide), as a formula of `vocab_size` V, "
        "`n_positions` P, `n_embd` C and `n_layer` L. Do not build a model.",
        "def count_parameters(V, P, C, L):\n"
        "    attention = 4 * C * C + 4 * C\n"
        "    mlp = 2 * FACTOR * C * C + FACTOR * C + C\n"
        "    block = attention + mlp + 4 * C\n"
        "    return V * C + P * C + L * block + 2 * C",
        {"FACTOR": 4},
        {"FACTOR": (2, 3, 5, 6, 8)},
        lambda dice, _: tuple(whole(dice, 2, 200, 4)),
        points=2,
        minutes=10,
    ),
    "cache-size": Variant(
        "Write `cache_bytes(n_layer, n_embd, tokens, batch, bytes_per_number)` for a "
        "model in which every GROUP query heads share one head of keys and one of "
        "values.",
        "def cache_bytes(n_layer, n_embd, tokens, batch, bytes_per_number):\n"
        "    numbers = 2 * n_layer * n_embd * tokens * batch\n"
        "    return numbers * bytes_per_number // GROUP",
        {"GROUP": 1},
        {"GROUP": (2, 3, 4, 6)},
        lambda dice, _: (*whole(dice, 2, 9, 1), 48, *whole(dice, 2, 99, 2), 2),
        points=1,
        minutes=5,
    ),
    "cache-work": Variant(
        "Write `tokens_computed(prompt, new, cached)`: how many tokens pass through "
        "the network to write `new` tokens after a prompt of `prompt` tokens, without "
        "and with a cache. The model writes STRIDE tokens in each step, and `new` is a "
        "multiple of that. What the last step writes is not read.",
        "def tokens_computed(prompt, new, cached):\n"
        "    if cached:\n"
        "        return prompt + new - STRIDE\n"
        "    return sum(prompt + done for done in range(0, new, STRIDE))",
        {"STRIDE": 1},
        {"STRIDE": (2, 3, 4)},
        lambda dice, _: (
            dice.randint(1, 40),
            12 * dice.randint(1, 5),
            dice.random() < 0.5,
        ),
        points=2,
        minutes=6,
    ),
    "pretraining-schedule": Variant(
        "Write `rate(step, peak, warmup, total)`: it rises in a straight line and "
        "reaches `peak` at step `warmup - 1` (steps count from 0), is `peak` once more "
        "at step `warmup`, and falls from there along half a cosine to FLOOR times "
        "`peak` at step `total - 1`.",
        "import math\n\n"
        "def rate(step, peak, warmup, total):\n"
        "    if step < warmup:\n"
        "        return peak * (step + 1) / warmup\n"
        "    done = (step - warmup) / (total - 1 - warmup)\n"
        "    cosine = 0.5 * (1 + math.cos(math.pi * done))\n"
        "    return peak * (FLOOR + (1 - FLOOR) * cosine)",
        {"FLOOR": 0},
        {"FLOOR": (0.05, 0.1, 0.2, 0.25)},
        lambda dice, _: (dice.randint(0, 49), dice.uniform(0.001, 1), 7, 50),
        points=3,
        minutes=10,
    ),
    "pretraining-rows": Variant(
        "Write `inputs_and_targets(stream, n_rows, length)`: the first batch as two "
        "tensors of shape (n_rows, length). The model predicts the token AHEAD places "
        "after the one that it read last. The inputs are the first `n_rows * length` "
        "tokens of the stream.",
        "def inputs_and_targets(stream, n_rows, length):\n"
        "    n = n_rows * length\n"
        "    targets = stream[AHEAD : n + AHEAD]\n"
        "    return stream[:n].view(n_rows, length), targets.view(n_rows, length)",
        {"AHEAD": 1},
        {"AHEAD": (2, 3, 4)},
        lambda dice, _: (ids(dice, 99, 40), dice.randint(2, 5), dice.randint(3, 6)),
        points=2,
        minutes=6,
    ),
    "jokes-steps": Variant(
        "Write `steps(n, batch_size, epochs, drop_last)`: how many times the loop "
        "calls `optimizer.step()` for `n` jokes, if it does so after every BATCHES "
        "batches, and once more at the end of an epoch for batches that are left over. "
        "A `DataLoader` gives a last, smaller batch, unless `drop_last` is true.",
        "def steps(n, batch_size, epochs, drop_last):\n"
        "    batches = n // batch_size if drop_last else -(-n // batch_size)\n"
        "    return epochs * -(-batches // BATCHES)",
        {"BATCHES": 1},
        {"BATCHES": (2, 3, 4)},
        lambda dice, _: (
            dice.randint(50, 400),
            dice.randint(3, 9),
            dice.randint(1, 4),
            dice.random() < 0.5,
        ),
        points=2,
        minutes=6,
    ),
    "jokes-stolen": Variant(
        "Write `stolen(text, jokes)`: the largest number of words in a row that also "
        "stand in a row in at least TIMES of the jokes. All are lists of words "
        "already. Return 0 if there are none.",
        "def pieces(text, n):\n"
        "    return {tuple(text[i : i + n]) for i in range(len(text) - n + 1)}\n\n"
        "def stolen(text, jokes):\n"
        "    for n in range(len(text), 0, -1):\n"
        "        of_jokes = [pieces(joke, n) for joke in jokes]\n"
        "        for piece in pieces(text, n):\n"
        "            if sum(piece in found for found in of_jokes) >= TIMES:\n"
        "                return n\n"
        "    return 0",
        {"TIMES": 1},
        {"TIMES": (2, 3)},
        lambda dice, _: (
            *texts_of(dice, 1, "abcd", 6, 9),
            texts_of(dice, 4, "abcd", 4, 9),
        ),
        points=4,
        minutes=15,
    ),
    "batches-padding": Variant(
        "Write `padding_fraction(lengths)`: the fraction of the positions of one "
        "padded batch that hold no token, for texts of these lengths. All rows get the "
        "same length: the smallest multiple of MULTIPLE that the longest text fits "
        "into.",
        "def padding_fraction(lengths):\n"
        "    length = -(-max(lengths) // MULTIPLE) * MULTIPLE\n"
        "    return 1 - sum(lengths) / (length * len(lengths))",
        {"MULTIPLE": 1},
        {"MULTIPLE": (8, 16, 64)},
        lambda dice, _: (whole(dice, 3, 50, 6),),
        points=1,
        minutes=5,
    ),
    "batches-mask": Variant(
        "Write `mask(document_ids)`: from the numbers of the texts, (B, T), the tensor "
        "(B, 1, T, T) of booleans that is True where a token (row) may look at another "
        "(column): one of its own text, at its own position or up to WINDOW - 1 "
        "positions before. Padding has the number -1, and counts as one more text. No "
        "loop is needed.",
        "import torch\n\n"
        "def mask(document_ids):\n"
        "    T = document_ids.size(1)\n"
        "    same = document_ids[:, None, :, None] == document_ids[:, None, None, :]\n"
        "    places = torch.arange(T)\n"
        "    back = places[:, None] - places\n"
        "    return same & (back >= 0) & (back < WINDOW)",
        {"WINDOW": 10**6},
        {"WINDOW": (2, 3)},
        lambda dice, _: (torch.tensor([documents(dice, 12) for _ in range(2)]),),
        points=4,
        minutes=12,
    ),
    "batches-positions": Variant(
        "Write `positions(document_ids)` for one row, a list such as `[5, 5, 5, 2, 2, "
        "-1]`: the position of each token within its own text, where the first token "
        "of a text has position START, and PADDING for padding (-1). Two texts side by "
        "side always have different numbers.",
        "def positions(document_ids):\n"
        "    result = []\n"
        "    for i, document in enumerate(document_ids):\n"
        "        if document == -1:\n"
        "            result.append(PADDING)\n"
        "        elif i > 0 and document == document_ids[i - 1]:\n"
        "            result.append(result[-1] + 1)\n"
        "        else:\n"
        "            result.append(START)\n"
        "    return result",
        {"START": 0, "PADDING": 0},
        {"START": (1, 2, 10), "PADDING": (0, 3, 7)},
        lambda dice, _: (documents(dice, 12),),
        points=2,
        minutes=6,
    ),
    "training-clip": Variant(
        "Write `clip(gradients, limit)` for a list of tensors, the gradients of all "
        "parameters: new tensors whose norm, *all of them together*, is at most "
        "`limit`. The norm is the one of order ORDER: the sum of |g| to the power of "
        "ORDER over all numbers g, then the root of order ORDER. Gradients below the "
        "limit stay as they are.",
        "def clip(gradients, limit):\n"
        "    norm = sum(g.abs().pow(ORDER).sum() for g in gradients) ** (1 / ORDER)\n"
        "    factor = min(1.0, limit / norm.item()) if norm > 0 else 1.0\n"
        "    return [factor * g for g in gradients]",
        {"ORDER": 2},
        {"ORDER": (1, 3, 4)},
        lambda dice, _: (
            [floats(dice, 3, 4), floats(dice, 5)],
            dice.choice((0.5, 1.0, 100.0)),
        ),
        points=2,
        minutes=8,
    ),
    "training-resume": Variant(
        "A run of WORLD processes was killed and resumes at step `step` (from 0). "
        "Write `rows(step, orders, rows_per_step)`: the rows that process number RANK "
        "(they count from 0) reads in this step. A step reads `rows_per_step` rows in "
        "all, dealt out to the processes one by one, in turn, beginning with process "
        "0. `orders[e]` is the shuffled order of all rows in epoch `e`, and the epochs "
        "are read one after the other without a gap. There are always enough orders. A "
        "step may be longer than an epoch.",
        "def rows(step, orders, rows_per_step):\n"
        "    all_rows = [row for order in orders for row in order]\n"
        "    first = step * rows_per_step\n"
        "    return all_rows[first : first + rows_per_step][RANK::WORLD]",
        {"RANK": 0, "WORLD": 1},
        {"RANK": (0, 1), "WORLD": (2, 3, 4)},
        lambda dice, _: (
            dice.randint(0, 3),
            [dice.sample(range(7), 7) for _ in range(7)],
            dice.randint(8, 12),
        ),
        points=4,
        minutes=15,
    ),
    "family-span": Variant(
        "Write `best_span(start, end, longest)` for the scores (T,) of one text: the "
        "pair (i, j) with the largest `start[i] + end[j]` among all spans of at least "
        "SHORTEST and at most `longest` tokens. (i = j is a span of one token.)",
        "import torch\n\n"
        "def best_span(start, end, longest):\n"
        "    table = start[:, None] + end\n"
        "    allowed = torch.ones_like(table).triu(SHORTEST - 1).tril(longest - 1)\n"
        '    best = table.masked_fill(allowed == 0, float("-inf")).argmax().item()\n'
        "    return divmod(best, len(end))",
        {"SHORTEST": 1},
        {"SHORTEST": (2, 3)},
        lambda dice, _: (floats(dice, 9), floats(dice, 9), dice.randint(3, 5)),
        points=4,
        minutes=12,
    ),
    "family-words": Variant(
        "Somebody has labelled *words*, but the model labels *tokens*, and a word may "
        "have several. Write `token_labels(word_of_token, labels)`: the SIDE token of "
        "each word gets the word's label. All others get IGNORED, and so do special "
        "tokens, whose word is `None`.",
        "def token_labels(word_of_token, labels):\n"
        "    words = list(word_of_token)\n"
        '    if SIDE == "last":\n'
        "        beside = [*words[1:], None]\n"
        "    else:\n"
        "        beside = [None, *words[:-1]]\n"
        "    return [\n"
        "        labels[word] if word is not None and word != other else IGNORED\n"
        "        for word, other in zip(words, beside)\n"
        "    ]",
        {"SIDE": "last", "IGNORED": -100},
        {"SIDE": ("first",), "IGNORED": (-1, -2, -7, -9)},
        lambda dice, _: words_of_tokens(dice),
        points=3,
        minutes=10,
    ),
    "sentiment-cut": Variant(
        "Write `cut(ids, n)`: a list of at most n ids that keeps the beginning and the "
        "end. Of n ids, the end gets n / PARTS, rounded down, and the beginning the "
        "rest. n is at least PARTS. A list of at most n ids stays as it is.",
        "def cut(ids, n):\n"
        "    tail = n // PARTS\n"
        "    return ids if len(ids) <= n else ids[: n - tail] + ids[-tail:]",
        {"PARTS": 2},
        {"PARTS": (3, 4, 5)},
        lambda dice, _: (
            whole(dice, 0, 99, dice.choice((6, 20, 20))),
            dice.randint(6, 12),
        ),
        points=1,
        minutes=5,
    ),
    "sentiment-replication": Variant(
        "Write `replicated(losses)` for one review: `losses` is a tensor (T,) with the "
        "loss at each of its T positions. Return their weighted mean, where position t "
        "of T (the first is 1) has the weight t / T to the power of POWER.",
        "import torch\n\n"
        "def replicated(losses):\n"
        "    T = len(losses)\n"
        "    weights = (torch.arange(1, T + 1) / T) ** POWER\n"
        "    return (weights * losses).sum() / weights.sum()",
        {"POWER": 1},
        {"POWER": (2, 3, 0.5)},
        lambda dice, _: (floats(dice, dice.randint(3, 9)).exp(),),
        points=2,
        minutes=6,
    ),
    "evaluating-a-classifier-confusion": Variant(
        "Write `confusion_matrix(truth, predicted)` for two tensors of classes, whole "
        "numbers from 0 on, of which there are CLASSES: a list of rows of counts, a "
        "row for each true class, a column for each predicted class.",
        "def confusion_matrix(truth, predicted):\n"
        "    classes = range(CLASSES)\n"
        "    return [\n"
        "        [int(((truth == t) & (predicted == p)).sum()) for p in classes]\n"
        "        for t in classes\n"
        "    ]",
        {"CLASSES": 2},
        {"CLASSES": (3, 4, 5)},
        lambda dice, values: tuple(ids(dice, values["CLASSES"], 30) for _ in range(2)),
        points=2,
        minutes=6,
    ),
    "evaluating-a-classifier-interval": Variant(
        "With k correct predictions of n and z = QUANTILE, the interval has the centre "
        "(k + z²/2) / (n + z²) and the half-width z / (n + z²) · √(k (n − k) / n + "
        "z²/4). Write `interval(k, n)`: its two ends, without `wilson_interval`.",
        "import math\n\n"
        "def interval(k, n):\n"
        "    z = QUANTILE\n"
        "    centre = (k + z**2 / 2) / (n + z**2)\n"
        "    half_width = z / (n + z**2) * math.sqrt(k * (n - k) / n + z**2 / 4)\n"
        "    return centre - half_width, centre + half_width",
        {"QUANTILE": 1.96},
        {"QUANTILE": (1.282, 1.645, 2.326, 2.576)},
        lambda dice, _: (dice.randint(0, 50), 50),
        points=2,
        minutes=8,
    ),
    "clinic-death": Variant(
        "Write `died_at(log)`: the number of the first step (counted from 1) with "
        "which PATIENCE losses in a row begin that are not finite, and `None` if there "
        "is no such step. Infinity counts, too.",
        "import math\n\n"
        "def died_at(log):\n"
        "    dead = [not math.isfinite(loss) for loss in log]\n"
        "    for i in range(len(log) - PATIENCE + 1):\n"
        "        if all(dead[i : i + PATIENCE]):\n"
        "            return i + 1\n"
        "    return None",
        {"PATIENCE": 1},
        {"PATIENCE": (2, 3)},
        lambda dice, _: (loss_log(dice),),
        points=1,
        minutes=5,
    ),
    "clinic-nonfinite": Variant(
        "Write `first_nonfinite(model)`: the name of the first parameter that holds at "
        "least LEAST numbers which are not finite, in the order of "
        "`named_parameters`, and `None` if there is none.",
        "def first_nonfinite(model):\n"
        "    for name, p in model.named_parameters():\n"
        "        if int((~p.isfinite()).sum()) >= LEAST:\n"
        "            return name\n"
        "    return None",
        {"LEAST": 1},
        {"LEAST": (2, 3, 4)},
        lambda dice, _: (broken_model(dice),),
        points=2,
        minutes=6,
    ),
    "silent-failures-schedule": Variant(
        "You get the learning rates of a planned run, one for each step. Write "
        '`fault(rates)`: `"rises to the end"` if the highest rate is that of the last '
        'step, `"stops too early"` if the rate is 0 before the last LAST steps, and '
        '`"none"` otherwise. A first step with rate 0 is no fault, and a constant rate '
        "does not rise.",
        "def fault(rates):\n"
        "    if rates[-1] == max(rates) > min(rates):\n"
        '        return "rises to the end"\n'
        '    return "stops too early" if 0 in rates[1:-LAST] else "none"',
        {"LAST": 1},
        {"LAST": (3, 4, 5)},
        lambda dice, _: (planned_rates(dice),),
        points=2,
        minutes=8,
    ),
    "silent-failures-collator": Variant(
        "This collator pads on the wrong side, and hides the wrong labels. Repair it: "
        "it pads on the SIDE with `end`, and a label of IGNORED stands where there is "
        "padding, and nowhere else. A row is a list of ids that ends with `end`. A row "
        "in which two texts were packed holds another `end` in its middle.",
        "import torch\n\n"
        "def collate(rows, end):\n"
        "    T = max(map(len, rows))\n"
        "    ids, labels = [], []\n"
        "    for row in rows:\n"
        "        n = T - len(row)\n"
        '        left = n if SIDE == "left" else 0\n'
        "        ids.append([end] * left + row + [end] * (n - left))\n"
        "        labels.append([IGNORED] * left + row + [IGNORED] * (n - left))\n"
        "    return torch.tensor(ids), torch.tensor(labels)",
        {"SIDE": "right", "IGNORED": -100, "BUG": ""},
        {
            "SIDE": ("left",),
            "IGNORED": (-1, -2, -7),
            "BUG": (
                "input_ids.masked_fill(input_ids == end, -100)",
                "input_ids.clone()",
                "torch.where(input_ids.cumsum(1) > 0, input_ids, -100)",
            ),
        },
        lambda dice, _: text_rows(dice),
        stub="import torch\n\n"
        "def collate(rows, end):\n"
        "    T = max(map(len, rows))\n"
        "    ids = [row + [end] * (T - len(row)) for row in rows]\n"
        "    input_ids = torch.tensor(ids)\n"
        "    labels = BUG  # repair this\n"
        "    return input_ids, labels",
        points=3,
        minutes=12,
    ),
    "paper-calibrate": Variant(
        "Write `calibrated(scores, prior)`: for each text the index of the chosen "
        "class. `scores` is a tensor (texts, classes) of log-probabilities, `prior` "
        "(classes) the same without a text. The prior counts WEIGHT times.",
        "def calibrated(scores, prior):\n"
        "    return (scores - WEIGHT * prior).argmax(dim=-1)",
        {"WEIGHT": 1},
        {"WEIGHT": (0.25, 0.5, 2.5, 4)},
        lambda dice, _: (floats(dice, 12, 3), 2 * floats(dice, 3)),
        points=2,
        minutes=8,
    ),
    "paper-prompt": Variant(
        "Write `translation_prompt(pairs, sentence)`: a form like the paper's. One "
        "line for each example pair, `english SIGN french`, and a last line for the "
        "new sentence that ends in `SIGN`. No space at the end: in GPT-2's tokens the "
        "space belongs to the word after it.",
        "def translation_prompt(pairs, sentence):\n"
        "    sign = SIGN\n"
        '    lines = [f"{english} {sign} {french}" for english, french in pairs]\n'
        '    return "\\n".join([*lines, f"{sentence} {sign}"])',
        {"SIGN": "="},
        {"SIGN": ("->", "=>", "::", "means", "in French:")},
        lambda dice, _: (
            [(dice.choice("abc"), dice.choice("xyz")) for _ in range(3)],
            dice.choice(("a b", "good morning")),
        ),
        points=1,
        minutes=5,
    ),
    "evaluating-windows": Variant(
        "Write `windows(n, window, stride)` for a text of `n` tokens: a list of "
        "triples (start, first predicted, end). A text shorter than the window is one "
        "window, (0, FIRST, n). The first window predicts its tokens "
        "from number FIRST on (they count from 0). Each further window predicts "
        "`stride` more, or what is left, and is full: it starts at `end - window`.",
        "def windows(n, window, stride):\n"
        "    done = min(window, n)\n"
        "    found = [(0, FIRST, done)]\n"
        "    while done < n:\n"
        "        end = min(done + stride, n)\n"
        "        found.append((end - window, done, end))\n"
        "        done = end\n"
        "    return found",
        {"FIRST": 0},
        {"FIRST": (1, 2, 3, 4)},
        lambda dice, _: (dice.randint(5, 60), dice.randint(8, 16), dice.randint(2, 8)),
        points=3,
        minutes=12,
    ),
    "evaluating-unit": Variant(
        "Write `per_word(token_perplexity, tokens, words)`: the perplexity per group "
        "of words of a text whose perplexity per token is known, for groups of GROUP "
        "words.",
        "import math\n\n"
        "def per_word(token_perplexity, tokens, words):\n"
        "    loss = tokens * math.log(token_perplexity)\n"
        "    return math.exp(GROUP * loss / words)",
        {"GROUP": 1},
        {"GROUP": (2, 3, 4, 5)},
        lambda dice, _: (
            dice.uniform(2, 40),
            dice.randint(110, 140),
            dice.randint(80, 100),
        ),
        points=2,
        minutes=5,
    ),
    "evaluating-norm": Variant(
        "Write `choose(scores, endings)`: the index of the ending with the largest "
        "score, where a score is the log-probability divided by the number of "
        "characters to the power of POWER.",
        "def choose(scores, endings):\n"
        "    each = [s / len(e) ** POWER for s, e in zip(scores, endings)]\n"
        "    return max(range(len(each)), key=each.__getitem__)",
        {"POWER": 1},
        {"POWER": (0.25, 0.5, 2, 3)},
        lambda dice, _: (
            [-dice.uniform(2, 40) for _ in range(5)],
            ["a" * n for n in whole(dice, 2, 30, 5)],
        ),
        points=2,
        minutes=6,
    ),
    "evaluating-rouge": Variant(
        "Write `rouge_1(written, reference)`: the F-score of shared words. A word is a "
        "run of letters and digits, in lower case; everything else separates words. A "
        "word counts as often as it stands in *both* texts. With s shared words, w "
        "words written and r in the reference it is (1 + β²) s / (w + β² r), and β is "
        "BETA; "
        "0.0 without a shared word. (With 1 it is the F1.)",
        "import re\n"
        "from collections import Counter\n\n"
        "def rouge_1(written, reference):\n"
        "    a, b = (\n"
        '        Counter(re.findall(r"[a-z0-9]+", text.lower()))\n'
        "        for text in (written, reference)\n"
        "    )\n"
        "    shared = (a & b).total()\n"
        "    if not shared:\n"
        "        return 0.0\n"
        "    beta = BETA\n"
        "    return (1 + beta**2) * shared / (a.total() + beta**2 * b.total())",
        {"BETA": 1},
        {"BETA": (0.5, 2, 3)},
        lambda dice, _: tuple(map(", ".join, texts_of(dice, 2, "aAbBcd", 3, 9))),
        points=3,
        minutes=10,
    ),
    "inside-previous": Variant(
        "Write `previous(weights)` for attention weights (H, T, T): a tensor (H,) with "
        "the mean weight that each head gives to the token BACK places before. The "
        "first BACK tokens have none and do not count.",
        "def previous(weights):\n"
        "    return weights.diagonal(-BACK, dim1=-2, dim2=-1).mean(dim=-1)",
        {"BACK": 1},
        {"BACK": (2, 3, 4)},
        lambda dice, _: (attention(dice, 3, 8),),
        points=2,
        minutes=6,
    ),
    "inside-silence": Variant(
        "Write `silence(y, head, n_head)`. It gets y (B, T, C), the outputs of the "
        "heads side by side, as `c_proj` reads them, and returns a *copy* in which the "
        "numbers of head number `head` (from 0) are FACTOR times what they were.",
        "def silence(y, head, n_head):\n"
        "    D = y.size(-1) // n_head\n"
        "    y = y.clone()\n"
        "    y[..., head * D : (head + 1) * D] *= FACTOR\n"
        "    return y",
        {"FACTOR": 0},
        {"FACTOR": (-1, 0.5, 2, 3)},
        lambda dice, _: (floats(dice, 2, 3, 12), dice.randint(0, 2), 3),
        points=3,
        minutes=8,
    ),
    "inside-induction": Variant(
        "The text is `length` random tokens, twice. Write `induction(weights)` for "
        "weights (H, 2 · length, 2 · length): the mean weight (H,) that the tokens of "
        "the second half give to the token AHEAD places after their first occurrence.",
        "import torch\n\n"
        "def induction(weights):\n"
        "    length = weights.size(-1) // 2\n"
        "    t = torch.arange(length, 2 * length)\n"
        "    return weights[:, t, t - length + AHEAD].mean(dim=-1)",
        {"AHEAD": 1},
        {"AHEAD": (0, 2, 3)},
        lambda dice, _: (attention(dice, 2, 2 * dice.randint(4, 6)),),
        points=4,
        minutes=15,
    ),
    "large-states": Variant(
        "Write `state_bytes(parameters, bits)`: bytes of weights, gradients and the "
        "optimizer's state together. A weight takes BYTES bytes, and so does its "
        "gradient. The optimizer keeps MOMENTS numbers per parameter and stores each "
        "of them in that many bits. Leave scales out.",
        "def state_bytes(parameters, bits):\n"
        "    return parameters * (BYTES + BYTES + MOMENTS * bits / 8)",
        {"BYTES": 4, "MOMENTS": 2},
        {"BYTES": (1, 2, 8), "MOMENTS": (1, 3)},
        lambda dice, _: (dice.randint(10**3, 10**9), dice.choice((4, 8, 16, 32))),
        points=2,
        minutes=5,
    ),
    "large-kept": Variant(
        "Write `kept(B, T, C, L, checkpointing)`: how many numbers L blocks keep after "
        "the forward pass, terms with C only, as in the page's table. With "
        "checkpointing, GROUP blocks in a row are computed again together: such a "
        "group keeps only what goes into its first block. L is a multiple of GROUP.",
        "def kept(B, T, C, L, checkpointing):\n"
        "    units = L // GROUP if checkpointing else 16 * L\n"
        "    return units * B * T * C",
        {"GROUP": 1},
        {"GROUP": (2, 3, 4)},
        lambda dice, _: (*whole(dice, 2, 9, 3), 12, dice.random() < 0.7),
        points=2,
        minutes=6,
    ),
    "large-lora": Variant(
        "Write `lora_parameters(n_layer, n_embd, rank)`: how many parameters LoRA "
        "trains when it stands beside one matrix of each block, which reads C numbers "
        "and writes OUT times as many.",
        "def lora_parameters(n_layer, n_embd, rank):\n"
        "    down = n_embd * rank\n"
        "    up = rank * OUT * n_embd\n"
        "    return n_layer * (down + up)",
        {"OUT": 3},
        {"OUT": (1, 2, 4)},
        lambda dice, _: (dice.randint(2, 48), 64 * dice.randint(1, 25), 8),
        points=2,
        minutes=5,
    ),
    "today-rotary": Variant(
        "Write `my_rotate(x, positions)` for x of shape (B, H, T, D) and positions of "
        "shape (T,), with the base BASE and the pairs as on the page: number i with "
        "number i + D / 2.",
        "import torch\n\n"
        "def my_rotate(x, positions):\n"
        "    half = x.size(-1) // 2\n"
        "    speed = float(BASE) ** -(torch.arange(half) / half)\n"
        "    angle = positions[:, None] * speed\n"
        "    a, b = x[..., :half], x[..., half:]\n"
        "    cos, sin = angle.cos(), angle.sin()\n"
        "    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)",
        {"BASE": 10_000},
        {"BASE": (100, 1_000, 500_000)},
        lambda dice, _: (floats(dice, 1, 2, 5, 6), ids(dice, 50, 5)),
        points=4,
        minutes=15,
    ),
    "today-swiglu": Variant(
        "Write `my_hidden(C, multiple_of)`: the hidden size of a SwiGLU that has as "
        "many parameters as an MLP that is WIDTH times as wide as the stream: two "
        "thirds of WIDTH times C, rounded down to a whole number and then *up* to a "
        "multiple that suits the hardware.",
        "def my_hidden(C, multiple_of):\n"
        "    return -(-(2 * WIDTH * C // 3) // multiple_of) * multiple_of",
        {"WIDTH": 4},
        {"WIDTH": (2, 3, 5, 6)},
        lambda dice, _: (dice.randint(50, 900), dice.choice((8, 64, 256))),
        points=1,
        minutes=5,
    ),
}
