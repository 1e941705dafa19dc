"""A job in one line: what it does, a bar, how fast, how long still; or how it ended."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
from textual.message import Message
from textual.widgets import Static

from fireside.text import for_terminal_line
from tui.jobs import Job

_LOOK_S = 0.2
_NARROW = 60


class JobLine(Static):
    """Shows the job that it is given, and looks at it again and again; nothing is shown without one."""

    DEFAULT_CSS = "JobLine { height: auto; display: none; }"

    class Ended(Message):
        """The job that was shown running has ended."""

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.job: Job | None = None
        self._ran = False

    def follow(self, job: Job | None) -> None:
        """Show this job from now on."""
        self.job, self._ran = job, job is not None and job.state == "running"
        self.look()

    def on_mount(self) -> None:
        """Look at the job while it runs."""
        self.set_interval(_LOOK_S, self.look)

    def on_resize(self) -> None:
        """The bar is as long as the line."""
        self.look()

    def look(self) -> None:
        """Show the job as it is now."""
        self.display = self.job is not None
        if self.job is not None:
            width = self.content_size.width or self.app.size.width - 4
            self.update(written(self.job, width, self.app.theme_variables))
            if self._ran and self.job.state != "running":
                self._ran = False
                self.post_message(self.Ended())


def written(job: Job, width: int, colours: Mapping[str, str]) -> Text:
    """The line, `width` cells at most where the title allows."""
    title = for_terminal_line(job.title, 40)
    if job.state == "failed" and job.problem is not None:
        said = "; ".join(each for each in (job.problem.message, job.problem.hint) if each)
        return Text(f"✗ {for_terminal_line(said, 400)}", colours["error"])
    if job.state != "running":
        mark, colour = ("✓", "success") if job.state == "done" else ("■", "caution")
        ended = for_terminal_line(job.text, 300) or job.state
        return Text.assemble((f"{mark} ", colours[colour]), (f"{title}: {ended}", colours["foreground"]))
    figures = [] if job.cancelling else _figures(job, width < _NARROW)
    told = "  ".join(["cancelling …"] if job.cancelling else figures)
    cells = width - len(title) - len(told) - 4
    line = Text(f"{title}  ", colours["foreground"])
    if job.total and cells >= 6:
        cells = min(cells, 40)
        full = round(cells * min(job.done / job.total, 1))
        line.append("━" * full, colours["user"]).append("━" * (cells - full) + "  ", colours["faint"])
    return line.append(told, colours["muted"])


def _figures(job: Job, short: bool) -> list[str]:
    """How far it is, in numbers; fewer of them where there is little room."""
    if not job.total:
        return [f"{duration(job.seconds)} …"]
    figures = [f"{min(job.done / job.total, 1):.0%}"]
    if not short:
        figures.append(f"{job.done // job.scale:,} of {job.total // job.scale:,} {job.unit}")
        if rate := job.rate:
            figures.append(f"{rate / job.scale:,.1f} {job.unit}/s")
    if (left := job.seconds_left) is not None:
        figures.append(f"{duration(left)} left")
    return figures


def duration(seconds: float) -> str:
    """`45 s`, `3 min`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
