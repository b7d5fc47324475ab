"""Where checkpoints come from.

The shipped one, folders, and the hub (played by a server on this machine).
"""

from __future__ import annotations

import io
import json
import shutil
import socket
from pathlib import Path

import pytest
import torch
from conftest import TINY, random_ids, random_model, run_python
from hub_stand_in import HubStandIn
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from gpt2course.checkpoints import (
    MINI,
    MODEL_FILES,
    REVISIONS,
    CheckpointError,
    checkpoint_folder,
    load,
    load_checkpoint,
    load_tokenizer,
    write_model,
    write_tokenizer,
)
from gpt2course.config import GPT2Config
from gpt2course.data import IMDB, IMDB_REVISION
from gpt2course.training import save_tokenizer, train_tokenizer

HELLO = [15496, 11, 314, 1101, 257, 3303, 2746, 11]  # "Hello, I'm a language model,"


@pytest.fixture(scope="module")
def gpt2_tokenizer():
    return load_tokenizer("gpt2")


@pytest.mark.parametrize(
    "failure",
    [OSError(28, "No space left on device"), Exception("No space left (os error 28)")],
)
def test_a_tokenizer_that_cannot_be_written_leaves_the_old_one(
    tmp_path, monkeypatch, failure
):
    tokenizer = load_tokenizer("mini")
    write_tokenizer(tokenizer, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert AutoTokenizer.from_pretrained(tmp_path).get_vocab() == tokenizer.get_vocab()

    def fail(*_):
        raise failure

    monkeypatch.setattr(type(tokenizer), "save_pretrained", fail)
    with pytest.raises(OSError, match="No space left"):
        write_tokenizer(tokenizer, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_vocabulary_of_the_published_sizes_works_offline(gpt2_tokenizer):
    assert gpt2_tokenizer.encode("Hello, I'm a language model,") == HELLO
    assert len(gpt2_tokenizer) == 50257
    assert gpt2_tokenizer.eos_token_id == 50256
    assert gpt2_tokenizer.pad_token is None


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_the_tokenizer(gpt2_tokenizer, text):
    ids = gpt2_tokenizer.encode(text)
    assert gpt2_tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_the_mini_is_what_transformers_reads_from_its_folder():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = checkpoint_folder("mini")
    ours, theirs = load_checkpoint(), AutoModelForCausalLM.from_pretrained(folder)
    assert not ours.training
    assert (
        {p.dtype for p in ours.parameters()}
        == {p.dtype for p in theirs.parameters()}
        == {torch.float32}
    )
    ids = load_tokenizer().encode("This movie was not what I had hoped for.")
    assert ids == AutoTokenizer.from_pretrained(folder).encode(
        "This movie was not what I had hoped for."
    )
    with torch.no_grad():
        input_ids = torch.tensor([ids])
        torch.testing.assert_close(
            ours(input_ids), theirs(input_ids).logits, atol=1e-4, rtol=0
        )


def test_the_mini_has_read_something():
    model, tokenizer = load_checkpoint("mini"), load_tokenizer("mini")
    assert len(tokenizer) == model.config.vocab_size
    with torch.no_grad():
        after = model(torch.tensor([tokenizer.encode("This movie was")]))[
            0, -1
        ].softmax(-1)
    assert (
        after[tokenizer.encode(" a")[0]] > 20 / model.config.vocab_size
    )  # far more than by chance


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
        (
            lambda f: (f / "config.json").write_text("{}"),
            "config.json is not the file that was published",
        ),
        (
            lambda f: _flip(f / "model.safetensors"),
            "model.safetensors is not the file that was published",
        ),
        (
            lambda f: _cut(f / "model.safetensors"),
            "model.safetensors is not the file that was published",
        ),
    ],
    ids=["missing", "other config", "one bit", "cut short"],
)
def test_a_damaged_mini_is_refused(tmp_path, monkeypatch, damage, says):
    folder = tmp_path / "mini"
    shutil.copytree(MINI, folder)
    damage(folder)
    monkeypatch.setattr(load, "MINI", folder)
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint("mini")


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def test_a_folder_is_a_checkpoint(tmp_path):
    model = random_model()
    write_model(model, tmp_path)
    ids = random_ids(TINY, 1, 9)
    assert checkpoint_folder(str(tmp_path)) == tmp_path
    with torch.no_grad():
        assert torch.equal(load_checkpoint(str(tmp_path))(ids), model(ids))
    with pytest.raises(CheckpointError, match="has no tokenizer"):
        load_tokenizer(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"')
    with pytest.raises(CheckpointError, match=r"tokenizer in .* cannot be read"):
        load_tokenizer(str(tmp_path))


@pytest.mark.parametrize("name", ["./nowhere", "model.safetensors/x"])
def test_no_such_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="does not exist"):
        load_checkpoint(name)


