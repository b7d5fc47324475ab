"""Checkpoints of other people: read right, or refused in one line within seconds."""

from __future__ import annotations

import json
import re
import shutil
import time

import pytest
import torch
from conftest import perturb, random_model, run_python
from fuzz_material import command
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from gpt2course.checkpoints import (
    MINI,
    CheckpointError,
    from_hf,
    load,
    load_checkpoint,
    load_tokenizer,
    reconcile,
    verify,
    write_model,
)
from gpt2course.config import GPT2Config
from gpt2course.generation import decode_utf8
from gpt2course.training import save_tokenizer, train_tokenizer

SHAPE = GPT2Config(vocab_size=280, n_positions=32, n_embd=24, n_layer=2, n_head=2)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pristine")
    tokenizer = train_tokenizer(["a text long enough to learn merges from " * 9], 280)
    save_tokenizer(tokenizer, folder, 32)
    size = len(load_size(folder))
    write_model(random_model(GPT2Config(**{**vars(SHAPE), "vocab_size": size})), folder)
    return folder


def load_size(folder):
    model = json.loads((folder / "tokenizer.json").read_text())
    return {
        **model["model"]["vocab"],
        **{t["content"]: 0 for t in model["added_tokens"]},
    }


@pytest.fixture
def folder(pristine, tmp_path):
    for path in pristine.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def config(folder, **entries):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


IDS = (
    st.none()
    | st.integers(-3, 10**6)
    | st.lists(st.integers(-3, 400), min_size=1, max_size=3)
)


@settings(max_examples=25)
@given(eos=IDS, pad=IDS)
def test_the_tokenizer_decides_what_ends_a_text(pristine, eos, pad):
    before = (pristine / "config.json").read_text()
    try:
        config(pristine, eos_token_id=eos, pad_token_id=pad)
        found = reconcile(pristine)
    finally:
        (pristine / "config.json").write_text(before)
    assert found.config.eos_token_id == found.tokenizer.eos_token_id
    assert 0 <= found.pad_token_id < found.config.vocab_size


def test_without_eos_in_the_tokenizer_the_config_decides(folder):
    path = folder / "tokenizer_config.json"
    path.write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    eos = json.loads((folder / "config.json").read_text())["eos_token_id"]
    assert load_checkpoint(str(folder)).config.eos_token_id == eos
    says = r"set eos_token in tokenizer_config\.json"
    config(folder, eos_token_id=50256)
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(str(folder))
    # an id of the vocabulary's padding is no token
    path = folder / "model.safetensors"
    state = load_file(path)
    wte = torch.nn.functional.pad(state["transformer.wte.weight"], (0, 0, 0, 7))
    save_file({**state, "transformer.wte.weight": wte}, path)
    size = len(wte)
    config(folder, vocab_size=size, eos_token_id=size - 1)
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(str(folder))
    config(folder, eos_token_id=[size - 1, eos])
    assert load_checkpoint(str(folder)).config.eos_token_id == eos
    # without a tokenizer only the model knows
    for path in folder.glob("*token*"):
        path.unlink()
    config(folder, eos_token_id=size)
    says = f"eos_token_id is {size}, outside the vocabulary of {size} tokens; set it to"
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(str(folder))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_with_a_byte_order_mark(folder, encoding):
    expected = load_checkpoint(str(folder))
    for path in folder.glob("*.json"):
        path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    ids = torch.tensor([load_tokenizer(str(folder)).encode("a text")])
    assert torch.equal(load_checkpoint(str(folder))(ids), expected(ids))


PREFIXES = (
    *("_orig_mod.", "module.", "module._orig_mod.", "model.", "base_model.model."),
    *("net.", "model._orig_mod.", "_orig_mod.model.", "my.gpt2."),
)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_and_several_files(folder, prefix):
    expected = load_checkpoint(str(folder)).state_dict()
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = {}
    for number, (name, tensor) in enumerate(state.items()):
        file = f"model-{number:05}.safetensors"
        save_file({prefix + name: tensor}, folder / file)
        names[prefix + name] = file
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    for name, tensor in load_checkpoint(str(folder)).state_dict().items():
        assert torch.equal(tensor, expected[name])
    assert "prefixes of a wrapper left out of the tensors' names" in (
        reconcile(folder).notes
    )


@pytest.mark.parametrize(
    "more", ["model.loss.weight", "head.weight", "model.xwte.weight"]
)
def test_a_prefix_is_left_out_only_where_all_names_have_it_and_fit(folder, more):
    """Otherwise the refusal names what was found."""
    state = load_file(folder / "model.safetensors")
    state = {f"model.{name}": tensor for name, tensor in state.items()}
    save_file({**state, more: torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"holds '(model\.)?\w+\.") as raised:
        load_checkpoint(str(folder))
    assert "which GPT-2 does not have" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("score.weight", "belongs to a classifier: use gpt2course classify --model"),
        ("h.0.attn.c_attn.lora_A.default.weight", "that are not merged: save what"),
        ("h.0.attn.q_proj.weight", "is it another architecture?"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "model.", "base_model.model."])
