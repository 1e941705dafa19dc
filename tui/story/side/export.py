"""The export: a story as Markdown, EPUB 3 or plain text, with the title page and the chapters it will have."""

from __future__ import annotations

import asyncio
from typing import ClassVar, get_args

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from fireside import paths
from fireside.errors import FiresideError
from fireside.models.types import AdapterUse, ChatModel
from fireside.stories.binding import bound
from fireside.stories.book import Book
from fireside.stories.epub import is_language
from fireside.stories.export import write
from fireside.stories.publish import Format, published
from fireside.stories.store import Story
from fireside.text import for_terminal_line
from tui.actions import bindings
from tui.chat.dialogs import ConfirmDialog
from tui.lists import LineList
from tui.story.side.frame import Pane

FORMATS: dict[Format, str] = {
    "md": "Markdown (.md), for other programs and the web",
    "epub": "EPUB 3 (.epub), for e-readers",
    "txt": "Plain text (.txt), without any markup",
}
_FIELDS = {
    "title": "Title",
    "author": "Author, for the title page; empty for none",
    "language": "Language of the text, as en, de or pt-BR",
    "file": "File",
}
_MOST_CHAPTERS = 200


class ExportScreen(Pane):
    """Format, title page and file; below them what will be in it."""

    AUTO_FOCUS = "#export-format"
    BINDINGS: ClassVar[list[BindingType]] = bindings("story-export")
    KEYS = ("story-export.save", "pane.back")

    def __init__(self, story: Story, model: ChatModel, adapters: tuple[AdapterUse, ...] = ()) -> None:
        super().__init__(f"Export {story.info.title}", story, model, adapters)
        self._book: Book | None = None

    def body(self) -> ComposeResult:
        """The form, and the book's contents."""
        first = {"title": self.story.info.title, "author": "", "language": "en", "file": f"{self.story.info.name}.md"}
        with VerticalScroll(classes="side-form", can_focus=False):
            yield LineList(
                *(Option(words) for words in FORMATS.values()),
                id="export-format", classes="side-choice", compact=True, markup=False,
            )  # fmt: skip
            for field, words in _FIELDS.items():
                yield Static(words, markup=False, classes="side-label")
                text = for_terminal_line(first[field], 1_000)
                yield Input(text, id=f"export-{field}", classes="side-field", compact=True, select_on_focus=False)
            yield Static(markup=False, id="export-problem", classes="side-problem")
            yield Static(markup=False, id="export-contents", classes="side-label")

    def on_mount(self) -> None:
        """Bind the story, for what will be in the file."""
        self.query_one("#export-format", OptionList).highlighted = 0
        self._bind()

    @work(exclusive=True, group="bind")
    async def _bind(self) -> None:
        self._book = await asyncio.to_thread(bound, self.story)
        self._show()

    @property
    def form(self) -> Format:
        """The chosen format."""
        forms: tuple[Format, ...] = get_args(Format)
        return forms[self.query_one("#export-format", OptionList).highlighted or 0]

    def value(self, field: str) -> str:
        """What stands in a field."""
        return for_terminal_line(self.query_one(f"#export-{field}", Input).value, 1_000).strip()

    @on(OptionList.OptionHighlighted)
    def _chosen(self) -> None:
        """The file's ending follows the format."""
        named = self.query_one("#export-file", Input)
        stem, dot, ending = named.value.rpartition(".")
        if dot and ending in get_args(Format):
            named.value = f"{stem}.{self.form}"
        self._show()

    @on(OptionList.OptionSelected)
    def _onward(self) -> None:
        self.query_one("#export-title").focus()

    @on(Input.Changed)
    def _typed(self) -> None:
        self._show()

    def _problem(self) -> str:
        if not is_language(self.value("language")):
            return "this is no language tag: write en, de, pt-BR"
        return "" if self.value("file") else "name a file"

    def _show(self) -> None:
        """The title page and the chapters as they will be."""
        problem = self._problem()
        said = self.query_one("#export-problem", Static)
        said.update(f"✗ {problem}" if problem else "")
        said.display = bool(problem)
        if self._book is None:
            return
        colours = self.app.theme_variables
        shown = Text("In it\n\n")
        shown.append(f"{self.value('title') or self.story.info.title}\n", f"bold {colours['foreground']}")
        shown.append(f"{self.value('author')}\n" if self.value("author") else "", colours["foreground"])
        chapters = self._book.chapters
        for number, chapter in enumerate(chapters[:_MOST_CHAPTERS], 1):
            words = sum(len(paragraph.split()) for scene in chapter.scenes for paragraph in scene)
            title = for_terminal_line(chapter.title, 200) or ("the text" if len(chapters) == 1 else "without a title")
            shown.append(f"\n{number:>3}  {title}  ", colours["foreground"])
            shown.append(f"{words:,} words", colours["muted"])
        if not chapters:
            shown.append("\nnothing is written yet: there will be a title page alone", colours["caution"])
        self.query_one("#export-contents", Static).update(shown)

    @work(exclusive=True, group="save")
    async def action_save(self) -> None:
        """Write the file, and say where it is."""
        if problem := self._problem():
            self.say(f"not saved: {problem}", error=True)
            return
        form = self.form
        try:
            file = paths.expanded(self.value("file")).absolute()
            if file.suffix.lower() != f".{form}":
                file = file.with_name(f"{file.name}.{form}")
            if await asyncio.to_thread(file.is_file) and not await self.app.push_screen_wait(
                ConfirmDialog(f"Replace {file.name}?", str(file.parent))
            ):
                return
            self.say("saving…")
            title, author, language = (self.value(field) for field in ("title", "author", "language"))
            content = await asyncio.to_thread(
                published, self.story, form, title=title, author=author, language=language
            )
            await asyncio.to_thread(write, file, content, force=True)
        except FiresideError as error:
            self.say_error(error)
            return
        self.say(f"saved as {file} ({max(1, len(content) // 1000):,} kB)")
