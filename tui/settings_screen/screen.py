"""Looks at every setting, says where its value comes from, and changes it in the person's settings file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from fireside import paths
from fireside.errors import FiresideError
from fireside.settings import Settings
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.chat.dialogs import ChoiceDialog, LineDialog
from tui.lists import LineList
from tui.settings_screen.edit import ValueDialog
from tui.settings_screen.effect import effect
from tui.settings_screen.fields import Field, fields, typed, value_of, written
from tui.settings_screen.file import Origin, check, origin, read, save, variables

_TITLES = {"": "General", "keys": "Keys"}
_UNSET = "not set"
_NAME_CELLS = 24


class SettingsScreen(Screen[None]):
    """All settings in a list that can be searched; beside it, what the marked one means."""

    CSS_PATH = "screen.tcss"
    AUTO_FOCUS = "#settings-list"
    BINDINGS: ClassVar[list[BindingType]] = bindings("settings")
    HELP = "Every setting of the settings file. What is set by the environment can be looked at, not changed."

    def __init__(self, taken: Callable[[Settings], None]) -> None:
        """taken: told the settings after each change, to let them count at once where they can."""
        super().__init__()
        self._taken = taken
        self._settings: Settings | None = None
        self._values: dict[str, Any] = {}
        self._held = variables()
        self._fields: Sequence[Field] = ()

    def compose(self) -> ComposeResult:
        """The search above, the list, what the marked setting means, a line for what was done or went wrong."""
        yield Input(placeholder="Search the settings", id="settings-search", compact=True)
        with Horizontal(id="settings-body"):
            yield LineList(id="settings-list", markup=False, compact=True)
            with VerticalScroll(id="settings-about", can_focus=False):
                yield Static(id="settings-text", markup=False)
        yield Static(id="settings-said", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Read the file; the first size draws it, and a change of the theme does again."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())
        self._read()

    def on_resize(self) -> None:
        """The lines are as wide as the list."""
        self.call_after_refresh(self._draw)

    def action_read(self) -> None:
        """Read the settings file again."""
        self._read()
        self._draw()

    def _read(self) -> None:
        """Read the settings file; where it is broken, say so and change nothing."""
        try:
            self._settings, self._values = read()
            self._say("")
        except FiresideError as error:
            self._settings = None
            self._say(f"{error.message}\n{error.hint or ''}\nNothing is changed here until the file is mended.", True)
        self.query_one("#settings-body").display = self._settings is not None

    def action_back(self) -> None:
        """From a search back to all settings, from there to where one came from."""
        search = self.query_one("#settings-search", Input)
        if search.value or search.has_focus:
            search.value = ""
            self.query_one(LineList).focus()
        else:
            self.dismiss()

    def action_search(self) -> None:
        """Write what to look for."""
        self.query_one("#settings-search").focus()

    @on(Input.Changed, "#settings-search")
    def _searched(self) -> None:
        self._draw()

    @on(Input.Submitted, "#settings-search")
    def _found(self) -> None:
        self.query_one(LineList).focus()

    @on(OptionList.OptionHighlighted)
    def _marked(self) -> None:
        self._describe()

    @on(OptionList.OptionSelected)
    def _opened(self) -> None:
        self.action_edit()

    @property
    def _chosen(self) -> Field | None:
        """The marked setting."""
        option = self.query_one(LineList).highlighted_option
        return next((each for each in self._fields if option is not None and each.name == option.id), None)

    # What is shown

    def _draw(self) -> None:
        """The list, narrowed by the search; the mark stays where it was."""
        options = self.query_one(LineList)
        kept = options.highlighted_option.id if options.highlighted_option is not None else None
        lines: list[Option] = []
        if self._settings is not None:
            wanted = self.query_one("#settings-search", Input).value.lower().split()
            self._fields = [
                field
                for field in fields(self._settings)
                if all(word in f"{field.name} {field.about}".lower() for word in wanted)
            ]
            group = None
            for field in self._fields:
                if field.group != group:
                    group = field.group
                    lines.append(Option(self._heading(group), disabled=True))
                lines.append(Option(self._line(field), id=field.name))
            if not lines:
                lines.append(Option("no setting has these words", disabled=True))
        options.set_options(lines)
        names = [each.id for each in lines]
        first = next((place for place, name in enumerate(names) if name is not None), None)
        options.highlighted = names.index(kept) if kept is not None and kept in names else first
        self._describe()

    def _heading(self, group: str) -> Text:
        return Text(_TITLES.get(group, group), style=f"bold {self.app.theme_variables['user']}")

    def _line(self, field: Field) -> Text:
        """Name, value, and where it comes from if that is not the default."""
        assert self._settings is not None
        colours = self.app.theme_variables
        kind = origin(field.path, self._values, self._held).kind
        name = Text(f"  {field.name.removeprefix(field.group + '.')}", no_wrap=True)
        name.truncate(_NAME_CELLS, overflow="ellipsis", pad=True)
        mark = Text({"default": "", "file": " file", "environment": " env"}[kind], style=colours["caution"])
        value = Text(for_terminal_line(written(value_of(self._settings, field)), 80) or "–", no_wrap=True)
        value.stylize(colours["muted"] if kind == "default" else f"bold {colours['foreground']}")
        width = self.query_one(LineList).scrollable_content_region.width - name.cell_len - mark.cell_len - 2
        value.truncate(max(width, 6), overflow="ellipsis", pad=True)
        return Text.assemble(name, " ", value, mark, no_wrap=True)

    def _describe(self) -> None:
        """What the marked setting means, can be, is, and where that comes from."""
        field, colours = self._chosen, self.app.theme_variables
        about = Text()
        if field is not None and self._settings is not None:
            came = origin(field.path, self._values, self._held)
            about.append(f"{field.name}\n", style=f"bold {colours['user']}")
            about.append(f"{for_terminal(field.about)}\n", style=colours["foreground"])
            possible = ", ".join(each for each in field.choices) or field.limits
            now = for_terminal(written(value_of(self._settings, field)))
            rows = [
                ("now", now or _UNSET),
                ("from", _came(came)),
                ("default", for_terminal_line(written(field.default), 200) or _UNSET),
                ("can be", possible),
                ("counts", effect(field.path)),
            ]
            for name, words in rows:
                if words:
                    about.append(f"\n{name:<8}", style=colours["muted"]).append(words, style=colours["foreground"])
        self.query_one("#settings-text", Static).update(about)

    def _say(self, text: str, error: bool = False) -> None:
        said = self.query_one("#settings-said", Static)
        said.update(for_terminal(("✗ " if error else "") + text))
        said.set_class(error, "error")
        said.display = bool(text)

    # Changing

    @work(exclusive=True, group="edit")
    async def action_edit(self) -> None:
        """Change the marked setting: a switch at once, a choice from a list, else by typing."""
        field = self._chosen
        if field is None or self._settings is None or self._fixed(field):
            return
        value = value_of(self._settings, field)
        if field.kind == "switch":
            await self._change(field, not value)
        elif field.kind == "choice":
            words = [_UNSET] * field.optional + list(field.choices)
            shown = [f"{'●' if each == (written(value) or _UNSET) else ' '} {each or 'none'}" for each in words]
            place = await self.app.push_screen_wait(ChoiceDialog(field.name, shown))
            if place is not None:
                await self._change(field, None if words[place] == _UNSET else typed(field, words[place]))
        else:
            text = await self.app.push_screen_wait(
                ValueDialog(field, value, lambda typed_value: check(field.path, typed_value))
            )
            if text is not None:
                await self._change(field, typed(field, text))

    @work(exclusive=True, group="edit")
    async def action_reset(self) -> None:
        """Take the marked setting out of the file, so that it is the default again."""
        field = self._chosen
        if field is not None and self._settings is not None and not self._fixed(field):
            await self._change(field, None)

    @work(exclusive=True, group="edit")
    async def action_add(self) -> None:
        """Name a new server of `remotes`; what else there is to it is then a setting like any other."""
        if self._settings is None:
            return
        name = await self.app.push_screen_wait(LineDialog("Name of the new server", ""))
        url = await self.app.push_screen_wait(LineDialog("Its address, up to and with /v1", "http://")) if name else ""
        if not url:
            return
        try:
            settings = await asyncio.to_thread(save, ("remotes", name, "url"), url)
            self._settings, self._values = await asyncio.to_thread(read)
        except FiresideError as error:
            self._say(error.message, True)
            return
        self._taken(settings)
        self._draw()
        options = self.query_one(LineList)
        options.highlighted = options.get_option_index(f"remotes.{name}.url")
        self._say(f"✓ remote:{for_terminal_line(name, 40)} is there {effect(('remotes',))}")

    def _fixed(self, field: Field) -> bool:
        """Whether the environment sets it; the person is told."""
        came = origin(field.path, self._values, self._held)
        if came.kind == "environment":
            self._say(f"the environment sets {field.name} ({came.variable}), and is stronger than the file", True)
        return came.kind == "environment"

    async def _change(self, field: Field, value: object) -> None:
        """Write it to the file, and let it count."""
        try:
            settings = await asyncio.to_thread(save, field.path, value)
            self._settings, self._values = await asyncio.to_thread(read)
        except FiresideError as error:
            self._say(error.message, True)
            return
        self._taken(settings)
        now = written(value_of(settings, field)) or _UNSET
        self._say(f"✓ {field.name} is {for_terminal_line(now, 60)}; it counts {effect(field.path)}")
        self._draw()


def _came(came: Origin) -> str:
    match came.kind:
        case "environment":
            return f"the environment ({came.variable}); change it there"
        case "file":
            return str(paths.settings_file())
        case _:
            return "the default"