def test_a_tensor_too_many_is_explained(folder, prefix, name, said):
    state = load_file(folder / "model.safetensors")
    state = {prefix + stored: tensor for stored, tensor in state.items()}
    state[f"{prefix}{name}"] = torch.zeros(2, 24)
    save_file(state, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=re.escape(f"holds {name!r}")) as raised:
        load_checkpoint(str(folder))
    assert said in str(raised.value)


def in_parts(folder, names=("model-00001-of-00002", "model-00002-of-00002")):
    """The weights in two files and their index."""
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = {
        name: f"{names[number % 2]}.safetensors" for number, name in enumerate(state)
    }
    for file in set(files.values()):
        save_file({n: state[n] for n in state if files[n] == file}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": files}))


@pytest.mark.parametrize("names", [("model 1", "model 2"), ("né", "a(1)"), ("-a", "b")])
def test_parts_with_any_names_are_read(folder, names):
    expected = load_checkpoint(str(folder)).state_dict()
    in_parts(folder, names)
    for name, tensor in load_checkpoint(str(folder)).state_dict().items():
        assert torch.equal(tensor, expected[name])


def test_a_part_that_is_missing_is_named(folder):
    in_parts(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()
    said = (
        r"model-00002-of-00002\.safetensors does not exist; "
        r"model\.safetensors\.index\.json beside it names it: download it"
    )
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(str(folder))
    (folder / "model.safetensors.index.json").unlink()
    said = r"there are model-00001-of-00002\.safetensors: give .* their model\.safe"
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(str(folder))


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_folder_in_the_place_of_a_file_is_said_to_be_one(folder, file):
    (folder / file).unlink()
    (folder / file).mkdir()
    with pytest.raises(CheckpointError, match=rf"{re.escape(file)} is a folder, not"):
        load_checkpoint(str(folder))


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "a/b.safetensors"])
def test_an_index_stays_in_its_folder(folder, name):
    (folder / "model.safetensors").unlink()
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"wte.weight": name}}))
    with pytest.raises(CheckpointError, match="in its own folder"):
        load_checkpoint(str(folder))


def test_no_path_and_no_code_of_a_tokenizer_is_followed(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "vocab.json"
    other.write_text('{"secret": 0}')
    path = folder / "tokenizer_config.json"
    entries = json.loads(path.read_text())
    entries |= {"vocab_file": str(other), "auto_map": {"AutoTokenizer": ["x.Y", None]}}
    path.write_text(json.dumps(entries))
    assert "secret" not in load_tokenizer(str(folder)).get_vocab()


def test_padded_vocabularies_and_added_tokens_decode(folder):
    tokenizer = load_tokenizer(str(folder))
    size = len(tokenizer)
    tokenizer.add_tokens(["🎬"])
    ids = [*tokenizer.encode("a text"), size, size + 40]
    assert "".join(decode_utf8(ids, tokenizer)) == "a text🎬"


NO_NUMBERS = ("1", True, [], -1, float("nan"), float("inf"), 10**400)
NO_IDS = ([], "x", ["x"], [[]], [True], True, 1.5, {})


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        *(("eos_token_id", value) for value in NO_IDS),
        *(("pad_token_id", value) for value in NO_IDS),
        *(("layer_norm_epsilon", value) for value in (*NO_NUMBERS, None, 0)),
        *(("initializer_range", value) for value in (*NO_NUMBERS, None, 0)),
        *(("resid_pdrop", value) for value in (*NO_NUMBERS, None, 1)),
        *(("attn_pdrop", value) for value in (*NO_NUMBERS, None, 1)),
        *(("embd_pdrop", value) for value in (*NO_NUMBERS, None, 1)),
        *(("n_head", value) for value in (*NO_NUMBERS, None, 0, 2.0, 10**9)),
        *(("n_embd", value) for value in (*NO_NUMBERS, None, 0, 24.0)),
        *(("vocab_size", value) for value in (*NO_NUMBERS, None, 0)),
        *(("n_layer", value) for value in (*NO_NUMBERS, None, 0, 10**6)),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("task", ["generate", "classify"])
def test_an_entry_that_is_no_number_is_one_line(
    pristine, tmp_path, capsys, task, entry, value
):
    from gpt2course.cli import main

    shutil.copytree(pristine, tmp_path, dirs_exist_ok=True)
    config(tmp_path, **{entry: value})
    option = {"generate": "--checkpoint", "classify": "--model"}[task]
    assert main([task, "a text", option, f"{tmp_path}/"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path) in line
    assert entry.removesuffix("_token_id").removeprefix("n_") in line
    assert "config.json" in line
    assert "not supported" not in line
    assert len(line) < 400


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("tokenizer.json", "tokenizer.json"),
        ("tokenizer.json", "nothing"),
        ("tokenizer_config.json", "tokenizer_config.json"),
        ("config.json", "config.json"),
    ],
)
def test_a_link_that_leads_to_no_file(folder, name, target):
    (folder / name).unlink()
    (folder / name).symlink_to(target)
    with pytest.raises(CheckpointError, match=rf"{name} .*replace it by the file"):
        load_tokenizer(str(folder))


