"""The slash commands: one table that feeds completion, the help and the command palette, and how a line is read."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from fireside.errors import FiresideError

Choices = Literal[
    "",
    "conversations",
    "models",
    "libraries",
    "adapters",
    "tools",
    "servers",
    "tool",
    "configs",
    "data",
    "stories",
    "themes",
]
"""What a command's argument is chosen from; empty where it is free text or there is none."""


@dataclass(frozen=True)
class SlashCommand:
    """One command. `argument` shows how it is written: empty for none, in brackets where it may be left out.
    keys: what starts it too, as in `actions.Action`."""

    name: str
    argument: str
    summary: str
    choices: Choices = ""
    keys: str = ""

    @property
    def usage(self) -> str:
        """The command as it is typed, `/docs NAME|off`."""
        return f"/{self.name} {self.argument}".rstrip()

    @property
    def argument_needed(self) -> bool:
        """Whether the command means nothing without an argument."""
        return bool(self.argument) and not self.argument.startswith("[")


COMMANDS = (
    SlashCommand("help", "", "commands and keys"),
    SlashCommand("new", "", "start a new conversation", keys="ctrl+n"),
    SlashCommand("open", "[TITLE]", "open another conversation", "conversations"),
    SlashCommand("search", "TEXT", "find text in all conversations"),
    SlashCommand("rename", "[TITLE]", "rename this conversation"),
    SlashCommand("delete", "", "delete this conversation"),
    SlashCommand("retry", "", "write the last reply again, beside the old one"),
    SlashCommand("edit", "", "change your last message, keeping the old one"),
    SlashCommand("copy", "", "copy the last reply"),
    SlashCommand("system", "[TEXT]", "change the system prompt of this conversation"),
    SlashCommand("model", "[NAME]", "chat with another model", "models"),
    SlashCommand("docs", "[NAME|off]", "answer from a document library", "libraries"),
    SlashCommand("library", "[NAME]", "look into a document library: passages, and why one is found", "libraries"),
    SlashCommand("source", "[NUMBER]", "open a source of the last reply, at its page or line"),
    SlashCommand("adapter", "[NAME[:SCALE]|off]", "apply a fine-tuned adapter", "adapters"),
    SlashCommand("tools", "[on|off|FOLDER]", "let the assistant use tools, file tools inside FOLDER", "tools"),
    SlashCommand("mcp", "[NAME|off]", "use the tools of an MCP server; alone, list the servers", "servers"),
    SlashCommand("allow", "TOOL", "let a tool run without asking in this conversation", "tool"),
    SlashCommand("trace", "", "what happened behind the last reply: calls, approvals, results"),
    SlashCommand("traces", "", "the runs that used tools, of all conversations"),
    SlashCommand("train", "[CONFIG.toml]", "fine-tune the model; alone, look at the runs", "configs"),
    SlashCommand("data", "FILE", "look at training data as the model is trained on it", "data"),
    SlashCommand("story", "[NAME]", "write a story", "stories"),
    SlashCommand("export", "FILE", "save this conversation as .md or .json"),
    SlashCommand("import", "FILE", "bring in a conversation saved as .json"),
    SlashCommand("theme", "[dark|light]", "change the colours", "themes"),
    SlashCommand("quit", "", "leave"),
)


@dataclass(frozen=True)
class Completion:
    """One line of the dropdown: what is shown, what it means, and the prompt's text once it is taken.

    `final` says that nothing more is needed, so that Enter may run the line at once.
    """

    label: str
    summary: str
    line: str
    final: bool


class UnknownCommand(FiresideError):
    """A line begins with a slash, but no command has that name."""


def is_command(text: str) -> bool:
    """Whether `text` is meant as a command: one line, a slash, a letter. A path such as `/etc/hosts is...` is not."""
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    return "\n" not in text.strip() and first.startswith("/") and first[1:].isalpha()


def parse(line: str) -> tuple[SlashCommand, str]:
    """The command of `line` and its argument, stripped.

    Raises UnknownCommand with the nearest match, and FiresideError where a needed argument is missing.
    """
    name, _, argument = line.strip().removeprefix("/").partition(" ")
    command = next((command for command in COMMANDS if command.name == name.lower()), None)
    if command is None:
        close = difflib.get_close_matches(name.lower(), [command.name for command in COMMANDS], n=1, cutoff=0.5)
        raise UnknownCommand(
            f"there is no command /{name}", f"did you mean /{close[0]}?" if close else "/help lists the commands"
        )
    argument = argument.strip()
    if command.argument_needed and not argument:
        raise FiresideError(f"/{command.name} needs an argument", f"write {command.usage}")
    return command, argument


def complete(text: str, choices: Callable[[Choices], Sequence[str]]) -> list[Completion]:
    """What could follow in a prompt that holds `text`: commands while the name is typed, then their arguments.

    `choices` names what an argument may be. Names that begin as typed come first, then those that contain it.
    """
    if not text.startswith("/") or "\n" in text:
        return []
    name, space, typed = text[1:].partition(" ")
    if not space:
        return [
            Completion(
                command.usage,
                command.summary,
                f"/{command.name}" + (" " if command.argument else ""),
                final=not command.argument_needed,
            )
            for command in COMMANDS
            if command.name.startswith(name.lower())
        ]
    command = next((command for command in COMMANDS if command.name == name.lower()), None)
    if command is None or not command.choices:
        return []
    offered = choices(command.choices)
    begins = [choice for choice in offered if choice.lower().startswith(typed.lower())]
    contains = [choice for choice in offered if typed.lower() in choice.lower() and choice not in begins]
    found = [choice for choice in begins + contains if choice != typed]
    return [Completion(choice, "", f"/{command.name} {choice}", final=True) for choice in found]
