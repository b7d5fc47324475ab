"""The tasks on a model that is known: what is correct, and what the examples are."""

from __future__ import annotations

import json
import re

import pytest

from gpt2course.checkpoints import HubError, load_checkpoint, load_tokenizer
from gpt2course.data import embedded_reviews, plain_text
from gpt2course.evaluation import (
    FIELDS,
    HUB,
    STOP_WORDS,
    TASKS,
    Reader,
    continuation_likelihoods,
    evaluate,
    load_examples,
    read_examples,
    sentences,
)
from gpt2course.evaluation import hub_data as hub_file
from gpt2course.evaluation import runner as runner_file
from gpt2course.evaluation.examples import with_pairs


@pytest.fixture(scope="module")
def reader():
    return Reader(load_checkpoint("mini"), load_tokenizer("mini"))


@pytest.mark.parametrize("task", TASKS)
def test_an_embedded_set_is_the_same_each_time_and_has_its_fields(task, tmp_path):
    examples = load_examples(task, "embedded")
    assert 20 <= len(examples) <= 500
    path = tmp_path / "examples.jsonl"
    path.write_text("".join(json.dumps(e) + "\n" for e in examples), "utf-8")
    assert read_examples(path, task) == examples  # every check passes
    assert set(examples[0]) == set(FIELDS[task])


def test_the_last_word_occurs_before_and_is_no_stop_word():
    for example in load_examples("last-word", "embedded"):
        context, _, word = example["text"].rpartition(" ")
        assert word in context
        assert word not in STOP_WORDS
        assert len(sentences(context)) >= 4


def test_cloze_candidates_are_ten_words_of_the_context():
    for example in load_examples("cloze", "embedded"):
        candidates = example["candidates"]
        assert len(set(candidates)) == 10
        assert all(word in example["before"] for word in candidates)


def test_a_cloze_with_its_answer_is_the_text_and_the_gap_a_whole_word():
    texts = "\n".join(
        " ".join(plain_text(text).split())
        for text, _ in embedded_reviews()["validation"]
    )
    for example in load_examples("cloze", "embedded"):
        answer = example["candidates"][example["answer"]]
        assert f"{example['before']} {answer}{example['after']}" in texts
        assert not re.match(r"[\w'’-]", example["after"])


def test_a_sentence_keeps_its_closing_quotes_and_brackets():
    text = 'He said "No!" (And he meant it.) "Why?" I asked.\n\nIt is 3.5 of 5. Etc.'
    assert sentences(text) == [
        'He said "No!"',
        "(And he meant it.)",
        '"Why?"',
        "I asked.",
        "It is 3.5 of 5.",
        "Etc.",
    ]


def test_one_of_four_endings_is_real_and_places_are_even():
    examples = load_examples("endings", "embedded")
    assert {len(set(example["endings"])) for example in examples} == {4}
    places = [example["answer"] for example in examples]
    assert min(places.count(place) for place in range(4)) > len(places) / 6


def test_translation_pairs_are_not_scored():
    rows = [{"source": str(i), "target": str(i)} for i in range(8)]
    examples = with_pairs(rows)
    assert [example["source"] for example in examples] == ["5", "6", "7"]
    assert examples[0]["pairs"] == [[str(i), str(i)] for i in range(5)]


def test_next_word_takes_the_most_probable_word(reader):
    context = "This is one of the best movies I have ever"
    assert reader.next_word(context) == "seen"
    assert reader.next_word(context, frozenset({"seen"})) != "seen"
    # without stop words it is what greedy decoding would write
    plain = reader.next_word("I saw this movie in", frozenset())
    assert plain.lower() in STOP_WORDS
    assert reader.next_word("I saw this movie in").lower() not in STOP_WORDS


def test_a_space_belongs_to_the_continuation(reader):
    ids = reader.encode_pair("This movie was", " good")
    assert ids == reader.encode_pair("This movie was ", "good")
    assert ids[0] + ids[1] == reader.encode("This movie was good")
    assert reader.tokenizer.decode(ids[1]) == " good"


