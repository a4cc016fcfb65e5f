"""Values that would be executed by a careless Makefile, through every variable and every way into Make.

The whole product, 255 values by all variables by five ways, takes a few minutes: ``EVERY_VALUE=1 pytest
tests/test_hostile.py``. Without that a part of it is tried, drawn by a fixed seed.
"""

import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import test_arguments
from ecs import dotenv
from support import PROJECT, call, options_of, plain_environment, targets_of, variable_arguments
from test_arguments import CANARY, nothing_was_executed

home, project = test_arguments.home, test_arguments.project

TOUCH = f"touch {CANARY}"
COMMANDS = [
    f"$(shell {TOUCH})", f"${{shell {TOUCH}}}", f"$(eval X := $(shell {TOUCH}))", f"$(call shell,{TOUCH})",
    f"$(foreach x,1,$(shell {TOUCH}))", f"$(if 1,$(shell {TOUCH}))", f"$(info $(shell {TOUCH}))", f"$(file >{CANARY})",
    f"`{TOUCH}`", f"$$({TOUCH})", f";{TOUCH};", f" && {TOUCH} ;", f" | {TOUCH} ;", f" & {TOUCH} &", f">{CANARY} ",
    f"\n{TOUCH}\n", f"\n\t{TOUCH}\n",
]  # fmt: skip
AROUND = ["", "'", '"', "x'", 'x"', "x", "x ", "-", "--x=", "x#", "$", "é", "a=b ", "''", '""']
VALUES = [f"{around}{command}{around}" for around in AROUND for command in COMMANDS]
VARIABLES = options_of(PROJECT)
# other programs', which the Makefile reads, or .env may set
OF_OTHERS = [
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "HTTPS_PROXY",
    "PIP_INDEX_URL",
    "SSL_CERT_FILE",
]
# their recipes reach for the network, or take away what other tests need, before they look at a variable
OTHER_TARGETS = {"install", "lock", "clean", "sandbox", "sandbox-stop", "rehearse"}
TARGETS = sorted(set(targets_of(PROJECT / "Makefile")) - OTHER_TARGETS)


class Way:
    """The ways by which values get into Make; each calls one Make, with values for some variables."""

    def __init__(self, make: str, project: Path, home: Path) -> None:
        self.make, self.project = make, project
        self.environment = plain_environment(home)
        self.probe, self.nested = home / "hostile.mk", home / "hostile-nested.mk"
        self.probe.write_text("include Makefile\nprobe: ; @echo reached\n")
        self.nested.write_text(
            f"include Makefile\nagain: ; @$(MAKE) -k -f {self.probe} probe $(GOAL)\n"
        )

    def run(self, *words: str, **environment: str) -> str:
        done = call(self.make, *words, cwd=self.project, env=self.environment | environment)
        return done.stdout + done.stderr

    def command_line(self, values: Mapping[str, str], target: str) -> str:
        return self.run("-k", "-f", str(self.probe), "probe", target, *variable_arguments(values))

    def environment_variables(self, values: Mapping[str, str], target: str) -> str:
        return self.run("-k", "-f", str(self.probe), "probe", target, **values)

    def environment_over_makefile(self, values: Mapping[str, str], target: str) -> str:
        return self.run("-e", "-k", "-f", str(self.probe), "probe", target, **values)

    def file(self, values: Mapping[str, str], target: str) -> str:
        lines = "".join(f"{name} = {value}\n" for name, value in values.items())
        (self.project / ".env").write_text(lines)
        try:
            return self.run("-k", "-f", str(self.probe), "probe", target)
        finally:
            (self.project / ".env").unlink()

    def make_within_make(self, values: Mapping[str, str], target: str) -> str:
        words = variable_arguments(values)
        return self.run("-k", "-f", str(self.nested), "again", *words, GOAL=target)


WAYS = [
    "command_line",
    "environment_variables",
    "environment_over_makefile",
    "file",
    "make_within_make",
]


def fits_the_file(value: str) -> bool:
    """Tell whether ``value`` can stand in .env: what cannot is refused with all else that is there."""
    try:
        dotenv.value(value)
    except dotenv.Refused:
        return False
    return "\n" not in value


def rounds(values: list[str], names: list[str], count: int) -> list[dict[str, str]]:
    """Return what each Make is given. All rounds together give each variable each value."""
    starts = range(len(values))
    if os.environ.get("EVERY_VALUE") != "1":
        starts = sorted(random.Random(20261125).sample(starts, count))
    return [
        {name: values[(start + at) % len(values)] for at, name in enumerate(names)}
        for start in starts
    ]


def test_there_are_values_and_variables_enough():
    assert len(set(VALUES)) == 255
    assert len(VARIABLES) > 45
    assert len(TARGETS) > 25


def test_a_careless_makefile_executes_them(tmp_path: Path, make: str):
    """Without this, a canary that never sings would prove nothing."""
    recipes = ["echo $(V)", 'echo "$(V)"', "echo '$(V)'", 'eval "echo $$V"', 'eval "$$V"']
    rules = "".join(f"t{at}: ; @{recipe}\n" for at, recipe in enumerate(recipes))
    (tmp_path / "Makefile").write_text(rules)
    goals = [f"t{at}" for at in range(len(recipes))]
    harmless = []
    for value in VALUES:
        call(make, "-k", *goals, f"V={value}", cwd=tmp_path, env=plain_environment(tmp_path))
        if not (tmp_path / CANARY).exists():
            harmless.append(value)
        (tmp_path / CANARY).unlink(missing_ok=True)
    assert len(harmless) < 10, harmless


@pytest.mark.parametrize("way", WAYS)
def test_no_value_is_executed_through_any_variable(way: str, make: str, project: Path, home: Path):
    """SANDBOX goes alone: what is no flag ends Make before any recipe."""
    into: Callable[[Mapping[str, str], str], str] = getattr(Way(make, project, home), way)
    values = [value for value in VALUES if way != "file" or fits_the_file(value)]
    assert len(values) > 100
    others = [name for name in VARIABLES if name != "SANDBOX"]
    if way not in ("command_line", "make_within_make"):  # there they are refused
        others += OF_OTHERS
    tried = rounds(values, others, 8) + rounds(values, ["SANDBOX"], 4)
    for at, given in enumerate(tried):
        said = into(given, TARGETS[at % len(TARGETS)])
        assert nothing_was_executed(project, home), (given, said)
        assert ("reached\n" in said) == ("SANDBOX" not in given), (given, said)
        assert "Traceback" not in said, given


def test_what_cannot_stand_in_the_file_is_refused(make: str, project: Path, home: Path):
    refused = [value for value in VALUES if not fits_the_file(value)]
    assert len(refused) > 20
    for given in rounds(refused, ["ARGS"], 12):
        said = Way(make, project, home).file(given, "run")
        assert ".env line" in said
        assert nothing_was_executed(project, home), given
