"""Tide tables for a small harbour: when the water is high, how high it is, and when a boat may leave."""

from dataclasses import dataclass
from math import cos, pi

LUNAR_DAY_HOURS = 24.84


@dataclass(frozen=True)
class Harbour:
    name: str
    mean_depth_m: float
    tidal_range_m: float
    high_water_hour: float

    def depth_at(self, hour: float) -> float:
        """Depth at the quay, in metres; two high waters in a lunar day."""
        phase = 4 * pi * (hour - self.high_water_hour) / LUNAR_DAY_HOURS
        return self.mean_depth_m + self.tidal_range_m / 2 * cos(phase)


@dataclass(frozen=True)
class Boat:
    name: str
    draught_m: float
    clearance_m: float = 0.5

    def needs(self) -> float:
        return self.draught_m + self.clearance_m


def hours_afloat(harbour: Harbour, boat: Boat, step: float = 0.25) -> list[float]:
    """Hours of the day at which the boat may leave the harbour."""
    steps = int(24 / step)
    hours = [step * i for i in range(steps)]
    return [hour for hour in hours if harbour.depth_at(hour) >= boat.needs()]


def timetable(harbour: Harbour, boats: list[Boat]) -> dict[str, list[float]]:
    return {boat.name: hours_afloat(harbour, boat) for boat in boats}


old_harbour = Harbour("Old Harbour", mean_depth_m=2.4, tidal_range_m=3.1, high_water_hour=5.2)
boats = [Boat("Kittiwake", draught_m=1.9), Boat("Sandpiper", draught_m=0.8), Boat("Cormorant", draught_m=2.6)]

for name, hours in timetable(old_harbour, boats).items():
    first = f"{hours[0]:.2f}" if hours else "never"
    print(f"{name}: {len(hours)} times, first at {first}")
