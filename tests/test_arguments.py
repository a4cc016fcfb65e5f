"""Text in a variable arrives as it is, and nothing in it is executed: by two real Makes.

What is expected of ARGS is what a POSIX shell would make of it, without expansion: ``shlex.split``.
"""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support import (
    call,
    copy_project,
    options_of,
    plain_environment,
    seen_by_recipes,
    succeed,
    variable_arguments,
)

CANARY = "canary"  # made in the project's folder if anything is executed

AWKWARD = [
    "",
    "   ",
    "--max-depth 6",
    "--max-depth=6 --eta=0.1",
    "a,b",
    "'a b'",
    '"a b"',
    "'' \"\"",
    "'it'\\''s'",
    '"say \\"hi\\""',
    "a\\ b",
    "a\\\\b",
    "back\\n",
    "$HOME ${HOME} $(HOME)",
    "'$HOME' \"$HOME\" \\$HOME",
    "$ $$ $$$ a$b a$$b",
    "$@ $< $* $(@D) $%",
    "$(ARGS) ${ARGS} $(value ARGS)",
    f"$(shell touch {CANARY})",
    f"$(eval X := $(shell touch {CANARY}))",
    f"$$(touch {CANARY})",
    f"`touch {CANARY}`",
    f'"`touch {CANARY}`" "$(touch {CANARY})"',
    f"; touch {CANARY} ;",
    f"&& touch {CANARY} || touch {CANARY} & touch {CANARY}",
    f"| touch {CANARY} > {CANARY} >> {CANARY} 2> {CANARY}",
    f"x\ntouch {CANARY}\n\t@touch {CANARY}",
    f"x'\n'; touch {CANARY}",
    "# not a comment",
    "a#b '#c' \\#d",
    '\'{"k": [1, "two", null], "é": {"n": 1e-3}}\'',
    '{"k": 1}',
    "*.py ? [a-z] ~ !x {a,b}",
    "% %s 100% %(name)s",
    "(a) [b] <c>",
    "a\tb\tc",
    "'a\tb' 'c\nd' 'e\r\nf'",
    "first \\\n second",
    "--note='x=y' =z a= ==",
    "-n -k -- --help -",
    "é ü 中文 🚀 '🚀 👩‍💻'",
    "\u00a0 \u2028 \ufeff",
    "endef",
    "a:b::c:=d ?=e +=f",
    "\x01 \x1b[31m \x7f",
    "x" * 2000,
]
UNCLOSED = ["'", '"', "it's", 'a "b', "\\", "a 'b\\' c'"]

FRAGMENTS = [
    *AWKWARD[:-1],
    *UNCLOSED,
    *"$'\"\\#,;&|%=`(){}<>*?!~ \t\n\r",
]  # fmt: skip
TEXT = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=5).map("".join),
    st.lists(
        st.one_of(
            st.sampled_from(FRAGMENTS),
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
        ),
        max_size=5,
    ).map(" ".join),
)


