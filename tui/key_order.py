"""Keys of text fields in the order in which they were pressed.

Textual carries out a priority binding at once, before the letters typed ahead of it have reached the field: at a slow
moment, Enter would send a text that lacks its end. So the bindings of a field are looked at by the field itself.
"""

from __future__ import annotations

from textual import events
from textual.widget import Widget


async def act_on_key(field: Widget, event: events.Key) -> bool:
    """Carry out what a key that writes nothing is bound to on `field`, if it is bound there; the event ends then."""
    if event.is_printable:
        return False
    active = field.screen.active_bindings.get(event.key)
    if active is None or active.node is not field or not active.enabled:
        return False
    event.stop()
    event.prevent_default()
    await field.run_action(active.binding.action)
    return True
