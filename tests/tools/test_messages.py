"""What errors say is read from the source, every one of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from references import BOOK, ROOT, converter

from gpt2course import (
    checkpoints,
    data,
    evaluation,
    generation,
    sentiment,
    settings,
    training,
)
from gpt2course.cli import main
from gpt2course.config import GPT2Config
from tools import messages
from tools.chapters import read_chapter
from tools.messages import (
    GROUPS,
    Source,
    collected,
    has_words,
    in_markdown,
    is_inside,
    listed,
    public_names,
)
from tools.reference import members

PAGE = read_chapter(BOOK / "troubleshooting.md")
# an error without words of its own: where it is raised, and why that is all right
EXPLAINED = {
    "arguments.number": "a TypeError of its own, answered a line later",
    "arguments._items": "a TypeError of its own, answered a line later",
    "arguments._whole": "a TypeError of its own, answered a line later",
    "checkpoints.convert.read_config": "puts the file before the message of GPT2Config",
    "checkpoints.convert.read_model": "puts the file before the message of from_hf",
    "checkpoints.reading.read_small_file": "the message of files.read_bounded",
    "checkpoints.reading._weights": "the message of files.refuse_irregular",
    "training.folder.RunFolder.open": "why the run diverged, as it was said then",
    "sentiment.finetuning.finetune_sentiment": "ctrl-C: processes.stopped says more",
    "checkpoints.reconciliation.reconcile": "puts the file before that of GPT2Config",
    "sentiment.model._configuration": "puts the file before that of transformers",
    "sentiment.model._with_weights": "puts the folder before the message of from_hf",
    "checkpoints.hub._Question.answer": "what the connection said; hub_folder reports",
    "cli.options._path": "jsonargparse says that it must be a path",
    "course.time_limit._alarm": "stops an answer to an exercise; the check says so",
    "training.processes.CtrlC._note": "ctrl-C pressed twice: Python's own, no message",
    "training.processes.run_in_processes": "the message of one of the processes",
}
HELPERS = """
LIMIT = 3
NOTHING = "there is nothing to read"

def unknown(what, given, allowed) -> ValueError:
    near = f"did you mean {allowed[0]}? " if allowed else ""
    return ValueError(f"unknown {what} {given!r}; {near}known are {', '.join(allowed)}")

def remedy(folder):
    return f"empty the folder {folder}"
"""


def package(folder: Path, **files: str) -> Path:
    """A package `made` with some files."""
    folder /= "made"
    for name, source in {"__init__": "", **files}.items():
        path = folder / f"{name.replace('__in__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return folder


def found(folder: Path, body: str) -> tuple[list[str], list[str]]:
    """The messages in a function with this body, and the expressions without."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    source = f"from made.helpers import unknown, NOTHING, remedy\ndef f(path):\n{lines}"
    made = Source(package(folder, helpers=HELPERS, user=source), {})
    texts, rest = made.messages()
    return [m.text for m in texts if m.room == "user"], [r.expression for r in rest]


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ('raise ValueError("no text")', ["no text"]),
        ('raise ValueError(f"{path} has {3:,} bytes")', ["… has … bytes"]),
        ('raise ValueError(f"{path}{path!r} is odd")', ["… is odd"]),
        (
            'raise OSError(\n  f"{path} is full; "\n  "make room"\n)',
            ["… is full; make room"],
        ),
        ('raise OSError("up to " + path + f" bytes{1}")', ["up to … bytes…"]),
        ('why = f"{path} is gone"\nraise OSError(why) from None', ["… is gone"]),
        ('why = "one"\nif path:\n  why = "two"\nraise OSError(why)', ["one", "two"]),
        ('why = "bad"\nwhy += path\nraise OSError(why)', ["bad…"]),
        ('if (why := "walrus"):\n  raise OSError(why)', ["walrus"]),
        ('raise OSError("one" if path else "two")', ["one", "two"]),
        ('raise yaml.error.Odd(None, f"{path} is odd", 1)', ["… is odd"]),
        ('raise unknown("size", path, [])', ["unknown size …; …known are …"]),
        ("raise OSError(remedy(path))", ["empty the folder …"]),
        ('raise OSError(f"{remedy(path)}; stop")', ["empty the folder …; stop"]),
        ('raise OSError(f"stop; {remedy(path)}")', ["stop; …"]),
        ('raise OSError(str("as text"))', ["as text"]),
        ('raise OSError("in\\n  two lines")', ["in two lines"]),
        ('def g():\n  raise OSError("inside")\ng()', ["inside"]),
    ],
)
def test_a_message_is_read(tmp_path, body, texts):
    assert found(tmp_path, body) == (texts, [])


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        ("raise path", ["path"]),
        ("raise StopIteration", ["StopIteration"]),
        ("raise OSError", ["OSError"]),
        ("raise OSError()", ["OSError()"]),
        ('raise OSError(f"{path}: {path}")', ["OSError(f'{path}: {path}')"]),
        ("raise OSError(path.reason())", ["OSError(path.reason())"]),
        ("why = path[0]\nraise OSError(why)", ["OSError(why)"]),
        ("a = b\nb = a\nraise OSError(a)", ["OSError(a)"]),  # no end of names
    ],
)
def test_what_cannot_be_read_is_reported(tmp_path, body, rest):
    assert found(tmp_path, body) == ([], rest)


