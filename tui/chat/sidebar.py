"""The list of conversations: open, new, rename, delete."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from fireside.text import for_terminal_line
from tui.actions import bindings
from tui.lists import LineList

if TYPE_CHECKING:
    from fireside.conversations.types import Conversation


class ConversationList(LineList):
    """The conversations, the one written to last first."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("conversations")
    HELP = "Your conversations, the one written to last first. Enter, or a click, opens one."

    def __init__(self) -> None:
        super().__init__(id="conversations", compact=True, markup=False)

    def action_archived(self) -> None:
        """List the archived conversations, or the others again."""
        self.post_message(Sidebar.Act("archived", None))

    def action_ask(self, act: str) -> None:
        """Tell the screen which key was pressed, and on which conversation."""
        option = self.highlighted_option
        chosen = int(option.id) if option is not None and option.id is not None else None
        self.post_message(Sidebar.Act(act, chosen))


class Sidebar(Vertical):
    """The list with its heading and its keys."""

    class Act(Message):
        """What a key asks for; on which conversation, where one is highlighted."""

        def __init__(self, act: str, conversation: int | None) -> None:
            super().__init__()
            self.act = act
            self.conversation = conversation

    def __init__(self) -> None:
        super().__init__(id="sidebar")

    def compose(self) -> ComposeResult:
        """Heading, list, keys."""
        yield Static("Conversations", markup=False, classes="heading")
        yield ConversationList()
        yield Static(
            "n new  r rename  d delete  u undo\np pin  t tag  a archive  A archived", markup=False, classes="keys"
        )

    def show(self, conversations: Sequence[Conversation], opened: int | None, *, archived: bool = False) -> None:
        """List these; the open one is highlighted. archived: they are those that are archived."""
        self.query_one(".heading", Static).update("Archived" if archived else "Conversations")
        conversation_list = self.query_one(ConversationList)
        now = time.time()
        muted = self.app.theme_variables["muted"]
        options = []
        for conversation in conversations:
            title = Text(for_terminal_line(conversation.title, 60) or "untitled", no_wrap=True, overflow="ellipsis")
            marks = "●" if conversation.id == opened else "‡" if conversation.pinned else " "
            mark = Text(f"{marks} ", style=self.app.theme_variables["user"])
            tags = "".join(f" #{for_terminal_line(tag, 12)}" for tag in conversation.tags[:2])
            age = Text(f"{tags}  {since(now - conversation.updated)}", style=muted)
            width = max(8, self.size.width - 2 - age.cell_len - mark.cell_len - 1) if self.size.width else 18
            title.truncate(width, overflow="ellipsis", pad=True)
            options.append(Option(Text.assemble(mark, title, age, no_wrap=True), id=str(conversation.id)))
        conversation_list.set_options(options)
        places = [conversation.id for conversation in conversations]
        conversation_list.highlighted = places.index(opened) if opened in places else (0 if places else None)

    @on(OptionList.OptionSelected)
    def _open(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_id is not None:
            self.post_message(self.Act("open", int(event.option_id)))


def since(seconds: float) -> str:
    """How long ago, in three or four characters: now, 5m, 3h, 2d, 7w."""
    if seconds < 60:
        return "now"
    for unit, length, limit in (("m", 60, 3600), ("h", 3600, 86_400), ("d", 86_400, 14 * 86_400)):
        if seconds < limit:
            return f"{int(seconds // length)}{unit}"
    return f"{int(seconds // (7 * 86_400))}w"
