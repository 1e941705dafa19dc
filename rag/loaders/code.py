"""Source code: a block a function, under the names of the classes and modules around it, by tree-sitter."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from rag.loaders import plain
from rag.loaders.assemble import with_lines
from rag.loaders.charset import decoded
from rag.sentences import trimmed
from rag.types import Block, Document

if TYPE_CHECKING:
    from tree_sitter import Node

# The package of each language's grammar, and the function in it that gives the language.
_GRAMMARS = {
    "bash": ("tree_sitter_bash", "language", ".sh .bash"),
    "c": ("tree_sitter_c", "language", ".c .h"),
    "cpp": ("tree_sitter_cpp", "language", ".cpp .cc .cxx .hpp .hh .hxx"),
    "csharp": ("tree_sitter_c_sharp", "language", ".cs"),
    "go": ("tree_sitter_go", "language", ".go"),
    "java": ("tree_sitter_java", "language", ".java"),
    "javascript": ("tree_sitter_javascript", "language", ".js .jsx .mjs .cjs"),
    "php": ("tree_sitter_php", "language_php", ".php"),
    "python": ("tree_sitter_python", "language", ".py .pyi"),
    "ruby": ("tree_sitter_ruby", "language", ".rb"),
    "rust": ("tree_sitter_rust", "language", ".rs"),
    "tsx": ("tree_sitter_typescript", "language_tsx", ".tsx"),
    "typescript": ("tree_sitter_typescript", "language_typescript", ".ts .mts .cts"),
}
_LANGUAGE_OF = {suffix: name for name, (_, _, suffixes) in _GRAMMARS.items() for suffix in suffixes.split()}
# A larger file was written by a program: it is read as plain text.
_LARGEST = 2_000_000
# Node types of the grammars that name something: a function ends the descent, what is around functions goes on.
_FUNCTIONS_TEXT = (
    "function_definition function_declaration function_item method_definition method_declaration method "
    "singleton_method constructor_declaration destructor_declaration generator_function_declaration "
    "function_signature_item abstract_method_signature local_function_statement"
)
_FUNCTIONS = frozenset(_FUNCTIONS_TEXT.split())
_AROUND_TEXT = (
    "class_definition class_declaration abstract_class_declaration class_specifier class struct_specifier struct_item "
    "struct_declaration union_specifier enum_specifier enum_item enum_declaration interface_declaration "
    "trait_declaration trait_item impl_item mod_item module namespace_definition namespace_declaration "
    "internal_module record_declaration type_declaration type_alias_declaration object_declaration"
)
_AROUND = frozenset(_AROUND_TEXT.split())
# `const f = () => ...`: a variable whose value is a function.
_FUNCTION_VALUES = frozenset(("arrow_function", "function_expression", "generator_function", "lambda"))
# What belongs to the definition below it.
_COMMENTS = frozenset(("comment", "line_comment", "block_comment", "attribute_item"))
# What ends a block of code says nothing when it stands alone.
_ENDS = re.compile(r"(?:[^\w]|\b(?:end|endif|fi|done|esac)\b)*")
# A class of up to so many characters is one block, with all its methods.
_SMALL = 600
# What belongs to the one definition that it wraps.
_WRAPPERS_TEXT = "decorated_definition export_statement template_declaration lexical_declaration variable_declaration"
_WRAPPERS = frozenset(_WRAPPERS_TEXT.split())
_DEEPEST = 200


@dataclass
class _Named:
    """A function, class or the like, in bytes of the source; `inner` are the named things in it."""

    name: str
    start: int
    end: int
    inner: list[_Named] = field(default_factory=list)


def load(path: str, data: bytes) -> Document:
    """A `Document` whose text is the file's own, newlines untranslated; a block's `heading` names its function.

    What lies between functions makes blocks by paragraph. Raises DocumentError for a binary file.
    """
    text = decoded(path, data)
    language = _LANGUAGE_OF.get(PurePath(path).suffix.lower())
    if language is None or len(data) > _LARGEST:
        return plain.of_text(path, text)
    import tree_sitter

    package, function, _ = _GRAMMARS[language]
    grammar = tree_sitter.Language(getattr(importlib.import_module(package), function)())
    source = text.encode("utf-8", "replace")
    tree = tree_sitter.Parser(grammar).parse(source)
    named = _named_in(tree.root_node, _DEEPEST)
    spans = _spans(text, _in_characters(named, source), 0, len(text), ())
    blocks = [Block(start, end, None, heading) for start, end, heading in spans]
    return Document(path, PurePath(path).name, text, with_lines(text, blocks))


def suffixes() -> str:
    """The suffixes of the languages that are cut by function."""
    return " ".join(suffixes for _, _, suffixes in _GRAMMARS.values())


def _named_in(parent: Node, depth: int) -> list[_Named]:
    """The outermost named things below a node, in order, each with the comments right above it."""
    found: list[_Named] = []
    comments: list[Node] = []
    for node in parent.children if depth else ():
        if comments and not _adjoins(comments[-1], node):
            comments.clear()
        if node.type in _COMMENTS:
            comments.append(node)
            continue
        inner = [] if _is_function(node) else _named_in(node, depth - 1)
        if _is_function(node) or (node.type in _AROUND and _name(node)):
            inner = [_Named(_name(node), node.start_byte, node.end_byte, inner)]
        elif node.type in _WRAPPERS and len(inner) == 1:
            inner[0].start, inner[0].end = node.start_byte, node.end_byte
        if comments and inner and inner[0].start == node.start_byte:
            inner[0].start = comments[0].start_byte
        comments.clear()
        found += inner
    return found


def _adjoins(above: Node, below: Node) -> bool:
    return below.start_point[0] - above.end_point[0] <= 1


def _is_function(node: Node) -> bool:
    if node.type in _FUNCTIONS:
        return True
    value = node.child_by_field_name("value")
    return node.type == "variable_declarator" and value is not None and value.type in _FUNCTION_VALUES


def _name(node: Node) -> str:
    """What a definition is called: its name, in C that of its declarator, in Rust the type of an `impl`."""
    for name in ("name", "declarator", "type"):
        found = node.child_by_field_name(name)
        while found is not None and (deeper := found.child_by_field_name("declarator")) is not None:
            found = deeper
        if found is not None and found.text is not None:
            return " ".join(found.text.decode("utf-8", "replace").split())[:100]
    # Go puts the name one node deeper: `type ( Name struct )`.
    return next((_name(child) for child in node.named_children if child.type == "type_spec"), "")


def _in_characters(named: list[_Named], source: bytes) -> list[_Named]:
    """The same, changed in place, with positions in characters of the text."""
    at = characters = 0

    def position(byte: int) -> int:
        nonlocal at, characters
        characters += len(source[at:byte].decode("utf-8", "replace"))
        at = byte
        return characters

    def convert(things: list[_Named]) -> None:
        for thing in things:
            thing.start = position(thing.start)
            convert(thing.inner)
            thing.end = position(thing.end)

    convert(named)
    return named


def _spans(
    text: str, named: list[_Named], start: int, end: int, heading: tuple[str, ...]
) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Start, end and heading path of every block between `start` and `end`: functions whole, the rest by paragraph."""
    for thing in named:
        yield from _between(text, start, thing.start, heading)
        path = (*heading, thing.name)
        if thing.inner and thing.end - thing.start > _SMALL:
            yield from _spans(text, thing.inner, thing.start, thing.end, path)
        else:
            first, last = trimmed(text, thing.start, thing.end)
            if first < last:
                yield first, last, path
        start = thing.end
    yield from _between(text, start, end, heading)


def _between(text: str, start: int, end: int, heading: tuple[str, ...]) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """The paragraphs between two definitions, but for closing braces and the like."""
    for span in plain.paragraphs(text, start, end):
        first, last = trimmed(text, *span)
        if not _ENDS.fullmatch(text, first, last):
            yield first, last, heading