@pytest.mark.parametrize("task", ["generate", "finetune-jokes", "finetune-sentiment"])
def test_a_tokenizer_that_is_a_link_to_itself_is_one_line(
    material, tmp_path, capsys, task
):
    from gpt2course.cli import main

    folder = tmp_path / "c"
    shutil.copytree(material / "checkpoint", folder)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to("tokenizer.json")
    arguments = ["generate", "a text", "--checkpoint", str(folder)]
    if task != "generate":
        arguments = command(task, material, tmp_path / "run")
        arguments[arguments.index("--checkpoint") + 1] = str(folder)
    assert main(arguments) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"gpt2course: {folder / 'tokenizer.json'} is a link")
    assert not (tmp_path / "run").exists()


RUN_AND_TELL_MEMORY = """
import re, sys
from gpt2course.cli import main
code = main(sys.argv[1:])
# getrusage would tell the size of the process that started this one, if it is larger
print(code, re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


def _huge_config(folder):
    with open(folder / "config.json", "wb") as file:
        file.truncate(2**30)


def _huge_header(folder):
    (folder / "model.safetensors").write_bytes((2**40).to_bytes(8, "little") + b"{}")


def _many_tokens(folder):
    path = folder / "tokenizer.json"
    model = json.loads(path.read_text())
    model["model"]["vocab"] = {f"t{i}": i for i in range(1_000_000)}
    path.write_text(json.dumps(model))


def _many_added_tokens(folder):
    path = folder / "tokenizer.json"
    model = json.loads(path.read_text())
    one = model["added_tokens"][0]
    model["added_tokens"] += [
        {**one, "id": 300 + i, "content": f"<{i}>"} for i in range(200_000)
    ]
    path.write_text(json.dumps(model))


@pytest.mark.parametrize(
    "damage",
    [
        _many_added_tokens,
        _huge_config,
        _huge_header,
        _many_tokens,
        lambda folder: config(folder, n_layer=10**9),
        lambda folder: config(folder, n_positions=10**12),
        lambda folder: config(folder, vocab_size=10**30),
        lambda folder: (folder / "config.json").write_text("[" * 500_000),
    ],
)
def test_what_would_fill_the_memory_is_one_line_within_seconds(folder, damage):
    damage(folder)
    command = ["generate", "a text", "--checkpoint", f"{folder}/"]
    started = time.monotonic()
    done = run_python("-c", RUN_AND_TELL_MEMORY, *command, timeout=60)
    seconds = time.monotonic() - started
    code, kilobytes = done.stdout.split()
    assert code == "2"
    assert len(done.stderr.splitlines()) == 1
    assert seconds < 30
    assert int(kilobytes) < 2**21  # 2 GiB


@pytest.mark.parametrize(
    "entries",
    [
        {"n_layer": 10**6},
        {"n_layer": 2**31 - 1},
        {"vocab_size": 2**31 - 1},
        {"n_positions": 2**31 - 1},
        {"n_embd": 2**30, "n_head": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("without", ["nothing", "wte", "wpe and wte"])
def test_sizes_that_the_weights_cannot_have_are_refused_at_once(
    folder, entries, without
):
    """In a folder and in a state dict, also if the tensor itself is missing."""
    state = load_file(folder / "model.safetensors")
    kept = {n: t for n, t in state.items() if n.split(".")[-2] not in without}
    save_file(kept, folder / "model.safetensors")
    config(folder, **entries)
    started = time.monotonic()
    with pytest.raises(CheckpointError, match=r"config\.json asks for") as error:
        load_checkpoint(str(folder))
    assert len(str(error.value).splitlines()) == 1
    with pytest.raises(CheckpointError, match=r"config\.json asks for"):
        from_hf(kept, GPT2Config(**{**vars(SHAPE), **entries}))
    assert time.monotonic() - started < 5


def test_a_number_of_labels_that_would_fill_the_memory(folder):
    from gpt2course.sentiment import load_classifier, new_classifier

    classifier(folder, num_labels=10**9)
    for read in (load_classifier, lambda folder: new_classifier(str(folder))):
        with pytest.raises(CheckpointError, match="num_labels is 1000000000; at most"):
            read(folder)


def test_line_ends_do_not_break_the_digests(tmp_path, monkeypatch):
    folder = tmp_path / "mini"
    folder.mkdir()
    for path in MINI.iterdir():
        content = path.read_bytes()
        if path.suffix != ".safetensors":
            content = content.replace(b"\n", b"\r\n")
        (folder / path.name).write_bytes(content)
    verify(folder, json.loads(load.MINI_SHA256.read_text()))
    (folder / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="pip install --force-reinstall"):
        verify(folder, json.loads(load.MINI_SHA256.read_text()))
    with pytest.raises(CheckpointError, match="checkout HEAD -- gpt2course/checkpoint"):
        verify(MINI, {"config.json": "0" * 64})


def classifier(folder, **entries):
    """The shipped one's like: two labels, random weights."""
    from transformers import GPT2Config as Config
    from transformers import GPT2ForSequenceClassification

    shape = json.loads((folder / "config.json").read_text())
    torch.manual_seed(0)
    model = GPT2ForSequenceClassification(Config(**shape, num_labels=2))
    perturb(model, 0.2)
    model.save_pretrained(folder)
    config(folder, **entries)
    return model.eval()


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"pad_token_id": None},
        {"pad_token_id": 50256},
        {"id2label": {"0": "positive", "1": "negative"}},
    ],
)
def test_foreign_classifiers_answer_as_transformers_does(folder, entries):
    from gpt2course.sentiment import load_classifier, predict, tokenise_reviews

    theirs = classifier(folder, **entries)
    ours, tokenizer = load_classifier(folder)
    rows = tokenise_reviews(["a text", "a long text to learn from"], tokenizer, 32)
    found = predict(ours, rows)
    for row, probabilities in zip(rows, found, strict=True):
        with torch.no_grad():
            expected = theirs(torch.tensor([row])).logits.softmax(-1)[0]
        torch.testing.assert_close(probabilities, expected, atol=1e-4, rtol=0)
    names = entries.get("id2label", {"0": "LABEL_0", "1": "LABEL_1"})
    assert ours.config.id2label == {int(i): name for i, name in names.items()}


