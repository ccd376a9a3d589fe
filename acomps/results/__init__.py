"""From harvested files to knowledge: charts of simulations, a summary, a picture."""

from acomps.results.chart import chart
from acomps.results.errors import UnreadableOutput
from acomps.results.insetchart import Channel, InsetChart, read_inset_chart
from acomps.results.outcome import Outcome
from acomps.results.summary import Summary, summarise, write_summary

__all__ = [
    "Channel",
    "InsetChart",
    "Outcome",
    "Summary",
    "UnreadableOutput",
    "chart",
    "read_inset_chart",
    "summarise",
    "write_summary",
]
