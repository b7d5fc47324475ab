"""Links that every page has: found on a page, and asked of a server of this machine."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from tools import links, publication
from tools.sphinx_ext import provenance


def a_page(name: str) -> str:
    """A page as the site has it, with a link in its text that linkcheck sees."""
    shown = provenance.notebook_links(
        f"book/{name}", lambda file, _: f"../{file}", solutions=True
    )
    app = SimpleNamespace(env=SimpleNamespace(nb_metadata={}))
    text = '<p>As <a href="https://example.org/text">somebody</a> says.</p>'
    return f"<h1>A</h1>{shown}{text}{provenance.foot(app, name)}"


@pytest.fixture
def published(monkeypatch):
    monkeypatch.delenv("SITE_URL", raising=False)
    monkeypatch.setenv("GITHUB_REPOSITORY", "some-one/course")


def test_what_is_asked_for(published):
    file = "some-one/course/blob/gh-pages/notebooks/tokens.ipynb"
    assert links.asked_for(a_page("tokens")) == {
        f"https://colab.research.google.com/github/{file}",
        f"https://github.com/{file}",
        "https://github.com/some-one/course/issues",
        "https://creativecommons.org/licenses/by/4.0/",
    }


def test_without_a_repository_only_the_licence_is_asked_for(monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setattr(publication, "git", lambda *_: "")
    assert links.asked_for(a_page("tokens")) == {
        "https://creativecommons.org/licenses/by/4.0/"
    }


@pytest.fixture
def server():
    """A server whose answers the test says, one for each request: (address, asked)."""
    asked = []

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answers = [int(code) for code in self.path[1:].split("-")]
            code = answers[min(asked.count(self.path), len(answers)) - 1]
            self.send_response(code)
            if code == 302:
                self.send_header("Location", "/200")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()


@pytest.mark.parametrize(
    ("answers", "why", "times"),
    [
        ("200", None, 1),
        ("302", None, 2),
        ("404", "404 Not Found", 1),
        ("503-200", None, 2),
        ("429-404", "404 Not Found", 2),
        ("503", "503 Service Unavailable", 3),
    ],
)
def test_an_address_is_asked(server, answers, why, times):
    address, asked = server
    assert links.problem(f"{address}/{answers}", pause=0) == why
    assert len(asked) == times


def test_a_server_that_is_not_there(server):
    address, _ = server
    nobody = address.rsplit(":", 1)[0] + ":9/"
    assert "refused" in links.problem(nobody, pause=0)


@pytest.mark.parametrize(
    ("broken", "status", "said"),
    [
        ([], 0, "links that every page has: 6, broken: 0"),
        (["blob/gh-pages/notebooks/loss"], 1, "book/loss.html: https://colab"),
        (["/issues"], 1, "course/issues (404 Not Found)"),
        (["book/loss.html"], 0, "book/loss.html is not published yet"),
        (["book/loss.html", "book/tokens.html"], 1, "no page is published under"),
    ],
)
def test_every_page_is_asked_about(
    published, monkeypatch, tmp_path, capsys, broken, status, said
):
    (tmp_path / "book").mkdir()
    for name in ("loss", "tokens"):
        (tmp_path / f"book/{name}.html").write_text(a_page(name), encoding="utf-8")
    asked = []

    def problem(address: str) -> str | None:
        asked.append(address)
        return "404 Not Found" if any(part in address for part in broken) else None

    monkeypatch.setattr(links, "problem", problem)
    assert links.main(tmp_path) == status
    assert said in capsys.readouterr().out
    assert len(asked) == len(set(asked)), "each once"
    assert "https://some-one.github.io/course/book/tokens.html" in asked
    asks_for_loss = any(link.endswith("/loss.ipynb") for link in asked)
    assert asks_for_loss == ("book/loss.html" not in broken)


def test_a_site_without_pages_has_not_been_checked(published, tmp_path, capsys):
    assert links.main(tmp_path) == 1
    assert "holds no page; run make book first" in capsys.readouterr().out
