"""What a key may do, by name: how the table of actions becomes Textual's bindings, and a person's keys a keymap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from textual.binding import Binding, BindingType
from textual.keys import KEY_NAME_REPLACEMENTS, Keys, key_to_character

from fireside.errors import SettingsError, did_you_mean

_UNICODE_NAMES = {textuals: unicodes for unicodes, textuals in KEY_NAME_REPLACEMENTS.items()}


@dataclass(frozen=True)
class Action:
    """One action. `name` is WHERE.VERB, and what the settings' table `keys` calls it.

    keys: what starts it, separated by commas; empty for none until the person names one. act: Textual's action on the
    widget or screen that `where` stands for. first: before the focused widget sees the key. footer: named in the
    footer of screens that have one, under `shown_key` where that is shorter.
    """

    name: str
    keys: str
    act: str
    summary: str
    first: bool = False
    footer: bool = True
    shown_key: str | None = None

    @property
    def where(self) -> str:
        """The screen or widget it belongs to."""
        return self.name.partition(".")[0]


def bindings(where: str) -> list[BindingType]:
    """The bindings of a screen or widget: the actions of the table whose names begin with `where`."""
    from tui.action_table import ACTIONS

    found: list[BindingType] = [_binding(action) for action in ACTIONS if action.where == where]
    if not found:
        raise LookupError(f"no action belongs to {where!r}")
    return found


def keymap(keys: Mapping[str, str]) -> dict[str, str]:
    """The person's keys by action, as `App.set_keymap` takes them.

    Raises SettingsError for an action there is not, a key that no terminal sends, and a key that two actions of one
    place would share.
    """
    from tui.action_table import ACTIONS

    known = {action.name: action for action in ACTIONS}
    for name, written in keys.items():
        if name not in known:
            raise SettingsError(f"keys: there is no action {name}", did_you_mean(name, sorted(known), "F1 names them"))
        for key in written.split(","):
            if not _is_key(key.strip()):
                raise SettingsError(
                    f"keys: {key.strip() or 'nothing'} (for {name}) is not a key",
                    "write it as in ctrl+r, alt+up, f5, escape or a letter; commas between several",
                )
    taken: dict[tuple[str, str], str] = {}
    for action in ACTIONS:
        for key in keys.get(action.name, action.keys).replace(" ", "").split(","):
            other = taken.setdefault((action.where, key), action.name)
            # Two that share a key from the start are told apart by what is going on.
            chosen = [name for name in (action.name, other) if key not in known[name].keys.split(",")]
            if key and other != action.name and chosen:
                raise SettingsError(
                    f"keys: {key} would mean both {other} and {action.name}",
                    f"give one of them another key: {chosen[0]}",
                )
    return {name: written.replace(" ", "") for name, written in keys.items()}


def written_keys(keys: Iterable[str]) -> str:
    """Keys as a person writes them: `Ctrl+R, F5`."""
    return ", ".join(_written_key(key.strip().split("+")) for key in keys)


def _written_key(parts: Sequence[str]) -> str:
    """A letter stands alone as it is typed, and large behind Ctrl or Alt; signs stand for themselves."""
    last = key_to_character(_UNICODE_NAMES.get(parts[-1], parts[-1])) if len(parts[-1]) > 1 else None
    named = last if last is not None and last.isprintable() and last != " " else parts[-1].capitalize()
    return "+".join(
        [*(part.capitalize() for part in parts[:-1]), parts[-1] if len(parts) == 1 == len(parts[-1]) else named]
    )


def key_of(name: str, keys: Mapping[str, str]) -> str:
    """The first key of the action `name` as a person writes it, by the person's `keys`; empty where it has none."""
    from tui.action_table import ACTIONS

    action = next(action for action in ACTIONS if action.name == name)
    return written_keys([keys.get(name, action.keys).split(",")[0]])


def _binding(action: Action) -> Binding:
    # An action without a key is bound to a name that no key has, so that a keymap can give it one.
    keys = action.keys or f"no_key_{action.name.replace('.', '_')}"
    return Binding(
        keys,
        action.act,
        action.summary,
        show=action.footer and bool(action.keys),
        key_display=action.shown_key,
        priority=action.first,
        id=action.name,
    )


def _is_key(key: str) -> bool:
    """Whether a terminal can send `key`: a named key or a character, with ctrl, alt or shift before it."""
    *modifiers, last = key.split("+")
    if any(modifier not in ("ctrl", "alt", "shift", "super") for modifier in modifiers):
        return False
    named = {each.value for each in Keys} | set(KEY_NAME_REPLACEMENTS.values())
    return last in named or key_to_character(last) is not None
