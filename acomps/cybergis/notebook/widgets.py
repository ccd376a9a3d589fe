"""The widgets of a notebook with the types that ipywidgets does not declare, and text that is safe in its HTML."""

from __future__ import annotations

import html
import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "WIDE",
    "Box",
    "Button",
    "Choice",
    "Entry",
    "Number",
    "Switch",
    "Tabs",
    "Text",
    "Widget",
    "accordion",
    "button",
    "choice",
    "column",
    "entry",
    "note",
    "number",
    "row",
    "show",
    "styles",
    "switch",
    "tabs",
    "text",
]

# Loaded by name, for it has no types: the protocols below say what is used of it.
_kit = importlib.import_module("ipywidgets")

#: How wide the labels are.
WIDE: Final[Mapping[str, str]] = MappingProxyType({"description_width": "180px"})
_WIDTH: Final = "60%"
_CLASS: Final = "acomps-cybergis"


class Widget(Protocol):
    """Anything that can be shown."""

    def observe(self, handler: Callable[[object], None], names: str) -> None:
        """Call `handler` when the attribute of this name changes."""
        ...


class Text(Widget, Protocol):
    """Text that the user cannot change, as HTML."""

    value: str


class Button(Widget, Protocol):
    """Something to click."""

    description: str
    disabled: bool

    def on_click(self, callback: Callable[[object], None]) -> None:
        """Call `callback` for each click."""
        ...

    def click(self) -> None:
        """Click it."""
        ...


class Choice(Widget, Protocol):
    """One of several texts."""

    options: Sequence[str]
    value: str | None
    disabled: bool


class Number(Widget, Protocol):
    """An integer within limits."""

    value: int
    min: int
    max: int
    step: int
    description: str


class Entry(Widget, Protocol):
    """A line of text."""

    value: str
    disabled: bool


class Switch(Widget, Protocol):
    """Yes or no."""

    value: bool


class Box(Widget, Protocol):
    """Several widgets."""

    children: Sequence[Widget]


class Tabs(Box, Protocol):
    """Several widgets, one of them in sight."""

    selected_index: int | None
    titles: Sequence[str]


def text(value: str = "") -> Text:
    """HTML as it is: whatever comes from a server goes through `note` or a Table."""
    made: Text = _kit.HTML(value=value)
    return made


def note(message: str, *, bad: bool = False) -> str:
    """A message as HTML, whatever is in it."""
    return f'<span style="color:{"#b00020" if bad else "inherit"}">{html.escape(message)}</span>'


def button(label: str, on_click: Callable[[], None], *, main: bool = False) -> Button:
    """A button."""
    made: Button = _kit.Button(description=label, button_style="primary" if main else "")
    made.on_click(lambda _event: on_click())
    return made


def choice(
    label: str, options: Sequence[str], value: str | None, on_change: Callable[[], None] | None = None
) -> Choice:
    """A dropdown; a value that is no option is the first one."""
    chosen = value if value in options else next(iter(options), None)
    made: Choice = _kit.Dropdown(
        description=label, options=list(options), value=chosen, style=dict(WIDE), layout=_kit.Layout(width=_WIDTH)
    )
    if on_change is not None:
        made.observe(lambda _change: on_change(), names="value")
    return made


def number(label: str, value: int, lowest: int, highest: int, step: int) -> Number:
    """A slider."""
    made: Number = _kit.IntSlider(
        description=label,
        value=value,
        min=lowest,
        max=highest,
        step=step,
        style=dict(WIDE),
        layout=_kit.Layout(width=_WIDTH),
    )
    return made


def entry(label: str, value: str = "", *, hidden: bool = False, options: Sequence[str] = ()) -> Entry:
    """A line to type in, with suggestions; what is typed into a hidden one is not shown."""
    kind = _kit.Password if hidden else _kit.Combobox if options else _kit.Text
    more = {"options": list(options)} if options else {}
    made: Entry = kind(description=label, value=value, style=dict(WIDE), layout=_kit.Layout(width=_WIDTH), **more)
    return made


def switch(label: str, on_change: Callable[[], None] | None = None) -> Switch:
    """A check box, off at first."""
    made: Switch = _kit.Checkbox(description=label, value=False, indent=False)
    if on_change is not None:
        made.observe(lambda _change: on_change(), names="value")
    return made


def column(children: Sequence[Widget] = ()) -> Box:
    """Widgets below one another."""
    made: Box = _kit.VBox(list(children))
    return made


def row(children: Sequence[Widget]) -> Box:
    """Widgets beside one another."""
    made: Box = _kit.HBox(list(children))
    return made


def accordion(titles: Mapping[str, Widget]) -> Tabs:
    """Widgets that can be folded, the first one open."""
    made: Tabs = _kit.Accordion(children=list(titles.values()), titles=list(titles), selected_index=0)
    return made


def tabs(titles: Mapping[str, Widget]) -> Tabs:
    """Widgets of which one is in sight."""
    made = _kit.Tab(children=list(titles.values()), titles=list(titles), selected_index=0)
    made.add_class(_CLASS)
    shown: Tabs = made
    return shown


def styles() -> Text:
    """How wide the titles of tabs are, and where the text of tables stands; to be shown beside them."""
    return text(
        f"<style>.{_CLASS} {{ --jp-widgets-horizontal-tab-width: 190px }}"
        f".{_CLASS} td, .{_CLASS} th {{ text-align: left; padding: 0 8px; vertical-align: top }}</style>"
    )


def show(widget: Widget) -> None:
    """Draw it in the notebook."""
    importlib.import_module("IPython.display").display(widget)
