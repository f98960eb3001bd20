from __future__ import annotations

import pytest

from saebook.book.checks import check_pages, require
from saebook.book.errors import BookError

WORDS = "A page has to say something, and this sentence is long enough for it to count as said. "
FIGURE = '<figure><img src="a.svg" alt="A line goes up."><figcaption>Up.</figcaption></figure>'


def write(folder, body=FIGURE, head="", words=WORDS, heading="<h1>Title</h1>"):
    page = f"<html><head>{head}</head><body><article>{heading}<p>{words}</p>{body}</article></body>"
    (folder / "page.html").write_text(page)
    (folder / "other.html").write_text(
        f'<html><body><article><h1>T</h1><p id="here">{WORDS}</p></article></body></html>'
    )
    (folder / "a.svg").write_text("<svg/>")
    return check_pages(folder, ["page", "other"])


def test_a_whole_page_has_no_faults(tmp_path):
    links = '<a href="other.html#here">x</a><a href="#">y</a><a href="https://arxiv.org">z</a>'
    assert write(tmp_path, FIGURE + links) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="gone.html">x</a>', "leads to no page"),
        ('<a href="../../etc/passwd">x</a>', "leads to no page"),
        ('<a href="other.html#gone">x</a>', "leads to no place"),
        ('<a href="#gone">x</a>', "leads to no place"),
        ('<figure><img src="a.svg"><figcaption>c</figcaption></figure>', "no alternative text"),
        (
            '<figure><img src="a.svg" alt="a.svg"><figcaption>c</figcaption></figure>',
            "no alternative text",
        ),
        (
            '<figure><img src="a.svg" alt="../_images/9f.png"><figcaption>c</figcaption></figure>',
            "no alternative text",
        ),
        ('<img src="a.svg" alt="A line.">', "no caption"),
        ('<img src="https://x.org/a.png" alt="A line.">', "from the network"),
        ('<script src="https://cdn.jsdelivr.net/x.js"></script>', "from the network"),
        ("<script>import('https://unpkg.com/x.js')</script>", "from the network"),
        ('<iframe src="//x.org"></iframe>', "from the network"),
        ('<div class="output traceback">Error</div>', "failed cell"),
    ],
)
def test_each_fault_is_found(tmp_path, body, fault):
    found = write(tmp_path, body)
    assert len([line for line in found if fault in line]) == 1, found


def test_a_style_sheet_from_the_network_is_found_in_pages_and_in_style_sheets(tmp_path):
    (tmp_path / "s.css").write_text("@import url('https://fonts.example/f.css'); a {}")
    found = write(tmp_path, head='<link rel="stylesheet" href="https://fonts.example/f.css">')
    assert len(found) == 2 and all("from the network" in line for line in found)


def test_an_empty_page_and_one_without_heading_are_found(tmp_path):
    assert any("is empty" in line for line in write(tmp_path, words="Short."))
    assert any("no heading" in line for line in write(tmp_path, heading=""))


def test_a_missing_page_is_found(tmp_path):
    write(tmp_path)
    assert check_pages(tmp_path, ["page", "other", "gone"]) == ["gone: missing"]


def test_a_path_of_this_machine_on_a_page_is_found(tmp_path):
    write(tmp_path, "<p>File /home/someone/project/x.py</p>" + FIGURE)
    with pytest.raises(BookError, match="holds the text '/home/someone/project'"):
        require(tmp_path, ["page"], ("/home/someone/project",))
