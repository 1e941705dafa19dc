"""Lists, tables and trees that also move by vim's keys."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import BindingType
from textual.widgets import DataTable, OptionList, Tree

from tui.actions import bindings

CellT = TypeVar("CellT")
DataT = TypeVar("DataT")


class LineList(OptionList):
    """A list of lines to choose from."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("list")
    HELP = "Enter, or a click, takes the marked line."


class RowTable(DataTable[CellT]):
    """A table with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("list")
    HELP = "Enter, or a click on the marked row, opens it."


class LineTree(Tree[DataT]):
    """A tree of lines."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("list")
    HELP = "Enter folds and unfolds a line; Space does too."
