"""gpt2course evaluate: results, resuming, and what it refuses in one line."""

from __future__ import annotations

import json

import pytest
from cli_tools import refused

from gpt2course import evaluation
from gpt2course.checkpoints import load_checkpoint, load_tokenizer
from gpt2course.cli import main
from gpt2course.evaluation import runner

TEXTS = ["a good film about a dog", "a bad film", "one more review of a film"]


@pytest.fixture
def data(tmp_path):
    """A folder with a few examples of three tasks."""
    folder = tmp_path / "examples"
    folder.mkdir()
    rows = {
        "perplexity": [{"text": f"{text} " * 3} for text in TEXTS],
        "last-word": [{"text": text} for text in TEXTS],
        "endings": [
            {"context": text, "endings": ["was good", "was bad"], "answer": i % 2}
            for i, text in enumerate(TEXTS)
        ],
    }
    for task, examples in rows.items():
        text = "".join(json.dumps(example) + "\n" for example in examples)
        (folder / f"{task}.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def command(folder, data):
    return ["evaluate", "--checkpoint", str(folder), "--data", str(data)]


def answer(capsys, *arguments: str) -> dict:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_results_protocol_and_files(capsys, tmp_path, command):
    output = tmp_path / "results"
    assert main([*command, "perplexity", "endings", "--output", str(output)]) == 0
    out = capsys.readouterr().out
    assert "perplexity: 3 examples" in out
    assert evaluation.TASKS["endings"].protocol in out
    found = json.loads((output / "endings.results.json").read_text())
    assert found["examples"] == 3
    assert f"accuracy {found['accuracy']:.3f}, fraction correct (standard" in out
    assert len((output / "endings.jsonl").read_text().splitlines()) == 1 + 3


def test_the_units_of_perplexity_belong_together(capsys, command):
    found = answer(capsys, *command, "perplexity")["tasks"]["perplexity"]
    assert found["bits_per_byte"] == found["bits_per_character"]  # plain ASCII
    assert 2 ** found["bits_per_byte"] == pytest.approx(found["byte_perplexity"])
    assert found["word_perplexity"] > found["token_perplexity"]


def test_an_interrupted_evaluation_resumes(capsys, tmp_path, monkeypatch, command):
    whole = answer(capsys, *command, "endings")["tasks"]["endings"]
    output = str(tmp_path / "results")
    real, calls = evaluation.TASKS["endings"].measure, []

    def stop_at_the_third(*arguments):
        calls.append(arguments[2])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    task = evaluation.TASKS["endings"]
    replaced = type(task)(**{**vars(task), "measure": stop_at_the_third})
    monkeypatch.setitem(evaluation.TASKS, "endings", replaced)
    assert main([*command, "endings", "--output", output]) == 130
    assert "stopped after 2 of 3 examples" in capsys.readouterr().err
    # killed in the middle of a row
    with open(f"{output}/endings.jsonl", "a") as file:
        file.write('{"index": 2, "sco')
    found = answer(capsys, *command, "endings", "--output", output)
    assert found["tasks"]["endings"] == {**whole, "resumed": 2}
    assert calls == [0, 1, 2, 2]


def test_a_limit_may_grow_and_shrink(capsys, tmp_path, command):
    output = ["--output", str(tmp_path / "results")]
    for limit, resumed in (("1", 0), ("3", 1), ("2", 2)):
        found = answer(capsys, *command, "endings", *output, "--limit", limit)
        assert found["tasks"]["endings"]["examples"] == int(limit)
        assert found["tasks"]["endings"]["resumed"] == resumed


def test_a_digit_that_was_changed_by_hand_is_noticed(capsys, tmp_path, command):
    output = tmp_path / "results"
    run = [*command, "endings", "--output", str(output)]
    assert main(run) == 0
    rows = output / "endings.jsonl"
    before = rows.read_text().splitlines(keepends=True)
    for number, line in enumerate(before):
        digits = [at for at, character in enumerate(line) if character.isdigit()]
        for at in digits[:: max(1, len(digits) // 6)]:
            changed = line[:at] + str((int(line[at]) + 1) % 10) + line[at + 1 :]
            spoiled = "".join([*before[:number], changed, *before[number + 1 :]])
            rows.write_text(spoiled)
            capsys.readouterr()
            assert f"damaged in line {number + 1}" in refused(capsys, *run)
            assert rows.read_text() == spoiled


def test_another_tokenizer_of_the_same_size_is_another_evaluation(tmp_path, data):
    reader = evaluation.Reader(load_checkpoint("mini"), load_tokenizer("mini"))
    evaluation.evaluate("endings", reader, source=str(data), folder=tmp_path)
    other = load_tokenizer("mini")
    state = json.loads(other.backend_tokenizer.to_str())
    merges = state["model"]["merges"]
    merges[0], merges[1] = merges[1], merges[0]
    other._tokenizer = type(other.backend_tokenizer).from_str(json.dumps(state))
    assert len(other) == len(reader.tokenizer)
    reader = evaluation.Reader(reader.model, other)
    with pytest.raises(ValueError, match="another tokenizer"):
        evaluation.evaluate("endings", reader, source=str(data), folder=tmp_path)


def test_rows_of_another_evaluation_are_refused_and_kept(
    capsys, tmp_path, command, data
):
    output = tmp_path / "results"
    run = [*command, "perplexity", "--output", str(output)]
    assert main(run) == 0
    capsys.readouterr()
    before = (output / "perplexity.jsonl").read_bytes()
    message = refused(capsys, *run, "--window", "8", "--stride", "4")
    assert "another stride, window" in message
    mini = [*run, "--checkpoint", "mini"]
    assert "another model, stride, tokenizer, window" in refused(capsys, *mini)
    with open(data / "perplexity.jsonl", "a") as file:
        file.write('{"text": "one more"}\n')
    assert "another data" in refused(capsys, *run)
    assert (output / "perplexity.jsonl").read_bytes() == before


@pytest.mark.parametrize("damage", ["{}\n", "no json\n", '{"settings": 3}\n'])
def test_a_damaged_file_is_refused(capsys, tmp_path, command, damage):
    (tmp_path / "endings.jsonl").write_text(damage)
    message = refused(capsys, *command, "endings", "--output", str(tmp_path))
    assert "is damaged in line 1" in message
    assert (tmp_path / "endings.jsonl").read_text() == damage


def test_rows_out_of_order_are_refused(capsys, tmp_path, command):
    run = [*command, "endings", "--output", str(tmp_path / "results")]
    assert main(run) == 0
    capsys.readouterr()
    path = tmp_path / "results/endings.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[2:]]))
    assert "damaged in line 2" in refused(capsys, *run)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["lamda"], "unknown task 'lamda'"),
        (["last_word"], "did you mean 'last-word'?"),
        ([], "there is no task; choose from perplexity, last-word"),
        (["endings", "--limit", "0"], "limit is 0; it must be at least 1"),
        (["perplexity", "--stride", "33"], "stride is 33; it must lie between 1 and"),
        (["perplexity", "--window", "8", "--stride", "9"], "the window of 8 tokens"),
        (["perplexity", "--window", "33"], "the model's 32 positions"),
        (["cloze"], "cloze.jsonl: No such file or directory"),
    ],
)
def test_bad_input_is_one_line(capsys, command, options, message):
    assert message in refused(capsys, *command, *options)


