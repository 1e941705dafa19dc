"""The one table of actions: every key of every screen by name, its default, and what it does."""

from __future__ import annotations

from tui.actions import Action
from tui.slash import COMMANDS

_APP = (
    Action("app.quit", "ctrl+q", "quit", "Quit", first=True),
    Action("app.help", "f1", "help_here", "What the keys do here", first=True),
)

_CHAT = (
    Action("chat.stop", "escape", "stop", "Stop the reply; what came is kept"),
    Action("chat.interrupt", "ctrl+c", "interrupt", "Copy the selection, or stop; twice to quit", first=True),
    Action("chat.conversations", "ctrl+b", "sidebar", "Show or hide the conversations", first=True),
    Action("chat.messages", "alt+up", "messages", "Go to the messages"),
    Action("chat.page-up", "pageup,shift+pageup", "page(-1)", "Scroll up by a page", first=True),
    Action("chat.page-down", "pagedown,shift+pagedown", "page(1)", "Scroll down by a page", first=True),
)

_COMMANDS = tuple(
    Action(f"chat.{command.name}", command.keys, f"slash('{command.name}')", command.summary, first=True)
    for command in COMMANDS
)
"""Every slash command can have a key too."""

_MESSAGE = (
    Action("message.edit", "e", "act('edit')", "Edit, keeping the old one as a version"),
    Action("message.retry", "r", "act('retry')", "Write the reply again, beside the old one"),
    Action("message.copy", "c,y", "act('copy')", "Copy"),
    Action("message.thoughts", "t", "thoughts", "Show or hide the thoughts"),
    Action("message.previous", "left,alt+left", "act('previous')", "Previous version"),
    Action("message.next", "right,alt+right", "act('next')", "Next version"),
    Action("message.up", "up,k,alt+up", "act('up')", "The message above"),
    Action("message.down", "down,j,alt+down", "act('down')", "The message below"),
    Action("message.leave", "escape,enter", "act('leave')", "Back to the prompt"),
)

_CONVERSATIONS = (
    Action("conversations.new", "n", "ask('new')", "New"),
    Action("conversations.rename", "r,f2", "ask('rename')", "Rename"),
    Action("conversations.delete", "d,delete", "ask('delete')", "Delete"),
    Action("conversations.down", "j", "cursor_down", "Down"),
    Action("conversations.up", "k", "cursor_up", "Up"),
    Action("conversations.leave", "escape", "ask('leave')", "Back to the prompt"),
)

_DIALOGS = (
    Action("dialog.cancel", "escape,ctrl+c", "cancel", "Leave without an answer"),
    Action("text-dialog.save", "ctrl+s", "save", "Save", first=True),
    Action("confirm.yes", "y", "yes", "Yes"),
    Action("confirm.no", "n", "cancel", "No"),
    Action("help.close", "q,enter", "cancel", "Close"),
    Action("approval.once", "a", "answer('once')", "Allow once"),
    Action("approval.always", "A", "answer('always')", "Always in this conversation"),
    Action("approval.folder", "F", "answer('folder')", "Always in this folder"),
    Action("approval.never", "N", "answer('never')", "Never in this folder"),
    Action("approval.deny", "d", "answer('deny')", "Deny"),
)

_STORY = (
    Action("story.leave", "escape", "stop_or_leave", "Stop, leave", first=True),
    Action("story.interrupt", "ctrl+c", "interrupt", "Copy the selection, or stop", first=True),
    Action("story.write-on", "f5,ctrl+enter", "write_on", "Write on", first=True),
    Action("story.retry", "ctrl+r", "retry", "Write the last piece again", first=True),
    Action("story.previous", "alt+left,f3", "turn(-1)", "Previous version", first=True),
    Action("story.next", "alt+right,f4", "turn(1)", "Next version", first=True),
    Action("story.edit", "ctrl+g", "edit", "Edit the last piece", first=True),
    Action("story.notes", "ctrl+t", "notes", "Memory and author's note", first=True),
    Action("story.export", "ctrl+s", "export", "Export", first=True),
    Action("story.whole", "ctrl+home", "whole", "Show the whole story", first=True),
    Action("story.page-up", "pageup", "page(-1)", "Scroll up by a page", first=True),
    Action("story.page-down", "pagedown", "page(1)", "Scroll down by a page", first=True),
)

_SCREENS = (
    Action("library.back", "escape", "back", "Back"),
    Action("library.open-file", "ctrl+o", "open_file", "Open the file"),
    Action("trace.back", "escape,q", "back", "Back"),
    Action("trace.unfold", "e", "unfold_all", "Unfold all"),
    Action("run.back", "escape", "back", "Back"),
    Action("run.cancel", "c", "cancel_run", "Cancel the run"),
    Action("runs.back", "escape,q", "back", "Back"),
    Action("runs.open", "enter", "open", "Open", first=True),
    Action("runs.mark", "space", "mark", "Mark"),
    Action("runs.compare", "c", "compare", "Side by side"),
    Action("runs.resume", "r", "resume", "Go on"),
    Action("comparison.back", "escape,q", "back", "Back"),
    Action("data.back", "escape", "back", "Back"),
    Action("data.next", "right,n", "step(1)", "Row", shown_key="←→"),
    Action("data.previous", "left,p", "step(-1)", "Previous row", footer=False),
    Action("data.jump", "g", "jump", "Go to"),
    Action("data.longest", "l", "tour('longest')", "Longest"),
    Action("data.odd", "s", "tour('odd')", "Odd"),
    Action("data.figures", "f", "figures", "Figures"),
)

ACTIONS = (*_APP, *_CHAT, *_COMMANDS, *_MESSAGE, *_CONVERSATIONS, *_DIALOGS, *_STORY, *_SCREENS)