def test_a_raise_alone_passes_on_what_is_listed_elsewhere(tmp_path):
    body = 'try:\n  raise OSError("once")\nexcept OSError:\n  raise'
    assert found(tmp_path, body) == (["once"], [])


def test_a_message_says_its_type_and_where_it_arises(tmp_path):
    face = (
        "import lazy_loader\n"
        "a, b, c = lazy_loader.attach(__name__, submod_attrs={'deep': ['check']})\n"
    )
    deep = (
        "def _look(x):\n    raise TypeError(f'{x} is odd')\n"
        "def check(x):\n    _look(x)\n"
        "class Box:\n"
        '    """A box.\n\n    Raises:\n        OSError: the disk has no room at all.\n'
        '    """\n'
        "    def open(self):\n        self._full(f'{self} leaks')\n"
        "    def close(self):\n        raise OSError('cannot write')\n"
        "    def _full(self, message) -> NoReturn:\n"
        "        raise KeyError(f'{message}; sorry')\n"
    )
    user = (
        "from made.room import check\nfrom made.room.deep import Box\n"
        "class _Log:\n    def note(self):\n        raise EOFError('the log ended')\n"
        "def use(x):\n    box = Box()\n    box.open()\n    return check, _Log\n"
    )
    folder = package(tmp_path, room__in____init__=face, room__in__deep=deep, user=user)
    names = {("room.deep", "Box"): "room.Box", ("user", "use"): "user.use"}
    read, rest = Source(folder, names).messages()
    said = {m.text: (m.kinds, m.places, m.why) for m in read}
    assert said == {
        "… is odd": (("TypeError",), ("user.use",), ""),
        "… leaks": (("KeyError",), ("room.Box.open",), ""),
        "…; sorry": (("KeyError",), ("room.Box",), ""),
        "cannot write": (
            ("OSError",),
            ("room.Box.close",),
            "the disk has no room at all",
        ),
        "the log ended": (("EOFError",), ("user.use",), ""),
    }
    assert rest == []


def test_the_same_message_from_two_places_is_one(tmp_path):
    source = (
        "def a():\n    raise OSError('gone')\ndef b():\n    raise KeyError('gone')\n"
    )
    names = {("user", "a"): "user.a", ("user", "b"): "user.b"}
    (one,), _ = Source(package(tmp_path, user=source), names).messages()
    assert one.kinds == ("OSError", "KeyError")
    assert one.places == ("user.a", "user.b")
    assert one.lines == ("user:2", "user:4")


def test_every_raise_of_the_package_is_read_or_explained():
    """Counted once more without the collector, also outside of functions."""
    folder = ROOT / "gpt2course"
    raised = set()
    for path in folder.rglob("*.py"):
        name = ".".join(path.relative_to(folder).with_suffix("").parts)
        name = name.removesuffix(".__init__").replace("__init__", "")
        if not name.startswith("course.exercises"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Raise) and node.exc:
                    raised.add(f"{name}:{node.exc.lineno}")
    read, rest = collected()
    assert len(raised) > 250
    assert raised <= {line for one in read for line in one.lines} | {
        one.line for one in rest
    }
    assert {one.function for one in rest} == set(EXPLAINED)
    assert all(has_words(message.text) for message in read)