def test_a_stride_that_changes_nothing_is_refused(capsys, command, data):
    (data / "perplexity.jsonl").write_text('{"text": "short"}\n')
    message = refused(capsys, *command, "perplexity", "--stride", "8")
    assert "stride 8 change nothing: the longest of 1 texts has" in message
    assert main([*command, "perplexity"]) == 0  # in one window it is fine


def test_an_empty_data_set_is_refused(capsys, command, data):
    (data / "endings.jsonl").write_text("\n\n")
    message = refused(capsys, *command, "endings")
    assert "endings.jsonl holds no examples; write one JSON object per line" in message


def test_a_checkpoint_without_a_head_is_refused(capsys, folder, command):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for name in ("GPT2ForSequenceClassification", "GPT2Model"):
        path.write_text(json.dumps({**config, "architectures": [name]}))
        message = refused(capsys, *command, "endings")
        assert f"holds a {name}, which has no language-model head" in message


def test_the_classifier_that_ships_is_refused(capsys):
    from gpt2course.sentiment import CLASSIFIER

    message = refused(capsys, "evaluate", "endings", "--checkpoint", str(CLASSIFIER))
    assert "has no language-model head" in message


def test_a_result_that_is_not_finite_is_refused(capsys, tmp_path, monkeypatch, command):
    task = evaluation.TASKS["endings"]
    broken = {"scores": [float("nan"), 0.0], "correct": True, "correct_norm": True}
    replaced = type(task)(**{**vars(task), "measure": lambda *_: broken})
    monkeypatch.setitem(runner.TASKS, "endings", replaced)
    output = tmp_path / "results"
    assert main([*command, "endings", "--json", "--output", str(output)]) == 2
    assert "log-probability of [0.0, nan, 0.0]" in capsys.readouterr().err
    assert len((output / "endings.jsonl").read_text().splitlines()) == 1  # no row
