"""A small stochastic SEIR model: a whole epidemic in one file, with nothing but Python.

    python3 Assets/seir.py --config config.json

Everybody is susceptible (S), exposed (E: infected, not yet infectious), infectious (I) or recovered (R, immune for
good). In every step of `dt` days each susceptible person escapes infection, independently of the others, with
probability exp(-force), and each infectious person stays infectious with probability exp(-dt / D). So the people who
move are binomial draws:

    infections ~ Binomial(S, 1 - exp(-force))      force = beta * I * w / N
    recoveries ~ Binomial(I, 1 - exp(-dt / D))     w = D * (1 - exp(-dt / D))

    beta   Base_Infectivity_Constant: infectious contacts per person and day
    D      Infectious_Period_Exponential: mean days of infectiousness
    w      the days that somebody who is infectious at the start of a step can expect to be so within it; summed over
           all steps they make D, so that the basic reproduction number is beta * D whatever the step

The exposed become infectious after exactly Incubation_Period_Constant days, or after an exponential time when
Incubation_Period_Exponential is given in its place. In the first step Initial_Infected_Fraction of the population is
infected from outside; Run_Number is the seed of the random numbers, so that the same configuration gives the same
epidemic.

This is the chain-binomial idea of Lowell Reed and Wade Frost (lectures at Johns Hopkins from 1928; described by Helen
Abbey, "An examination of the Reed-Frost theory of epidemics", Human Biology 24, 1952), with incubation and recovery
added. Its expected course obeys the final-size equation of Kermack and McKendrick (1927):

    S_end = S_start * exp(-beta * D * (N - S_end) / N)

The names of the parameters and the shape of `output/InsetChart.json` are EMOD's (https://docs.idmod.org), so that
what reads the one reads the other.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

VERSION = "acomps SEIR 1.0"
MAX_STEPS = 1_000_000


class BadConfig(Exception):
    """The configuration cannot be simulated; the text is the sentence for the user."""


class Bounds(NamedTuple):
    """What a parameter is when it is not given, and what it may be."""

    default: float
    low: float
    high: float
    whole: bool = False
    above_low: bool = False

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        low = f"more than {self.low:g}" if self.above_low else f"at least {self.low:g}"
        return f"{kind}, {low} and at most {self.high:g}"

    def hold(self, value: float) -> bool:
        """Whether `value` may be given."""
        return self.low <= value <= self.high and not (self.above_low and value == self.low)


PARAMETERS = {
    "Base_Infectivity_Constant": Bounds(0.6, 0, 1e6),
    "Incubation_Period_Constant": Bounds(1, 0, 1e6),
    "Incubation_Period_Exponential": Bounds(1, 0, 1e6, above_low=True),
    "Infectious_Period_Exponential": Bounds(4, 0, 1e6, above_low=True),
    "Initial_Population": Bounds(1000, 1, 1e8, whole=True),
    "Initial_Infected_Fraction": Bounds(0.05, 0, 1),
    "Run_Number": Bounds(1, 0, 2**63 - 1, whole=True),
    "Simulation_Duration": Bounds(365, 0, 1e6, above_low=True),
    "Simulation_Timestep": Bounds(1, 0, 1e6, above_low=True),
}


class Parameters(NamedTuple):
    """What one simulation is made of; periods and steps in days."""

    infectivity: float
    incubation: float
    constant_incubation: bool
    infectious: float
    population: int
    infected_fraction: float
    run_number: int
    timestep: float
    timesteps: int


class State(NamedTuple):
    """Where everybody is at the end of a step, and how many were infected in it."""

    susceptible: int
    exposed: int
    infectious: int
    recovered: int
    new_infections: int


# ---- the epidemic


def binomial(rng: random.Random, n: int, p: float) -> int:
    """How many of `n` independent trials succeed, each with probability `p`.

    Draws the gaps between successes, which are geometric (Devroye, "Non-Uniform Random Variate Generation", 1986,
    X.4.3): one random number per success rather than per trial, so a whole epidemic costs two per case.
    """
    if n <= 0 or p <= 0.0:
        return 0
    if p > 0.5:
        return n - binomial(rng, n, 1.0 - p)
    log_failure = math.log1p(-p)
    successes, trials_left = 0, n
    while True:
        failures = math.log(1.0 - rng.random()) / log_failure
        if failures >= trials_left:
            return successes
        trials_left -= int(failures) + 1
        successes += 1


class ConstantIncubation:
    """The exposed, one cohort per step: each becomes infectious when its time is over."""

    def __init__(self, steps: int) -> None:
        self._cohorts = deque([0] * steps)

    def step(self, infected: int) -> int:
        """Take in the newly infected; how many become infectious at the end of this step."""
        self._cohorts.append(infected)
        return self._cohorts.popleft()


class ExponentialIncubation:
    """The exposed, who all have the same chance to become infectious in a step."""

    def __init__(self, rng: random.Random, chance: float) -> None:
        self._rng = rng
        self._chance = chance
        self._exposed = 0

    def step(self, infected: int) -> int:
        """Take in the newly infected; how many become infectious at the end of this step."""
        ready = binomial(self._rng, self._exposed, self._chance)
        self._exposed += infected - ready
        return ready


def simulate(given: Parameters) -> Iterator[State]:
    """The state of the population at the end of each step; infection comes from outside in the first."""
    rng = random.Random(given.run_number)
    dt, n = given.timestep, given.population
    recovery_chance = -math.expm1(-dt / given.infectious)
    infectious_days = given.infectious * recovery_chance
    incubation = (
        ConstantIncubation(round(min(given.incubation / dt, given.timesteps)))
        if given.constant_incubation
        else ExponentialIncubation(rng, -math.expm1(-dt / given.incubation))
    )
    s, e, i, r = n, 0, 0, 0
    for step in range(given.timesteps):
        if step == 0:
            infections, recoveries = round(n * given.infected_fraction), 0
        else:
            force = given.infectivity * i * infectious_days / n
            infections = binomial(rng, s, -math.expm1(-force))
            recoveries = binomial(rng, i, recovery_chance)
        ready = incubation.step(infections)
        s, e, i, r = s - infections, e + infections - ready, i + ready - recoveries, r + recoveries
        yield State(s, e, i, r, infections)


# ---- the configuration


def parameters(config: object) -> Parameters:
    """The parameters in a configuration, checked; what is not given has its default."""
    given = config.get("parameters") if is_object(config) else None
    if not is_object(given):
        raise BadConfig('the configuration must be a JSON object with an object "parameters" in it')
    if {"Incubation_Period_Constant", "Incubation_Period_Exponential"} <= given.keys():
        raise BadConfig("Incubation_Period_Constant and Incubation_Period_Exponential exclude each other: give one")
    value = {name: bounds.default for name, bounds in PARAMETERS.items()}
    value.update({name: checked(name, given[name]) for name in given})
    steps = value["Simulation_Duration"] / value["Simulation_Timestep"]
    if steps > MAX_STEPS:
        raise BadConfig(f"Simulation_Duration / Simulation_Timestep makes {steps:g} steps; the most is {MAX_STEPS}")
    constant = "Incubation_Period_Exponential" not in given
    return Parameters(
        infectivity=value["Base_Infectivity_Constant"],
        incubation=value["Incubation_Period_Constant" if constant else "Incubation_Period_Exponential"],
        constant_incubation=constant,
        infectious=value["Infectious_Period_Exponential"],
        population=int(value["Initial_Population"]),
        infected_fraction=value["Initial_Infected_Fraction"],
        run_number=int(value["Run_Number"]),
        timestep=value["Simulation_Timestep"],
        timesteps=math.ceil(steps),
    )


def checked(name: str, value: object) -> float:
    """The value of the parameter `name`, if it is one that the model can take."""
    if name not in PARAMETERS:
        raise BadConfig(f"{name} is no parameter of this model; it has {', '.join(PARAMETERS)}")
    bounds = PARAMETERS[name]
    kinds = int if bounds.whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not bounds.hold(value):
        raise BadConfig(f"{name} is {json.dumps(value)}; it must be {bounds}")
    return value


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


# ---- the files


def inset_chart(given: Parameters, course: Iterable[State]) -> dict[str, object]:
    """The course of the epidemic in the shape of EMOD's InsetChart.json: populations as fractions, cases as counts."""
    n = given.population
    states = list(course)
    channels = {
        "Exposed Population": ("Exposed Fraction", [state.exposed / n for state in states]),
        "Infected": ("Infected Fraction", [(state.exposed + state.infectious) / n for state in states]),
        "Infectious Population": ("Infectious Fraction", [state.infectious / n for state in states]),
        "New Infections": ("", [state.new_infections for state in states]),
        "Recovered Population": ("Recovered (Immune) Fraction", [state.recovered / n for state in states]),
        "Statistical Population": ("Population", [n] * len(states)),
        "Susceptible Population": ("Susceptible Fraction", [state.susceptible / n for state in states]),
    }
    return {
        "Header": {
            "DateTime": time.asctime(),
            "DTK_Version": VERSION,
            "Report_Type": "InsetChart",
            "Report_Version": "3.2",
            "Start_Time": 0,
            "Simulation_Timestep": given.timestep,
            "Timesteps": len(states),
            "Channels": len(channels),
        },
        "Channels": {name: {"Units": units, "Data": data} for name, (units, data) in channels.items()},
    }


def publish(target: Path, text: str) -> None:
    """Write beside the target, then rename: nobody ever sees half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)


def run(config_path: Path, folder: Path) -> None:
    """Simulate what the configuration says and leave `output/InsetChart.json` and `status.txt` in the folder."""
    started = time.monotonic()
    given = parameters(json.loads(config_path.read_bytes()))
    publish(folder / "output" / "InsetChart.json", json.dumps(inset_chart(given, simulate(given))))
    took = f"{time.monotonic() - started:.3f} s"
    publish(folder / "status.txt", f"{given.timesteps} of {given.timesteps} steps complete.\nDone - {took}\n")


def main() -> int:
    """Run in the current folder; a configuration that cannot be simulated is one sentence and exit code 1."""
    cli = argparse.ArgumentParser(description="A small stochastic SEIR model.")
    cli.add_argument("--config", type=Path, default=Path("config.json"), help="the JSON configuration")
    config_path: Path = cli.parse_args().config
    try:
        run(config_path, Path())
    except (OSError, ValueError, BadConfig) as error:
        print(f"{Path(__file__).name}: {config_path}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