def test_cloze_takes_the_candidate_that_makes_the_sentence_probable(reader):
    example = {
        "before": "I have seen many films. This is one of the best",
        "after": " I have ever seen.",
        "candidates": ["the", "seen", "movies", "quickly"],
        "answer": 2,
    }
    row = TASKS["cloze"].measure(reader, example, 0)
    assert (row["choice"], row["correct"]) == (2, True)
    wrong = TASKS["cloze"].measure(reader, {**example, "answer": 0}, 0)
    assert wrong["correct"] is False


def test_a_longer_ending_is_not_punished_by_accuracy_norm(reader):
    example = {
        "context": "This is one of the best movies I have",
        "endings": [
            "zq",
            "ever seen in my life, and I loved every minute of it, from the first to "
            "the last.",
        ],
        "answer": 1,
    }
    row = TASKS["endings"].measure(reader, example, 0)
    assert row["correct_norm"] is True
    assert row["scores"][0] > row["scores"][1]


def test_summaries_depend_on_seed_and_number_only(reader):
    example = load_examples("summaries", "embedded")[0]
    measure = TASKS["summaries"].measure
    first = measure(reader, example, 3)
    assert first == measure(reader, example, 3)
    assert first["written"] != measure(reader, example, 4)["written"]


def test_a_translation_ends_with_its_line(reader):
    row = TASKS["translation"].measure(
        reader, load_examples("translation", "embedded")[0], 0
    )
    assert "\n" not in row["written"]
    assert TASKS["translation"].summarise([row])["bleu"] >= 0


def test_an_exact_translation_has_bleu_100():
    from gpt2course.evaluation import bleu_counts

    sentence = "Le film était très bon."
    row = bleu_counts(sentence, sentence)
    assert TASKS["translation"].summarise([row])["bleu"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("task", "line", "message"),
    [
        ("perplexity", "{", "line 2: no JSON"),
        ("perplexity", "[]", "line 2: list, not an object"),
        ("perplexity", '{"text": 3}', "line 2: text is '3'; it must be of type str"),
        ("perplexity", '{"text": " "}', "line 2: text is empty"),
        ("last-word", '{"text": "word"}', "needs a context"),
        (
            "endings",
            '{"context": "a", "endings": ["b", "c"], "answer": 2}',
            "answer is 2; it must lie between 0 and 1",
        ),
        ("endings", '{"context": "a", "endings": ["b"], "answer": 0}', "at least two"),
        (
            "translation",
            '{"source": "a", "target": "b", "pairs": [["c"]]}',
            "list of pairs",
        ),
    ],
)
def test_lines_that_are_no_examples(tmp_path, task, line, message):
    path = tmp_path / f"{task}.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_examples(task, str(tmp_path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_at_line_feeds_only(tmp_path, encoding, end):
    texts = ["a film", *(f"a film{mark}is good" for mark in "\x85\u2028\u2029\x7f")]
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    (tmp_path / "perplexity.jsonl").write_bytes(
        (end.join(lines) + end).encode(encoding)
    )
    found = load_examples("perplexity", str(tmp_path))
    assert [example["text"] for example in found] == texts


@pytest.mark.parametrize("task", ["perplexity", "last-word"])
def test_half_a_character_is_one_line(tmp_path, task):
    path = tmp_path / f"{task}.jsonl"
    path.write_text('{"text": "a 😀 is fine"}\n{"text": "lone \\ud800 surrogate"}\n')
    with pytest.raises(ValueError, match=r"line 2: '\\ud800' is half a character"):
        load_examples(task, str(tmp_path))


def test_what_is_no_file_of_examples(tmp_path, monkeypatch):
    (tmp_path / "perplexity.jsonl").mkdir()
    with pytest.raises(ValueError, match="is a folder, not a file"):
        load_examples("perplexity", str(tmp_path))
    (tmp_path / "cloze.jsonl").write_bytes(b'{"text": "caf\xe9"}\n')
    with pytest.raises(ValueError, match=r"is not UTF-8 \(byte 13\); save it as UTF-8"):
        load_examples("cloze", str(tmp_path))
    monkeypatch.setattr("gpt2course.evaluation.examples.MAX_BYTES", 10)
    with pytest.raises(ValueError, match="has 17 bytes; at most 10 are read"):
        load_examples("cloze", str(tmp_path))


