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
    "tags",
    "personas",
    "parameters",
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
    "compared",
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
    SlashCommand("search", "[TEXT]", "find text in all conversations, while you type", keys="ctrl+f"),
    SlashCommand("find", "[TEXT]", "find text in this conversation"),
    SlashCommand("tree", "", "every branch of this conversation, to go to any message", keys="f3"),
    SlashCommand("rename", "[TITLE]", "rename this conversation"),
    SlashCommand("pin", "", "keep this conversation at the top of the list, or let it go"),
    SlashCommand("archive", "", "take this conversation out of the list, or put it back"),
    SlashCommand("tag", "NAME", "give this conversation a tag, or take it away", "tags"),
    SlashCommand("delete", "", "delete this conversation; /undo brings it back"),
    SlashCommand("retry", "", "write the last reply again, beside the old one"),
    SlashCommand("edit", "", "change your last message, keeping the old one"),
    SlashCommand("continue", "", "write on behind the last reply"),
    SlashCommand("copy", "", "copy the last reply"),
    SlashCommand("code", "", "copy a code block of the last reply"),
    SlashCommand("undo", "", "take back the last deletion, edit in place, removal or move"),
    SlashCommand("system", "[TEXT]", "change the system prompt of this conversation"),
    SlashCommand("persona", "[NAME|off|keep NAME]", "go on as a persona, or keep this chat's setup as one", "personas"),
    SlashCommand("set", "[NAME VALUE]", "change sampling or length in this conversation alone", "parameters"),
    SlashCommand("model", "[NAME]", "chat with another model", "models"),
    SlashCommand("compare", "[MODEL|ADAPTER]", "two replies side by side; alone, with and without adapter", "compared"),
    SlashCommand("models", "", "every model: what fits, details, getting and removing one"),
    SlashCommand("context", "", "what the next prompt is made of, part by part", keys="f2"),
    SlashCommand("docs", "[NAME|off]", "answer from a document library", "libraries"),
    SlashCommand("library", "[NAME]", "look into a document library; add, sync and remove documents", "libraries"),
    SlashCommand("source", "[NUMBER]", "open a source of the last reply, at its page or line"),
    SlashCommand("adapter", "[NAME[:SCALE]+...|off]", "apply fine-tuned adapters", "adapters"),
    SlashCommand("adapters", "", "every adapter and its card; blend several, check one again"),
    SlashCommand("tools", "[on|off|FOLDER]", "look at the tools; switch them on, files in FOLDER", "tools"),
    SlashCommand("mcp", "[NAME|off]", "use the tools of an MCP server; alone, list the servers", "servers"),
    SlashCommand("allow", "TOOL", "let a tool run without asking in this conversation", "tool"),
    SlashCommand("trace", "", "what happened behind the last reply: calls, approvals, results"),
    SlashCommand("traces", "", "the runs that used tools, of all conversations"),
    SlashCommand("plan", "CONFIG.toml", "what a training run takes: memory, time, disk; then start it", "configs"),
    SlashCommand("train", "[CONFIG.toml]", "fine-tune the model; alone, look at the runs", "configs"),
    SlashCommand("evals", "", "results of evaluations, and two of them side by side"),
    SlashCommand("data", "FILE", "look at training data as the model is trained on it", "data"),
    SlashCommand("story", "[NAME]", "write a story", "stories"),
    SlashCommand("export", "FILE", "save this conversation as .md, .html or .json"),
    SlashCommand("import", "FILE", "bring in conversations: Fireside's, ChatGPT's, Ollama's, lists of messages"),
    SlashCommand("settings", "", "look at all settings and change them", keys="f9"),
    SlashCommand("theme", "[NAME]", "change the colours, as in /theme nord", "themes"),
    SlashCommand("tour", "", "five steps through what there is"),
    SlashCommand("quit", "", "leave"),
)


@dataclass(frozen=True)
class Completion:
    """One line of the dropdown: what is shown, what it means, and the prompt's text once it is taken.

    `final` says that nothing more is needed, so that Enter may run the line at once. cursor: how many characters of the
    line stand before the cursor then, None for all.
    """

    label: str
    summary: str
    line: str
    final: bool
    cursor: int | None = None


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
    # What is written whole needs nothing more: Enter must not take another that holds it.
    found = [] if typed in offered else begins + contains
    return [Completion(choice, "", f"/{command.name} {choice}", final=True) for choice in found]