def test_a_classifier_without_a_tensor_is_refused(folder):
    from gpt2course.sentiment import load_classifier

    classifier(folder)
    state = load_file(folder / "model.safetensors")
    state.pop("transformer.h.1.ln_1.weight")
    save_file(state, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="lacks 1 of"):
        load_classifier(folder)


@pytest.mark.parametrize("proxy", ["ALL_PROXY", "all_proxy", "HTTPS_PROXY"])
def test_every_proxy_of_the_environment_is_dialled(proxy):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        names = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
        none = {n: "" for name in names for n in (name, name.lower())}
        code = (
            "from gpt2course.checkpoints import connection_problem\n"
            "print(connection_problem('https://hub.example'))"
        )
        done = run_python("-c", code, **{**none, "HF_HUB_OFFLINE": "", proxy: address})
    assert done.stdout.strip() == "None", done.stderr


def test_no_secret_reaches_a_message(tmp_path):
    code = "from gpt2course.checkpoints import load_checkpoint as f\nf('gpt2')"
    for extra in ({}, {"HF_TOKEN": "hf_abc\nSECRET"}):
        done = run_python(
            "-c",
            code,
            **{
                "HF_HOME": str(tmp_path),
                "HF_HUB_OFFLINE": "",
                "HF_ENDPOINT": "http://user:SECRET@127.0.0.1:9",
                "HF_TOKEN": "hf_SECRET",
                **extra,
            },
        )
        assert "HubError" in done.stderr
        assert "SECRET" not in done.stderr.rpartition("HubError")[2]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_in_16_bits_are_trained_in_float32(tmp_path, dtype):
    from gpt2course.data import pack_sequences
    from gpt2course.training import FinetuneConfig, finetune

    # weights that 16 bits hold exactly, so that all start from the same numbers
    half = random_model(SHAPE).to(dtype)
    rows = pack_sequences([[1, 2, 3, 4, 5, 6, 7, 8]] * 16, 16)
    settings = FinetuneConfig(
        max_steps=8, per_device_train_batch_size=4, device="cpu", learning_rate=1e-3
    )
    found = finetune(half, rows, rows, settings, tmp_path / "half")
    expected = finetune(
        random_model(SHAPE).to(dtype).float(), rows, rows, settings, tmp_path / "whole"
    )
    assert found.best_loss == expected.best_loss < found.first_loss
    assert {weight.dtype for weight in half.parameters()} == {dtype}
