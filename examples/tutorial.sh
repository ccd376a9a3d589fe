#!/usr/bin/env bash
# A sweep at the terminal, from the login to the picture, and what failed once more.
# Run it in an empty folder: bash tutorial.sh [SERVER]; without a server it works on the local service.
set -euo pipefail

step() { printf '\n# %s\n' "$*" >&2; }

step "1. Log in. The local service needs no password; others ask for it, or: --username NAME --password-stdin"
acomps login "${1:-local}"
acomps whoami

step "2. A model and its configuration: an epidemic in 30 days; 0 of it is refused, so that something fails"
mkdir -p model
cat > model/epidemic.py <<'PYTHON'
"""How many are infected from day to day, if each infects `rate` others a day and recovers in four days on average."""
import json
import pathlib
import random

parameters = json.loads(pathlib.Path("config.json").read_text())["parameters"]
rate, chance = parameters["Rate"], random.Random(parameters["Run_Number"])
print(f"rate {rate}, run {parameters['Run_Number']}")
if rate <= 0:
    raise SystemExit("the rate must be more than 0")
susceptible, infected, course = 990.0, 10.0, []
for day in range(30):
    course.append(infected)
    new = min(susceptible, rate * infected * susceptible / 1000 * chance.uniform(0.8, 1.2))
    susceptible, infected = susceptible - new, infected + new - infected / 4
pathlib.Path("output").mkdir()
chart = {"Header": {"Timesteps": 30}, "Channels": {"Infected": {"Units": "people", "Data": course}}}
pathlib.Path("output/InsetChart.json").write_text(json.dumps(chart))
PYTHON
echo '{"parameters": {"Rate": 0.5, "Run_Number": 1}}' > config.json

step "3. The sweep: all combinations of rates and runs"
cat > sweep.toml <<'TOML'
name = "tutorial"
tags = { study = "tutorial" }

[configuration]
environment_name = "Local"
executable_path = "python3"
simulation_input_args = "Assets/epidemic.py"

[assets]
folder = "model"

[simulation]
base = "config.json"

[parameters]
Rate = [0.0, 0.3, 0.5, 0.8]
Run_Number = { from = 1, to = 5 }

[estimate]
minutes_per_simulation = 0.01
TOML
acomps submit sweep.toml --dry-run
experiment=$(acomps submit sweep.toml --format ids)

step "4. Follow it; the exit code is 1, for the rate 0 fails"
acomps watch "$experiment" || test $? = 1
acomps status Experiment "$experiment"

step "5. Why did it fail? The end of what a failed simulation has said"
failed=$(acomps list simulations --experiment "$experiment" --where state=Failed --limit 1 --format ids)
acomps tail Simulation "$failed" stdout.txt,stderr.txt --bytes 200

step "6. Fetch the outputs of those that succeeded, as files and as one table"
acomps harvest "$experiment" output/InsetChart.json --into results --layout '{tags[Rate]}/run-{tags[Run_Number]}.json' ||
  test $? = 1
acomps harvest "$experiment" --table infected.csv --channel Infected || test $? = 1

step "7. Draw them"
acomps chart "$experiment" --channel Infected --by Rate --to infected.png

step "8. Run what failed once more: here it fails again"
acomps rerunsims "$experiment" --deleteold
acomps watch "$experiment" || test $? = 1

step "9. Clear away"
acomps delete "$experiment" --yes