def test_every_message_names_a_function_that_users_see_or_a_command():
    known = set(public_names().values())
    classes = {
        f"{name.partition('.')[0]}.{member.name}": member.value
        for name in known
        if not name.startswith("gpt2course")
        for member in members(name.rpartition(".")[0])
        if member.kind == "class"
    }
    for message in collected()[0]:
        assert message.places, message
        for place in message.places:
            owner, _, method = place.rpartition(".")
            assert place in known or hasattr(classes[owner], method), message


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: generation.TopK(0),
        lambda: GPT2Config(n_embd=10, n_head=3),
        lambda: GPT2Config.from_dict({"model_type": "gpt2", "n_inner": 7}),
        lambda: settings.checkpoint_name("gpt3"),
        lambda: training.FinetuneConfig(max_steps=0),
        lambda: training.FinetuneConfig(warmup_steps=9, max_steps=9),
        lambda: sentiment.wilson_interval(2, 1),
        lambda: data.pack_sequences([[1, 2, 3]], 2, pad_token_id=0),
        lambda: data.read_table(Path("none.csv"), ["ID"]),
        lambda: checkpoints.read_entries(Path("none")),
        lambda: evaluation.read_examples(Path("none.jsonl"), "last-word"),
    ],
)
def test_what_is_really_said_is_one_of_the_messages(wrong):
    with pytest.raises(ValueError, match=" ") as caught:
        wrong()
    said = str(caught.value)
    names = {kind.__name__ for kind in type(caught.value).__mro__}
    fitting = [m for m in collected()[0] if is_inside(m.text, said)]
    assert any(set(message.kinds) & names for message in fitting), said


@pytest.mark.parametrize(
    "arguments",
    [
        ["genrate"],
        ["generate", "--odd", "a"],
        ["generate", "a", "b"],
        ["generate", "--seed", "-1", "a"],
        ["generate", "--config", "none.yaml", "a"],
        ["evaluate"],
        ["pretrain"],
    ],
)
def test_what_a_command_really_says_is_one_of_the_messages(arguments, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    fitting = [m for m in collected()[0] if is_inside(m.text, said)]
    assert [m for m in fitting if m.text != "…; see … --help"], said


def test_titles_find_messages_as_the_page_does():
    pasted = "gpt2course: top_k is 0; it must be a whole number"
    assert is_inside("top_k is …; it must be", pasted)
    assert is_inside("`TOP_K  is` …", pasted)
    assert not is_inside("it must be … top_k is", pasted)  # in this order
    assert not is_inside("… is …", pasted)  # nothing that could be looked for
    assert not is_inside("top_p is …", pasted)


def test_a_box_takes_a_message_out_of_the_list():
    title = "top_k is …; it must be a whole number"
    listed_now = [m.text for m in listed(PAGE)["Generation"]]
    box = f":::{{dropdown}} `{title}`\nLeave it out.\n:::\n"
    with_box = [m.text for m in listed(f"{PAGE}\n{box}")["Generation"]]
    (gone,) = set(listed_now) - set(with_box)
    assert gone.startswith(title)
    other = f":::{{dropdown}} `{title}`\n% another/program.py\nIts own.\n:::\n"
    assert [m.text for m in listed(f"{PAGE}\n{other}")["Generation"]] == listed_now


def test_a_room_without_a_group_stops_the_build(monkeypatch):
    monkeypatch.setattr(messages, "GROUPS", {"Data": GROUPS["Data"]})
    with pytest.raises(
        ValueError, match=r"no group in tools/messages\.py has 'arguments'"
    ):
        listed(PAGE)


def test_the_notebook_has_the_list():
    notebook = converter.convert(BOOK / "troubleshooting.md")
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "{messages}" not in text
    assert (
        "- `` no text to score; pass at least one document `` (ValueError in " in text
    )
    assert len(in_markdown(PAGE)) > 200
