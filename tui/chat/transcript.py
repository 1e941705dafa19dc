"""The transcript: a window of the conversation's messages that moves with the person, and the live reply."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.geometry import Region, Size
from textual.layout import DockArrangeResult
from textual.scrollbar import ScrollBar
from textual.widget import Widget

from tui.chat.gap import NEAR_END, Gap, Placed, WindowLayout, guessed_lines
from tui.chat.welcome import Welcome

if TYPE_CHECKING:  # no message is shown in the first frame
    from fireside.conversations.types import StoredMessage
    from tui.chat.message import MessageView
    from tui.chat.reply import LiveReply

STEP = 8
"""Messages mounted at once: so many are drawn within a frame."""
KEPT = 3
"""Screens from what is in view beyond which messages are not kept mounted."""


class Transcript(VerticalScroll, can_focus=False):
    """Shows messages and follows the end until the person scrolls up.

    Only a window of the messages is mounted, some screens around what is in view: the cost of a frame grows with all
    that is mounted. Where the person reads, the topmost message keeps its place whatever changes above it.
    """

    def __init__(self, model: Callable[[], str]) -> None:
        """`model` gives the name of the model that is chatted with."""
        super().__init__(id="transcript")
        self._model = model
        self._placed: list[Placed] = []
        self._first = self._end = 0
        self._above, self._below = Gap(), Gap()
        self._changing = asyncio.Lock()
        self._look_again = False
        self._held: tuple[Widget, int] | None = None
        """The message that keeps its place, and its first line's distance from the top of what is in view."""
        self._arranged: dict[Widget, Region] = {}
        self._arranged_window = (0, 0)
        self.live: LiveReply | None = None

    def compose(self) -> ComposeResult:
        """A new conversation."""
        yield Welcome(self._model)

    def on_mount(self) -> None:
        """Follow the end as text arrives."""
        self.styles.inline.set_rule("layout", WindowLayout())  # by name, only layouts of Textual's own can be set
        self.anchor()

    # What is shown

    async def show(self, placed: Sequence[Placed]) -> None:
        """Replace everything by these messages, or by the welcome where there are none."""
        async with self._changing:
            self.live = None
            self._placed = list(placed)
            self._end = len(placed)
            self._first = max(0, self._end - STEP)
            self._held = None
            self._above, self._below = Gap(), Gap()
            self._above.stand_for(guessed_lines(self._placed[: self._first], self.size.width))
            with self.app.batch_update():
                await self.remove_children()
                await self.mount_all(
                    [self._above, *self._shown_of(self._first, self._end), self._below]
                    if placed
                    else [Welcome(self._model)]
                )
            self.anchor()
        # What was just read stays as long as it is shown: the collector need not walk it (0.2 s of 5,000 messages).
        gc.freeze()
        self.call_after_refresh(self._look)

    def show_welcome(self) -> None:
        """The model has changed; an empty conversation says so."""
        for each in self.query(Welcome):
            each.show()

    async def add(self, message: StoredMessage, place: tuple[int, int]) -> None:
        """Add a message at the end, and show the end."""
        if not self._placed:
            await self.show([(message, place)])
            return
        async with self._changing:
            with self.app.batch_update():
                await self._append((message, place))
        await self.show_end()

    async def begin_reply(self) -> LiveReply:
        """Mount the widget for the reply that is about to be written."""
        if not self._placed:
            await self.remove_children()
        from tui.chat.reply import LiveReply

        self.live = LiveReply()
        await self.mount(self.live)
        self.anchor()
        return self.live

    async def finish_reply(self, message: StoredMessage, place: tuple[int, int]) -> None:
        """Put the finished message in the live widget's place."""
        async with self._changing:
            live, self.live = self.live, None
            with self.app.batch_update():
                if not self._placed:
                    await self.mount_all([self._above, self._below])
                await self._append((message, place))
                if live is not None:
                    await live.remove()

    async def show_earlier(self) -> None:
        """Mount another stretch of earlier messages above, keeping what is in view where it is."""
        async with self._changing:
            await self._mount_above(STEP)

    async def show_end(self) -> None:
        """Go to the last message."""
        if self._end < len(self._placed):
            async with self._changing:
                await self._move_to(len(self._placed))
        self.anchor()
        self.call_after_refresh(self._look)

    async def reveal(self, message_id: int) -> MessageView | None:
        """Go to a message of this conversation's path, at the top of what is in view; None where it is not there."""
        found = next((index for index, (message, _) in enumerate(self._placed) if message.id == message_id), None)
        if found is None:
            return None
        async with self._changing:
            if not self._first <= found < self._end:
                await self._move_to(found)
            view = self.views[found - self._first]
            self.release_anchor()
            self._held = (view, 0)
            self.refresh(layout=True)
        self.call_after_refresh(self._look)
        return view

    @property
    def views(self) -> list[MessageView]:
        """The mounted messages, in order."""
        if not self._placed:
            return []
        from tui.chat.message import MessageView

        return list(self.query_children(MessageView))

    def beside(self, view: MessageView, step: int) -> MessageView | None:
        """The message `step` places below (or, negative, above) `view` among the mounted ones."""
        views = self.views
        if view not in views:
            return None
        place = views.index(view) + step
        return views[place] if 0 <= place < len(views) else None

    # Where the person reads

    def arrange(self, size: Size, optimal: bool = False) -> DockArrangeResult:
        """Place the messages, and scroll so that the held one stays where it is."""
        arranged = super().arrange(size, optimal)
        if optimal:
            return arranged
        self._arranged = {placement.widget: placement.region for placement in arranged.placements}
        moved, self._arranged_window = self._arranged_window, (self._first, self._end)
        if moved != self._arranged_window or (self._follows_end and self._end < len(self._placed)):
            self.call_after_refresh(self._look)
        if self._held is not None and self._held[0] in self._arranged and not self._follows_end:
            lines = arranged.total_region.bottom - size.height
            y = max(0, min(self._arranged[self._held[0]].y - self._held[1], lines))
            if y != self.scroll_y:
                # As the compositor does for an anchor, before anything is drawn.
                self.set_reactive(Widget.scroll_y, y)
                self.set_reactive(Widget.scroll_target_y, y)
                self.vertical_scrollbar.set_reactive(ScrollBar.position, y)
        return arranged

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Hold what is at the top now; mount what comes near, and let the reply go on at the end."""
        super().watch_scroll_y(old_value, new_value)
        self._held = None
        for view in self.views:
            region = self._arranged.get(view)
            if region is not None and region.bottom > new_value:
                self._held = (view, round(region.y - new_value))
                break
        if self.live is not None and self.max_scroll_y - new_value <= NEAR_END:
            self.live.draw_held()
        self._look()

    def on_resize(self) -> None:
        """More may be in view."""
        self.call_after_refresh(self._look)

    def on_descendant_focus(self) -> None:
        """A key may have gone to the last mounted message."""
        self.call_after_refresh(self._look)

    def scroll_page_up(self, **how: Any) -> None:
        """At once: a page is counted from where the person is, not from where the layout will have moved them."""
        self.scroll_to(y=self.scroll_y - self._page, animate=False, immediate=True)

    def scroll_page_down(self, **how: Any) -> None:
        """At once."""
        self.scroll_to(y=self.scroll_y + self._page, animate=False, immediate=True)
        self._check_anchor()

    @property
    def _page(self) -> int:
        return max(1, self.scrollable_content_region.height - 1)

    @property
    def _follows_end(self) -> bool:
        return self.is_anchored and not self._anchor_released

    # The window

    def _look(self) -> None:
        """Change the window where what is in view comes near its edge."""
        if self._changing.locked():
            self._look_again = True
        elif self._placed and self._wanted() is not None:
            self.run_worker(self._change(), group="window")

    def _wanted(self) -> str | None:
        """What the window needs: to move, or to be mounted further up or down; None where it is right."""
        views, height = self.views, self.size.height
        if not height or self._arranged_window != (self._first, self._end):
            return None  # it is looked again when the messages have been placed
        top = self.scroll_y
        first = self._arranged.get(self._above)
        last = self._arranged.get(self._below)
        if first is None or last is None or not views:
            return None
        above, below = first.bottom, last.bottom - self._below.lines
        if self._follows_end:
            if self._end < len(self._placed):
                return "end"
            top = max(above, below - height)
        if (self._first and top + height <= above) or (self._end < len(self._placed) and top >= below):
            return "jump"
        if self._first and top - height < above:
            return "up"
        if self._end < len(self._placed) and top + 2 * height > below:
            return "down"
        return None

    async def _change(self) -> None:
        async with self._changing:
            if self.app.animator.is_being_animated(self, "scroll_y"):
                self.set_timer(0.05, self._look)
                return
            wanted = self._wanted()
            with self.app.batch_update():
                if wanted == "up":
                    await self._mount_above(STEP)
                    await self._prune_below()
                elif wanted == "down":
                    await self._mount_below(STEP)
                    await self._prune_above()
                elif wanted == "end":
                    await self._move_to(len(self._placed))
                elif wanted == "jump":
                    await self._jump()
        if wanted is not None or self._look_again:
            self._look_again = False
            self.call_after_refresh(self._look)

    def _shown_of(self, first: int, end: int) -> list[MessageView]:
        from tui.chat.message import MessageView

        return [MessageView(message, place) for message, place in self._placed[first:end]]

    async def _append(self, placed: Placed) -> None:
        """A message behind the last one; mounted where that is."""
        at_end = self._end == len(self._placed)
        self._placed.append(placed)
        if at_end:
            self._end += 1
            await self.mount_all(self._shown_of(self._end - 1, self._end), before=self._below)
        else:
            self._below.stand_for(self._below.lines + guessed_lines([placed], self.size.width))

    async def _mount_above(self, count: int) -> None:
        first = max(0, self._first - count)
        if first == self._first:
            return
        views = self._shown_of(first, self._first)
        self._above.stand_for(self._above.lines * first / self._first)
        self._first = first
        await self.mount_all(views, after=self._above)

    async def _mount_below(self, count: int) -> None:
        end = min(len(self._placed), self._end + count)
        if end == self._end:
            return
        views = self._shown_of(self._end, end)
        left = len(self._placed) - self._end
        self._below.stand_for(self._below.lines * (len(self._placed) - end) / left)
        self._end = end
        await self.mount_all(views, before=self._below)

    async def _prune_above(self) -> None:
        gone = [view for view in self.views if self._bottom(view) < self.scroll_y - KEPT * self.size.height]
        if len(gone) >= STEP:
            self._above.stand_for(self._above.lines + self._height(gone))
            self._first += len(gone)
            await self._unmount(gone)

    async def _prune_below(self) -> None:
        lowest = self.scroll_y + (1 + KEPT) * self.size.height
        gone = [view for view in self.views if (region := self._arranged.get(view)) and region.y > lowest]
        if len(gone) >= STEP:
            self._below.stand_for(self._below.lines + self._height(gone))
            self._end -= len(gone)
            await self._unmount(gone)

    async def _unmount(self, gone: list[MessageView]) -> None:
        focused = self.screen.focused
        if focused in gone:
            left = [view for view in self.views if view not in gone]
            nearest = left[0] if gone[0] is self.views[0] else left[-1]
            self.screen.set_focus(nearest, scroll_visible=False)
        await self.remove_children(gone)

    async def _jump(self) -> None:
        """The person has gone to where nothing is mounted: go to the message that should be there."""
        if self.scroll_y < self._arranged[self._above].bottom:
            index = int(self._first * self.scroll_y / max(1, self._above.lines))
        else:
            into = self.scroll_y - self._arranged[self._below].bottom + self._below.lines
            index = self._end + int((len(self._placed) - self._end) * into / max(1, self._below.lines))
        await self._move_to(min(index, len(self._placed) - 1))
        self._held = (self.views[min(index, self._end - 1) - self._first], 0)

    async def _move_to(self, index: int) -> None:
        """Mount the messages around one instead of those that are."""
        old = self.views
        lines = self._above.lines + self._height(old) + self._below.lines
        self._first, self._end = max(0, index - STEP), min(len(self._placed), index + STEP)
        views = self._shown_of(self._first, self._end)
        mounted = guessed_lines(self._placed[self._first : self._end], self.size.width)
        others = max(1, len(self._placed) - len(views))
        left = max(0.0, lines - mounted)
        self._above.stand_for(left * self._first / others)
        self._below.stand_for(left * (len(self._placed) - self._end) / others)
        with self.app.batch_update():
            await self.remove_children(old)
            await self.mount_all(views, after=self._above)

    def _bottom(self, view: Widget) -> int:
        region = self._arranged.get(view)
        return region.bottom if region is not None else round(self.scroll_y)

    def _height(self, views: Sequence[Widget]) -> int:
        """The lines that these take, with the empty one below each."""
        return sum(region.height + 1 for view in views if (region := self._arranged.get(view)) is not None)
