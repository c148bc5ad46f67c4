# SPDX-License-Identifier: MIT
"""What a suite wants drawn, without saying how."""
from dataclasses import dataclass, field


@dataclass
class Chart:
    """Lines if the xs are numbers, else groups of bars. `series`: name -> list of (x, low, median, high), low and high the quartiles."""

    title: str
    x_label: str
    y_label: str
    series: dict = field(default_factory=dict)
    log_x: bool = False
    log_y: bool = False
    level: float | None = None  # a line across, such as 1.0 where as fast
    note: str = ''  # a sentence below it