# ---- the hub -------------------------------------------------------------------------

CLIENT = """
import json, sys, time
import torch
# imported late otherwise, and on the clock
from huggingface_hub import HfApi, snapshot_download
from gpt2course.checkpoints import HubError, checkpoint_folder, load_checkpoint
import gpt2course.checkpoints.hub
result = {}
if "load_reviews" in sys.argv[1]:
    import datasets, pyarrow.parquet
    from gpt2course.data import load_reviews
started = time.monotonic()
try:
    value = eval(sys.argv[1])
    result["value"] = value if isinstance(value, (dict, list)) else str(value)
except HubError as error:
    result["error"] = str(error)
print(json.dumps({**result, "seconds": time.monotonic() - started}))
"""
LOGITS = "load_checkpoint('{}')(torch.tensor([[1, 2, 3]]))[0, :, :5].tolist()"
EXTRA = (
    "pytorch_model.bin",
    "README.md",
    "rust_model.ot",
    "onnx/decoder_model.onnx",
    "modeling_gpt2.py",
)


def parquet(rows: list[tuple[str, int]]) -> bytes:
    """A table of text and label, as the hub stores it."""
    import pyarrow
    import pyarrow.parquet

    buffer = io.BytesIO()
    text, label = zip(*rows, strict=True)
    pyarrow.parquet.write_table(pyarrow.table({"text": text, "label": label}), buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def model():
    return random_model(
        GPT2Config(vocab_size=300, n_positions=32, n_embd=48, n_layer=2, n_head=4)
    )


@pytest.fixture(scope="module")
def repositories(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("tiny")
    write_model(model, folder)
    save_tokenizer(
        train_tokenizer(["a text long enough to learn merges from " * 9], 280),
        folder,
        32,
    )
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    files |= dict.fromkeys(EXTRA, b"not wanted")
    reviews = [(f"review number {i}", i % 2) for i in range(40)]
    imdb = {
        "plain_text/train-00000-of-00001.parquet": parquet(reviews),
        "plain_text/test-00000-of-00001.parquet": parquet(
            [("seen by nobody", 1), ("nor this", 0)]
        ),
        "plain_text/unsupervised-00000-of-00001.parquet": b"not wanted",
    }
    return {
        ("openai-community/gpt2", REVISIONS["gpt2"]): files,
        ("openai-community/gpt2-medium", REVISIONS["gpt2-medium"]): files,
        (f"datasets/{IMDB}", IMDB_REVISION): imdb,
    }


@pytest.fixture
def hub(repositories):
    with HubStandIn(repositories) as server:
        yield server


def ask(call: str, home: Path, url: str, **environment: str) -> dict:
    """Evaluate a call in a process of its own, which knows the hub by this address.

    HF reads both at import.
    """
    environment = {
        "HF_HUB_OFFLINE": "",
        "HTTP_PROXY": "",
        "http_proxy": "",
        "ALL_PROXY": "",
        **environment,
    }
    done = run_python(
        "-c", CLIENT, call, HF_ENDPOINT=url, HF_HOME=str(home), **environment
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    if "error" in result:
        assert len(result["error"].splitlines()) <= 2
        assert (
            "GPT2COURSE_CHECKPOINT=mini and GPT2COURSE_DATA=embedded work"
            in result["error"]
        )
    return result


def test_the_hub_gives_a_checkpoint_once(hub, tmp_path, model):
    expected = model(torch.tensor([[1, 2, 3]]))[0, :, :5]
    first = ask(LOGITS.format("gpt2"), tmp_path, hub.url)
    torch.testing.assert_close(torch.tensor(first["value"]), expected)
    assert hub.downloaded() == set(MODEL_FILES)
    assert [
        line
        for line in hub.requests
        if "gpt2" in line and REVISIONS["gpt2"] not in line
    ] == []

    hub.__exit__()
    asked = len(hub.requests)
    again = ask(LOGITS.format("openai-community/gpt2"), tmp_path, hub.url)
    torch.testing.assert_close(torch.tensor(again["value"]), expected)
    assert len(hub.requests) == asked


def test_the_hub_gives_reviews(hub, tmp_path):
    rows = (
        "{name: [list(split['text']), list(split['label'])] "
        "for name, split in load_reviews('hub').items()}"
    )
    splits = ask(rows, tmp_path, hub.url)["value"]
    assert splits["test"] == [["seen by nobody", "nor this"], [1, 0]]
    train, validation = set(splits["train"][0]), set(splits["validation"][0])
    assert (len(train), len(validation)) == (36, 4)
    assert train | validation == {f"review number {i}" for i in range(40)}
    assert not any("unsupervised" in name for name in hub.downloaded())


def test_a_slow_hub_is_waited_for(hub, tmp_path):
    hub.mode = "slow"
    result = ask(LOGITS.format("gpt2-medium"), tmp_path, hub.url)
    assert "value" in result
    assert result["seconds"] > 8


@pytest.mark.parametrize(
    ("mode", "says", "limit"),
    [
        ("missing", "answered 404 for openai-community/gpt2 at revision 607a30d", 15),
        ("broken", "answered 500 for openai-community/gpt2 at revision 607a30d", 15),
        ("cut", "broke off", 15),
        ("short", "broke off", 15),
    ],
)
def test_a_hub_that_fails(hub, tmp_path, mode, says, limit):
    hub.mode = mode
    result = ask("checkpoint_folder('gpt2')", tmp_path, hub.url)
    assert says in result["error"]
    assert result["seconds"] < limit


def test_a_broken_download_does_not_spoil_the_next_one(hub, tmp_path):
    hub.mode = "short"
    assert "error" in ask("checkpoint_folder('gpt2')", tmp_path, hub.url)
    hub.mode = "well"
    assert "value" in ask("load_checkpoint('gpt2')", tmp_path, hub.url)


def test_a_hub_that_picks_up_and_says_nothing(hub, tmp_path):
    hub.mode = "silent"
    patience = (
        "setattr(gpt2course.checkpoints.hub, 'ANSWER_SECONDS', 1) "
        "or checkpoint_folder('gpt2')"
    )
    result = ask(patience, tmp_path, hub.url)
    assert "timed out" in result["error"]
    assert result["seconds"] < 15


def test_nobody_listens(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    result = ask("checkpoint_folder('gpt2')", tmp_path, f"http://127.0.0.1:{port}")
    assert (
        "cannot download openai-community/gpt2: no connection to 127.0.0.1 (Connection "
        "refused)" in result["error"]
    )
    assert result["seconds"] < 5


def test_an_address_that_swallows_everything(tmp_path):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [
            socket.socket() for _ in range(4)
        ]  # nobody accepts, so the queue is soon full
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        result = ask(
            "checkpoint_folder('gpt2')", tmp_path, f"http://127.0.0.1:{address[1]}"
        )
        for client in waiting:
            client.close()
    assert (
        "no connection to 127.0.0.1 (timed out)" in result["error"]
        or "did not answer" in result["error"]
    )
    assert result["seconds"] < 5


def test_a_name_lookup_that_hangs():
    code = """
import socket, time
from gpt2course.checkpoints import connection_problem
socket.getaddrinfo = lambda *_, **__: time.sleep(30) or []
started = time.monotonic()
print(connection_problem("https://hub.example"), time.monotonic() - started < 5)
"""
    done = run_python("-c", code, HF_HUB_OFFLINE="", HTTPS_PROXY="", https_proxy="")
    assert done.stdout.strip() == "hub.example did not answer within 1.5 s True"


def test_offline_by_decision(hub, tmp_path):
    result = ask("checkpoint_folder('gpt2')", tmp_path, hub.url, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE forbids asking" in result["error"]
    assert not hub.requests
    assert result["seconds"] < 5