def few(count: int):
    """Bound the number of examples, each of which is a process or two."""
    return settings(max_examples=count, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def project(installed: Callable[[str], Path], tmp_path_factory) -> Path:
    """Return a copy of its own, in which a canary would be seen and a .env may be written."""
    made = copy_project(installed("xgboost"), tmp_path_factory.mktemp("arguments") / "project")
    (made / "tell.py").write_text("import json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    return made


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


def words_of(text: str) -> list[str] | None:
    """Return the words that a shell user expects, or None for a quotation that is not closed."""
    try:
        return shlex.split(text)
    except ValueError:
        return None


def outcome(done, script: str = "train.py") -> list[str] | None:
    """Return the arguments in the request that was printed, or None where one sentence says no."""
    if done.returncode:
        assert done.stdout == ""
        assert re.match(
            r"error: ARGS cannot be split into words .*\n|.*\.env line 1: a quote .* is not closed",
            done.stderr,
        ), done.stderr
        assert "Traceback" not in done.stderr
        return None
    request = json.loads(done.stdout)
    command = request["overrides"]["containerOverrides"][0]["command"]
    assert command[0] == script
    return command[1:]


def nothing_was_executed(project: Path, home: Path) -> bool:
    return not any((folder / CANARY).exists() for folder in (project, home))


class Ways:
    """The ways by which a text gets into ARGS. Each gives what the request holds of it."""

    def __init__(self, make: str, project: Path, home: Path) -> None:
        self.make, self.project = make, project
        self.environment = plain_environment(home)
        self.nested = home / "nested.mk"
        self.nested.write_text("include Makefile\nprobe: ; @$(MAKE) SANDBOX= run DRY_RUN=1\n")

    def run(self, *words: str, **environment: str):
        return call(self.make, *words, cwd=self.project, env=self.environment | environment)

    def command_line(self, text: str):
        return outcome(self.run("run", "DRY_RUN=1", f"ARGS={text}"))

    def environment_variable(self, text: str):
        return outcome(self.run("run", "DRY_RUN=1", ARGS=text))

    def file(self, text: str):
        (self.project / ".env").write_text(f"ARGS = {text}\n")
        try:
            return outcome(self.run("run", "DRY_RUN=1"))
        finally:
            (self.project / ".env").unlink()

    def second_make(self, text: str):
        return outcome(self.run("-f", str(self.nested), "probe", f"ARGS={text}"))

    def second_make_from_environment(self, text: str):
        return outcome(self.run("-f", str(self.nested), "probe", ARGS=text))

    def second_make_from_file(self, text: str):
        (self.project / ".env").write_text(f"ARGS = {text}\n")
        try:
            return outcome(self.run("-f", str(self.nested), "probe"))
        finally:
            (self.project / ".env").unlink()

    def laptop(self, text: str):
        done = self.run("train", "SCRIPT=tell.py", "DATA=data/example.py", f"ARGS={text}")
        if done.returncode:
            return outcome(done)
        return json.loads(done.stdout.splitlines()[0])


def fits_a_line(text: str) -> bool:
    """Tell whether the text can stand in .env as it is: no comment, no quotes around the whole."""
    return not re.search(r"[\n\r]|(^|\s)#|^\s|\s$|^(['\"]).*\2$", text)


@pytest.fixture(scope="module")
def ways(make: str, project: Path, home: Path) -> Ways:
    return Ways(make, project, home)


@pytest.mark.parametrize(
    "way",
    [
        "command_line", "environment_variable", "second_make", "second_make_from_environment", "laptop",
    ],
)  # fmt: skip
def test_awkward_arguments_arrive_as_they_are(way: str, ways: Ways, project: Path, home: Path):
    expected = {text: words_of(text) for text in AWKWARD + UNCLOSED}
    assert [text for text, words in expected.items() if words is None] == UNCLOSED
    assert {text: getattr(ways, way)(text) for text in expected} == expected
    assert nothing_was_executed(project, home)


@pytest.mark.parametrize("way", ["file", "second_make_from_file"])
def test_awkward_arguments_in_the_file_arrive_as_they_are(
    way: str, ways: Ways, project: Path, home: Path
):
    expected = {text: words_of(text) for text in AWKWARD + UNCLOSED if fits_a_line(text)}
    assert len(expected) > 30
    assert {text: getattr(ways, way)(text) for text in expected} == expected
    assert nothing_was_executed(project, home)


QUOTED = [  # a line of .env behind `ARGS =`, and its words
    ('"--max-depth 6"', ["--max-depth", "6"]), ("'--max-depth 6'", ["--max-depth", "6"]),
    ("--max-depth 6 # deeper", ["--max-depth", "6"]), ('"a # b" # c', ["a", "#", "b"]), ("# only a comment", []),
    ("a#b", ["a#b"]), ("a '#' b", ["a", "#", "b"]), ('--note "two words" --x', ["--note", "two words", "--x"]),
    ('"a" "b c"', ["a", "b c"]), ('"say \\"x y\\""', ["say", "x y"]), ("'$(shell touch canary)'", ["$(shell", "touch", "canary)"]),
    ("a \\# b", ["a", "#", "b"]), ("  a  ", ["a"]), ("''", []), ("a\r", ["a"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), QUOTED)
def test_quotes_and_comments_in_the_file_mean_what_people_expect(
    ways: Ways, project, home, text, words
):
    assert ways.file(text) == words
    assert nothing_was_executed(project, home)


def after_make(text: str) -> str:
    """Drop what Make itself drops of ``NAME=value`` before it reads any Makefile.

    Of these characters, only form feed and vertical tab would have been part of a word.
    """
    return text.lstrip(" \t\n\v\f\r")


@few(60)
@given(text=TEXT)
@example(text=f"$(shell touch {CANARY})")
@example(text="\f x \f")
def test_any_text_on_the_command_line_arrives_as_it_is(text: str, ways: Ways, project, home):
    assert ways.command_line(text) == words_of(after_make(text))
    assert nothing_was_executed(project, home)


@few(30)
@given(text=TEXT)
@example(text="\f x \f")
def test_any_text_in_the_environment_arrives_as_it_is(text: str, ways: Ways, project, home):
    assert ways.environment_variable(text) == words_of(text)
    assert nothing_was_executed(project, home)


@few(30)
@given(text=TEXT.filter(fits_a_line))
def test_any_line_of_the_file_arrives_as_it_is(text: str, ways: Ways, project, home):
    assert ways.file(text) == words_of(text)
    assert nothing_was_executed(project, home)


@few(20)
@given(text=TEXT)
def test_any_text_survives_a_make_within_make(text: str, ways: Ways, project, home):
    assert ways.second_make(text) == words_of(after_make(text))
    assert nothing_was_executed(project, home)


def test_bytes_that_are_no_text_are_refused(ways: Ways):
    done = ways.run("run", "DRY_RUN=1", "ARGS=--note \udcff")  # the byte 0xff, as Python spells it
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ARGS is not valid UTF-8")


def test_no_arguments_on_the_command_line_take_those_of_the_file_away(ways: Ways, project: Path):
    (project / ".env").write_text("ARGS = --max-depth 9\n")
    try:
        assert outcome(ways.run("run", "DRY_RUN=1")) == ["--max-depth", "9"]
        assert outcome(ways.run("run", "DRY_RUN=1", "ARGS=")) == []
    finally:
        (project / ".env").unlink()


POISON = f"$(shell touch {CANARY}) `touch {CANARY}`; touch {CANARY} #' \"\n\ttouch {CANARY}"


def test_no_variable_of_a_run_is_executed(ways: Ways, project: Path, home: Path):
    """Not one of the options, nor one that the Makefile does not know."""
    for name in [*options_of(project), "SOMETHING"]:
        for done in (
            ways.run("run", "DRY_RUN=1", f"{name}={POISON}"),
            ways.run("run", "DRY_RUN=1", **{name: POISON}),
        ):
            assert nothing_was_executed(project, home), name
            assert "Traceback" not in done.stderr, name


@pytest.mark.parametrize("target", ["add", "remove"])
def test_no_package_is_executed(target: str, ways: Ways, project: Path, home: Path):
    files = {path: path.read_bytes() for path in project.glob("*.t*")}
    assert len(files) > 4
    for text in [*(text for text in AWKWARD if CANARY in text), POISON]:
        for done in (ways.run(target, f"PACKAGE={text}"), ways.run(target, PACKAGE=text)):
            assert nothing_was_executed(project, home), text
            assert done.returncode == 2
            assert re.match(r"error: PACKAGE.*\nmake: \*\*\*.*\n\Z", done.stderr), done.stderr
    assert {path: path.read_bytes() for path in project.glob("*.t*")} == files


def test_the_names_that_recipes_use_cannot_be_replaced(ways: Ways, project: Path, home: Path):
    """They stand in the text of recipes, where any value would be a command."""
    internal = set(
        re.findall(r"^(?:override )?([A-Z]+) := ", (project / "Makefile").read_text(), re.MULTILINE)
    )
    internal -= {*options_of(project), "SHELL", "OPTIONS"}
    assert internal >= {"VENV", "ECS", "STRICT"}
    for name in internal:
        for done in (
            ways.run("run", "DRY_RUN=1", f"{name}=touch {CANARY};"),
            ways.run("run", "DRY_RUN=1", **{name: f"touch {CANARY};"}),
        ):
            assert nothing_was_executed(project, home), name
            assert f"there is no variable {name}; " in done.stderr or outcome(done) == []


def test_awkward_values_of_all_variables_reach_the_recipes_as_they_are(
    make: str, project: Path, home: Path
):
    names = [name for name in options_of(project) if name not in ("SANDBOX", "CA_BUNDLE")]
    of_others = ("NAME", "ENV")  # in the environment they are another program's
    expected = {name: f"{name} {POISON}" for name in names}
    seen = seen_by_recipes(project, home, *variable_arguments(expected), make=make)
    assert {name: seen[name] for name in names} == expected
    seen = seen_by_recipes(
        project, home, make=make, env=plain_environment(home) | expected | {"PROJECT": "p"}
    )
    assert {name: seen[name] for name in names if name != "PROJECT"} == {
        name: "" if name in of_others else value
        for name, value in expected.items()
        if name != "PROJECT"
    }
    assert nothing_was_executed(project, home)


def test_the_here_command_hands_its_arguments_to_any_program(project: Path, home: Path):
    """As `make local` and `make predict` use it, without Make in between."""
    environment = plain_environment(home) | {"PROJECT": "p", "REGION": "r", "ARGS": AWKWARD[16]}
    said = succeed(
        ".venv/bin/python", "-m", "ecs", "here", "--", ".venv/bin/python", "tell.py", "-x",
        cwd=project, env=environment,
    )  # fmt: skip
    assert json.loads(said) == ["-x", *shlex.split(AWKWARD[16])]


def test_a_program_that_is_not_there_gets_one_sentence(project: Path, home: Path):
    environment = plain_environment(home) | {"PROJECT": "p", "REGION": "r"}
    done = call(
        ".venv/bin/python",
        "-m",
        "ecs",
        "here",
        "--",
        "no-such-program",
        cwd=project,
        env=environment,
    )
    assert done.returncode == 1
    assert done.stderr == "error: there is no program 'no-such-program' on this machine\n"
