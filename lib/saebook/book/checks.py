"""What a built book has to be: whole, readable without a network, and without dead links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

from saebook.book.errors import BookError

SHORTEST = 80
"""Characters of text under which a page counts as empty."""
_LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
_LINK_LOADS = {"stylesheet", "preload", "modulepreload", "icon", "shortcut", "prefetch"}
_CSS_REMOTE = re.compile(r"(?:@import\s+|url\()\s*[\"']?((?:https?:)?//[^\"')\s;]+)")
_FILE_NAME = re.compile(r"\S+\.(png|svg|jpe?g|gif|webp)", re.IGNORECASE)


def check_pages(html: Path, pages: list[str], secrets: tuple[str, ...] = ()) -> list[str]:
    """Every fault of the built pages, each as `page: what is wrong`.

    Args:
        html: Folder of the built book.
        pages: Pages the table of contents names, without suffix.
        secrets: Texts that no page may hold, such as the folder the book was built in.
    """
    faults = [f"{page}: missing" for page in pages if not (html / f"{page}.html").is_file()]
    built = sorted(
        path for path in html.rglob("*.html") if not path.is_relative_to(html / "_static")
    )
    for path in built:
        name = path.relative_to(html).with_suffix("").as_posix()
        soup = _soup(path)
        faults += [f"{name}: {fault}" for fault in _of_every_page(html, path, soup, secrets)]
        if name in pages:
            faults += [f"{name}: {fault}" for fault in _of_content(soup)]
    _soup.cache_clear()
    return faults + list(_remote_styles(html))


def require(html: Path, pages: list[str], secrets: tuple[str, ...] = ()) -> None:
    """Refuse a book with faults.

    Raises:
        BookError: Lists them all.
    """
    if faults := check_pages(html, pages, secrets):
        raise BookError(f"{len(faults)} faults in the pages:\n  " + "\n  ".join(faults))


@lru_cache(maxsize=512)
def _soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def _of_every_page(
    html: Path, path: Path, soup: BeautifulSoup, secrets: tuple[str, ...]
) -> Iterator[str]:
    for tag in soup.find_all(list(_LOADS)):
        address = str(tag.get(_LOADS[tag.name]) or "")
        rel = set(tag.get("rel") or [])
        if tag.name == "link" and not rel & _LINK_LOADS:
            continue
        if address.startswith(("http:", "https:", "//")):
            yield f"loads {address} from the network"
    for script in soup.find_all("script", src=False):
        if found := re.search(r"import\s*\(?[^)\n;]*[\"'](https?://[^\"']+)", script.string or ""):
            yield f"a script imports {found[1]} from the network"
    yield from _dead_links(html, path, soup)
    text = str(soup)
    yield from (f"holds the text {secret!r}" for secret in secrets if secret in text)


def _of_content(soup: BeautifulSoup) -> Iterator[str]:
    article = soup.find("article") or soup.find("main")
    if not isinstance(article, Tag):
        yield "has no article"
        return
    heading, words = article.find("h1"), " ".join(article.get_text(" ").split())
    if heading is None:
        yield "has no heading"
    elif len(words) - len(heading.get_text()) < SHORTEST:
        yield f"is empty ({len(words)} characters)"
    if article.select(".output.traceback, .stderr.traceback"):
        yield "shows a failed cell"
    for image in article.find_all("img"):
        yield from _of_image(image)


def _of_image(image: Tag) -> Iterator[str]:
    """Alternative text that says something, and a caption."""
    source, alt = str(image.get("src") or ""), str(image.get("alt") or "").strip()
    name = source.rsplit("/", 1)[-1][:60]
    if not alt or alt == source or _FILE_NAME.fullmatch(alt):
        yield f"the figure {name} has no alternative text; set mystnb.image.alt or :alt:"
    figure = image.find_parent("figure")
    if figure is None or figure.find("figcaption") is None:
        yield f"the figure {name} has no caption; set mystnb.figure.caption or use a figure"


def _dead_links(html: Path, path: Path, soup: BeautifulSoup) -> Iterator[str]:
    for link in soup.find_all("a", href=True):
        split = urlsplit(str(link["href"]))
        if split.scheme or split.netloc:
            continue
        target = (path.parent / unquote(split.path)).resolve() if split.path else path.resolve()
        if not target.is_relative_to(html.resolve()) or not target.exists():
            yield f"the link {link['href']} leads to no page"
        elif target.suffix == ".html" and not _has_place(target, unquote(split.fragment)):
            yield f"the link {link['href']} leads to no place on that page"


def _has_place(page: Path, fragment: str) -> bool:
    return not fragment or fragment in _anchors(page)


@lru_cache(maxsize=512)
def _anchors(path: Path) -> frozenset[str]:
    soup = _soup(path)
    named = {str(tag["name"]) for tag in soup.find_all("a", attrs={"name": True})}
    return frozenset(named | {str(tag["id"]) for tag in soup.find_all(id=True)})


def _remote_styles(html: Path) -> Iterator[str]:
    for path in sorted(html.rglob("*.css")):
        for address in _CSS_REMOTE.findall(path.read_text(encoding="utf-8", errors="replace")):
            yield f"{path.relative_to(html).as_posix()}: loads {address} from the network"
