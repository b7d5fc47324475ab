"""The exercises that a learner has passed, noted in a file where somebody asks for it.

The file has a line of JSON for each of them and is only ever added to. So several
notebooks can write at once, and nothing that is in it gets lost. Nothing is sent
anywhere; the home page of the course can read the file (book/_static/quiz.js).
"""

from __future__ import annotations

import codecs
import datetime
import json
from pathlib import Path

NAME = "gpt2course-progress.jsonl"  # in the folder that a notebook runs in


def progress() -> None:
    """Print which exercises were passed in this folder, and note those that follow.

    The first call makes gpt2course-progress.jsonl in the folder that the notebook runs
    in. From then on, in other notebooks of the folder too, an exercise is noted there
    when its check says "Correct." To stop, delete the file.

    Chapter: index.
    """
    from gpt2course.course.exercises import chapter_of, names

    path = Path(NAME)
    try:
        new = not path.exists()
        path.open("ab").close()  # whether it can be written shows now
        passed, unread = read(path)
    except OSError as error:
        print(f"No exercise can be noted here: {error}")
        return
    if new:
        print(f"From now on, exercises that you pass are noted in {path.absolute()}.")
    elif not passed:
        print(f"No exercise is noted yet in {path.absolute()}.")
    chapters = {chapter_of(name) for name in passed} - {None}
    known = {chapter: names(chapter) for chapter in sorted(chapters)}
    for chapter, exercises in known.items():
        left = [name for name in exercises if name not in passed]
        done = f"{chapter}: {len(exercises) - len(left)} of {len(exercises)} passed"
        print(f"{done}, left: {', '.join(left)}" if left else done)
    if others := passed.difference(*known.values()):
        print(f"Noted, but not in this version of the course: {len(others)}")
    if unread:
        more = ", ..." if len(unread) > 5 else ""
        print(
            f"Lines of {NAME} that note no exercise, left as they are: "
            f"{', '.join(map(str, unread[:5]))}{more}"
        )


def note(name: str) -> None:
    """Note a passed exercise, if `progress` was called in this folder; once is enough.

    When the file cannot be written, a line says so.
    """
    path = Path(NAME)
    try:
        if not path.exists() or name in read(path)[0]:
            return
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        line = json.dumps({"exercise": name, "passed": now})
        # one write, so that notebooks that run at once do not mix their lines; the
        # line break comes first, in case somebody left half a line
        with path.open("ab", buffering=0) as file:
            file.write(f"\n{line}".encode())
    except OSError as error:
        print(f"This could not be noted: {error}")


def read(path: Path) -> tuple[set[str], list[int]]:
    """The exercises that a file notes, and the numbers of lines that note none.

    Raises:
        OSError: it cannot be read.
    """
    passed, unread = set(), []
    lines = path.read_bytes().removeprefix(codecs.BOM_UTF8).split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                passed.add(str.__str__(json.loads(line)["exercise"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            unread.append(number)
    return passed, unread