def test_rows_of_the_hub_become_examples(tmp_path, monkeypatch):
    from pyarrow import Table, parquet

    lines = ["", " = Film = \n", " It was good . \n", " = = Plot = = \n", " x \n"]
    lines += [" = Two = \n", " y \n"]
    rows = {
        "perplexity": [{"text": line} for line in lines],
        "last-word": [{"text": "a b c"}],
        "endings": [
            {
                "activity_label": "Film",
                "ctx_a": "One. [step]",
                "ctx_b": "two",
                "endings": ["a [title] b", "c", "d", "e"],
                "label": "1",
            }
        ],
        "summaries": [{"article": "text", "highlights": "short"}],
        "translation": [{"translation": {"en": str(i), "fr": "f"}} for i in range(6)],
    }
    for task, (_, _, file) in HUB.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows[task]))
        else:
            parquet.write_table(Table.from_pylist(rows[task]), path)
    monkeypatch.setattr(hub_file, "hub_folder", lambda *_, **__: tmp_path)
    pages = load_examples("perplexity", "hub")
    assert len(pages) == 2
    assert pages[0]["text"].startswith(" = Film =\nIt was good.\n== Plot ==\n")
    assert load_examples("last-word", "hub") == [{"text": "a b c"}]
    (ending,) = load_examples("endings", "hub")
    assert ending["context"] == "Film: One. Two"
    assert (ending["endings"][0], ending["answer"]) == ("a.  b".replace("  ", " "), 1)
    assert load_examples("summaries", "hub") == [{"text": "text", "summary": "short"}]
    assert [e["source"] for e in load_examples("translation", "hub")] == ["5"]


def test_without_a_hub_the_message_says_what_works():
    with pytest.raises(HubError, match="GPT2COURSE_DATA=embedded"):
        load_examples("last-word", "hub")
    with pytest.raises(HubError, match=r"cloze has no data on the hub.*embedded"):
        load_examples("cloze", "hub")


def test_a_file_of_the_hub_that_is_another_table_is_refused(tmp_path, monkeypatch):
    path = tmp_path / HUB["last-word"][2]
    path.parent.mkdir()
    path.write_text('{"other": 1}\n')
    monkeypatch.setattr(hub_file, "hub_folder", lambda *_, **__: tmp_path)
    with pytest.raises(HubError, match="not the table that was expected"):
        load_examples("last-word", "hub")


def test_data_without_an_example_are_refused(reader, monkeypatch):
    monkeypatch.setattr(runner_file, "load_examples", lambda *_: [])
    with pytest.raises(ValueError, match="no text gives an example of cloze; use"):
        runner_file.evaluate("cloze", reader)


def test_a_file_of_examples_is_not_written_over(reader, tmp_path):
    path = tmp_path / "perplexity.jsonl"
    path.write_text('{"text": "A film I liked a lot."}')
    with pytest.raises(ValueError, match=r"perplexity\.jsonl holds no evaluation"):
        evaluate("perplexity", reader, source=str(tmp_path), folder=tmp_path)
    assert path.read_text() == '{"text": "A film I liked a lot."}'


def test_nobody_can_change_the_embedded_examples():
    first = load_examples("perplexity", "embedded")
    text = first[0]["text"]
    first.reverse()
    first[0]["text"] = "another"
    assert load_examples("perplexity", "embedded")[0]["text"] == text
    with pytest.raises(ValueError, match="unknown task 'nope'"):
        load_examples("nope", "embedded")


def test_a_window_without_room_for_a_word(reader):
    small = Reader(reader.model, reader.tokenizer, window=8)
    with pytest.raises(ValueError, match="window is 8; a word may have 8 tokens"):
        small.next_word("It was a very good")


def test_no_pairs_have_no_likelihoods(reader):
    assert continuation_likelihoods(reader.model, []) == []


def test_a_hint_without_room_is_named(reader):
    with pytest.raises(ValueError, match=r"512 positions have no room .* of the hint"):
        reader.write("word", "hint " * 600, 5)


def test_a_continuation_within_the_last_token_of_its_context(reader):
    with pytest.raises(ValueError, match=r"has 0 tokens.*begin it with a space"):
        reader.continuations([("th", "e")])


def test_a_reader_in_train_mode():
    model = load_checkpoint("mini").train()
    with pytest.raises(ValueError, match=r"call model\.eval\(\)"):
        Reader(model, load_tokenizer("mini"))
