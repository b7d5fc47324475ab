"""No chapter takes the first rows of a split without shuffling.

The reviews lie sorted by label, so the first rows of a split are all of one class.
`load_jokes` and `load_examples` give rows in the order of a digest, which is as good
as shuffled; what is checked here are the rows that lie as their file has them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from chapter import CHAPTERS, Chapter

# what gives a dictionary of splits whose rows lie in the order of a file, or such rows
SPLITS = ("load_reviews", "embedded_reviews", "split_reviews", "load_dataset")
ROWS = ("read_reviews_csv", "read_table")
# what shuffles, brings rows into an order of its own, or gives something else than rows
REORDERED = (
    *("shuffle", "sample", "choice", "choices", "train_test_split", "sorted"),
    *("groupby", "len", "sum", "min", "max", "next", "print"),
)


def first_rows(source: str) -> Iterator[str]:
    """The expressions of a program that take some rows of a split in file order."""
    kinds: dict[str, str] = {}  # name -> "splits" or "rows"
    for node in in_order(ast.parse(source)):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                assign(target, kind_of(node.value, kinds), kinds)
        elif isinstance(node, (ast.For, ast.comprehension)):
            over = kind_of(node.iter, kinds)
            assign(node.target, "rows" if over == "splits" else None, kinds)
        elif takes_some(node, kinds):
            yield ast.unparse(node)


def in_order(node: ast.AST) -> Iterator[ast.AST]:
    """Every node as it is evaluated: loops before what they repeat."""
    children = sorted(
        ast.iter_child_nodes(node),
        key=lambda child: not isinstance(child, ast.comprehension),
    )
    if isinstance(node, (ast.For, ast.comprehension)):
        yield node
    for child in children:
        yield from in_order(child)
    if not isinstance(node, (ast.For, ast.comprehension)):
        yield node


def assign(target: ast.expr, kind: str | None, kinds: dict[str, str]) -> None:
    """Remember what the names on the left of = are; none stays what it was."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            kinds.pop(node.id, None)
            if kind:
                kinds[node.id] = kind


def kind_of(node: ast.expr, kinds: dict[str, str]) -> str | None:
    """ "splits", "rows" in the order of a file, or None: anything else."""
    if isinstance(node, ast.Name):
        return kinds.get(node.id)
    if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        return kind_of(node.generators[0].iter, kinds) and "rows"
    if isinstance(node, (ast.List, ast.Tuple)):
        starred = [e.value for e in node.elts if isinstance(e, ast.Starred)]
        return next((kind for e in starred if (kind := kind_of(e, kinds))), None)
    if isinstance(node, ast.BinOp):
        return kind_of(node.left, kinds) or kind_of(node.right, kinds)
    if isinstance(node, ast.Attribute):
        return kind_of(node.value, kinds)
    if isinstance(node, ast.Subscript):
        kind = kind_of(node.value, kinds)
        if kind == "splits":
            return "rows"
        column = isinstance(node.slice, ast.Constant) and isinstance(
            node.slice.value, str
        )
        return kind if column or isinstance(node.slice, ast.Slice) else None
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func).split(".")[-1]
        if name in SPLITS:
            return "splits"
        if name in ROWS:
            return "rows"
        if name in REORDERED:
            return None
        if isinstance(node.func, ast.Attribute) and (
            kind := kind_of(node.func.value, kinds)
        ):
            return kind  # .items(), .values(), .map(), .remove_columns()
        return next((kind for e in node.args if (kind := kind_of(e, kinds))), None)
    return None


def takes_some(node: ast.AST, kinds: dict[str, str]) -> bool:
    """A slice of rows, `.select(...)` or `islice(...)` of them."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        piece = node.slice
        whole = piece.lower is piece.upper is piece.step is None
        return not whole and kind_of(node.value, kinds) == "rows"
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func).split(".")[-1]
        if name in ("select", "head", "take") and isinstance(node.func, ast.Attribute):
            return kind_of(node.func.value, kinds) == "rows"
        if name == "islice":
            return kind_of(node.args[0], kinds) == "rows"
    return False


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_chapter_takes_the_first_rows_of_a_split(path) -> None:
    program = "\n".join(cell.source for cell in Chapter.read(path).cells)
    assert list(first_rows(program)) == []


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("load_reviews()['train'][:80]", "load_reviews()['train'][:80]"),
        (
            "splits = embedded_reviews()\nsplits['train'][10:20]",
            "splits['train'][10:20]",
        ),
        (
            "train = load_reviews()['train']\ntexts = [t for t in train['text']]\n"
            "few = encode(texts, tokenizer)[: n // 2]",
            "encode(texts, tokenizer)[:n // 2]",
        ),
        (
            "for name, rows in load_reviews().items():\n    rows.select(range(8))",
            "rows.select(range(8))",
        ),
        (
            "parts = {n: len(rows[:9]) for n, rows in load_reviews().items()}",
            "rows[:9]",
        ),
        ("r = read_reviews_csv(path)\nlist(islice(r, 8))", "islice(r, 8)"),
        (
            "r = load_reviews().shuffle()\nr = load_reviews()\nr['test']['text'][:3]",
            "r['test']['text'][:3]",
        ),
    ],
)
def test_first_rows_are_found(program: str, found: str) -> None:
    assert list(first_rows(program)) == [found]


@pytest.mark.parametrize(
    "program",
    [
        "load_reviews().shuffle(seed=0)['train']['text'][:80]",
        "r = load_reviews()\nr = r['test'].shuffle(seed=0)\nr.select(range(8))",
        "rows = random.Random(0).sample(load_reviews()['train'], 20)\nrows[:3]",
        "train = load_reviews()['train']\ntrain['text'][:]",
        "for text in load_reviews()['train']['text']:\n    print(text[:80])",
        "example = load_reviews()['train'][7]\nexample['text'][:200]",
        "train = load_reviews()['train']\ntrain[i]['text'][:200]",
    ],
)
def test_what_is_shuffled_or_no_split_passes(program: str) -> None:
    assert list(first_rows(program)) == []


def test_a_planted_slice_is_found_in_a_chapter() -> None:
    """As a change of a page would bring it in: the shuffle is left out."""
    path = next(path for path in CHAPTERS if path.stem == "loss")
    program = "\n".join(cell.source for cell in Chapter.read(path).cells)
    assert ".shuffle(seed=0)" in program
    found = list(first_rows(program.replace(".shuffle(seed=0)", "")))
    assert found == ["validation['text'][:20]"]
