"""The reference of the library's public floors, read from its source without importing it.

The floors import torch and more; reading their text keeps the build quick, offline and the same
on every machine.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docstring_parser import DocstringStyle, parse

from saebook.book.errors import BookError
from saebook.book.markdown import plain

FLOORS = {
    "The world": ("testbed",),
    "Models, texts, activations": ("subjects", "corpora", "activations", "sinks"),
    "Sparse autoencoders": ("zoo", "reconstruction", "features", "interpretability"),
    "Intervening": ("steering", "finetune", "judges"),
    "Statistics": ("stats",),
    "Parameters, claims and figures": ("parameters", "records", "claims", "plots"),
}
"""Which modules the reference shows; one that does not exist is passed over."""

Definition = ast.FunctionDef | ast.ClassDef


class Public(NamedTuple):
    """One public name and where it is defined."""

    module: str
    node: Definition


def reference(package: Path) -> str:
    """The whole reference as Markdown.

    Args:
        package: The folder of the package `saebook`.

    Raises:
        BookError: A public name has no docstring, or a package exports a name not found in it.
    """
    parts = []
    for title, modules in FLOORS.items():
        present = [name for name in modules if _source(package, name)]
        if present:
            parts.append(f"## {title}\n\n")
            parts += [_module(package, name) for name in present]
    return "".join(parts)


def _source(package: Path, name: str) -> Path | None:
    places = (package / f"{name}.py", package / name / "__init__.py")
    return next((path for path in places if path.is_file()), None)


def _module(package: Path, name: str) -> str:
    path = _source(package, name)
    assert path is not None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lead = _prose(ast.get_docstring(tree))
    entries = sorted(public_names(package, path, tree), key=lambda p: p.node.name.lower())
    body = "".join(_entry(name, entry) for entry in entries)
    return f"### saebook.{name}\n\n{lead}\n\n{body}"


def public_names(package: Path, path: Path, tree: ast.Module) -> Iterator[Public]:
    """What a module offers: the names of `__all__`, else all it defines without an underscore."""
    exported = _all_of(tree)
    own = {node.name: node for node in tree.body if isinstance(node, Definition)}
    if exported is None:
        module = _dotted(package, path)
        yield from (Public(module, n) for name, n in own.items() if not name.startswith("_"))
        return
    origins = _origins(tree)
    for name in exported:
        found = _resolve(package, path, name, own, origins)
        if found is not None:
            yield found


def _resolve(
    package: Path, path: Path, name: str, own: dict[str, Definition], origins: dict[str, str]
) -> Public | None:
    """The definition behind an exported name; None for constants, which have none."""
    if name in own:
        return Public(_dotted(package, path), own[name])
    module = origins.get(name, "")
    source = _source(package, module.removeprefix("saebook.").replace(".", "/"))
    if not module.startswith("saebook.") or source is None:
        return None
    tree = ast.parse(source.read_text(encoding="utf-8"))
    inner = {node.name: node for node in tree.body if isinstance(node, Definition)}
    return _resolve(package, source, name, inner, _origins(tree))


def _all_of(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
        ):
            return [str(name) for name in ast.literal_eval(node.value)]
    return None


def _origins(tree: ast.Module) -> dict[str, str]:
    """Which module each name comes from that is imported under its own name."""
    return {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def _dotted(package: Path, path: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _entry(shown: str, public: Public) -> str:
    node = public.node
    kind = "class" if isinstance(node, ast.ClassDef) else "def"
    parts = [f"#### {plain(node.name)}\n\n", f"```python\n{kind} {_signature(node)}\n```\n\n"]
    parts.append(_docstring(ast.get_docstring(node), f"{public.module}.{node.name}") + "\n\n")
    if isinstance(node, ast.ClassDef):
        parts += _members(node, public.module)
    if public.module != f"saebook.{shown}":
        parts.append(f"Defined in `{public.module}`.\n\n")
    return "".join(parts)


def _signature(node: Definition) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        return f"{node.name}({bases})" if bases else node.name
    one_line = f"{node.name}({ast.unparse(node.args)})" + _returns(node)
    if len(one_line) <= 84:
        return one_line
    arguments = _split_arguments(node.args)
    return f"{node.name}(\n" + "".join(f"    {a},\n" for a in arguments) + ")" + _returns(node)


def _returns(node: ast.FunctionDef) -> str:
    return f" -> {ast.unparse(node.returns)}" if node.returns else ""


def _split_arguments(args: ast.arguments) -> list[str]:
    """Each argument on its own, as the source spells it; a lone `*` keeps its place."""
    text, depth, start, found = ast.unparse(args), 0, 0, []
    for i, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            found.append(text[start:i].strip())
            start = i + 1
    return [*found, text[start:].strip()]


def _members(node: ast.ClassDef, module: str) -> Iterator[str]:
    for field, told in _fields(node):
        yield f"- `{field}`{f': {_prose(told)}' if told else ''}\n"
    for member in node.body:
        if not isinstance(member, ast.FunctionDef) or member.name.startswith("_"):
            continue
        decorated = {ast.unparse(d) for d in member.decorator_list}
        if "property" in decorated or "override" in decorated:
            text = ast.get_docstring(member)
            if text is None:
                continue
        where = f"{module}.{node.name}.{member.name}"
        words = _docstring(ast.get_docstring(member), where).split("\n\n")[0]
        shown = member.name if "property" in decorated else f"{member.name}(…)"
        yield f"- `{shown}`: {' '.join(words.split())}\n"
    yield "\n"


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str | None]]:
    """Annotated fields, each with the string literal under it if there is one."""
    for field, after in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        told = after.value if isinstance(after, ast.Expr) else None
        literal = told.value if isinstance(told, ast.Constant) else None
        text = literal if isinstance(literal, str) else None
        if not field.target.id.startswith("_"):
            yield f"{field.target.id}: {ast.unparse(field.annotation)}", text


def _docstring(text: str | None, where: str) -> str:
    """A Google-style docstring as Markdown.

    Raises:
        BookError: There is none.
    """
    if not text:
        raise BookError(f"{where} is public and has no docstring; write one sentence")
    doc = parse(text, style=DocstringStyle.GOOGLE)
    parts = [_prose(doc.short_description), _prose(doc.long_description)]
    parts.append("".join(f"- `{p.arg_name}`: {_prose(p.description)}\n" for p in doc.params))
    if doc.returns and doc.returns.description:
        parts.append(f"Returns: {_prose(doc.returns.description)}")
    parts.append(
        "".join(f"- raises `{r.type_name}`: {_prose(r.description)}\n" for r in doc.raises)
    )
    return "\n\n".join(part.rstrip() for part in parts if part and part.strip())


def _prose(text: str | None) -> str:
    """Paragraphs shown as they are written; a table or an indented block is shown as code."""
    paragraphs = (text or "").strip().split("\n\n")
    return "\n\n".join(_paragraph(p) for p in paragraphs)


def _paragraph(text: str) -> str:
    if text.lstrip().startswith("|") or any(line.startswith("    ") for line in text.splitlines()):
        return f"```text\n{text}\n```"
    return plain(text)
