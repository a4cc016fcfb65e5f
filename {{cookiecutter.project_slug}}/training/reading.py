"""How a table is to be read: what the options say of it, kept in schema.json for predict.py."""

import argparse
import codecs
import csv
import dataclasses
import shlex

from training.errors import UserError

# What stands for a missing value in a column of numbers, and in text unless --missing says otherwise.
MISSING = (
    *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("N/A", "NA", "NULL", "NaN", "n/a", "nan", "null"),
)
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "space": " "}
DATES = "parts", "epoch", "drop"
# option: (placeholder, help)
OPTIONS = {
    "missing": ("VALUES", "what stands for a missing value, separated by commas (default: NA, null and the like)"),
    "decimal": ("SIGN", "decimal sign, . or ,: the other one and blanks may separate thousands"),
    "header": ("YES|NO", "whether the first line of a CSV has the columns' names (default: as it looks)"),
    "encoding": ("NAME", "encoding of a CSV, such as latin-1 or utf-16 (default: utf-8)"),
    "separator": ("SIGN", "what separates the columns of a CSV, such as ; or tab (default: as it looks)"),
}  # fmt: skip
TRAIN_OPTIONS = OPTIONS | {
    "text": ("NAMES", "columns that are text, be they digits or not, separated by commas"),
    "dates": ("HOW", "dates as features: parts, epoch (days since 1970) or drop"),
}


@dataclasses.dataclass(frozen=True)
class Reading:
    """How a table is to be read; None where the table itself tells.

    ``missing`` are the words for a missing value, ``text`` columns of text, ``dates`` one of DATES
    and ``dated`` the columns that it applies to. ``absent`` is what a line of libsvm means by
    leaving a feature out: "0" or "missing".
    """

    missing: tuple[str, ...] | None = None
    decimal: str | None = None
    header: bool | None = None
    encoding: str | None = None
    separator: str | None = None
    text: tuple[str, ...] = ()
    dates: str | None = None
    dated: tuple[str, ...] = ()
    absent: str = "0"

    def to_json(self) -> dict:
        """Return what differs from the defaults, as JSON's types."""
        plain = Reading()
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: each for name, each in values.items() if each != getattr(plain, name)}

    @staticmethod
    def is_sound(value: object) -> bool:
        """Tell whether this is what ``to_json`` gives, and nothing else."""
        if not isinstance(value, dict):
            return False
        for name, each in value.items():
            words = each if isinstance(each, list) else [each]
            try:
                if name == "header":
                    sound = isinstance(each, bool)
                elif name == "absent":
                    sound = each in ("0", "missing")
                elif name in ("missing", "text", "dated"):
                    sound = words is each and all(isinstance(word, str) for word in words)
                else:
                    sound = name not in PARSERS or PARSERS[name](each) == each
            except (UserError, TypeError, AttributeError):
                return False
            if not sound:
                return False
        return True

    @classmethod
    def from_json(cls, value: dict) -> "Reading":
        """Return what ``to_json`` gave; an older schema.json has nothing of it."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{
            name: tuple(each) if isinstance(each, list) else each
            for name, each in value.items()
            if name in known
        })  # fmt: skip

    def given(self, options: argparse.Namespace) -> "Reading":
        """Return this with what the command line says in its place."""
        texts = {name: getattr(options, name, None) for name in TRAIN_OPTIONS}
        chosen = {name: PARSERS[name](text) for name, text in texts.items() if text is not None}
        return dataclasses.replace(self, **chosen)

    def words(self) -> tuple[str, ...]:
        """Return what stands for a missing value in text."""
        return ("", *(MISSING if self.missing is None else self.missing))

    def null_values(self) -> list[str]:
        """Return what stands for a missing value in a column of numbers."""
        return ["", *MISSING, *(self.missing or ())]


def names(text: str) -> tuple[str, ...]:
    """Return the words in ``text``, which is a line of CSV."""
    return tuple(next(csv.reader([text]), ()))


def one_of(option: str, text: str, known: dict[str, object]) -> object:
    """Return what ``text`` stands for."""
    if text not in known:
        words = [shlex.quote(word) for word in known]
        raise UserError(f"--{option} {text!r}: type --{option} {' or '.join(words)}")
    return known[text]


def encoding(text: str) -> str:
    """Return the name of an encoding of text that Python knows."""
    try:
        "a".encode(text)  # of nothing it would look up nothing
        return codecs.lookup(text).name
    except (LookupError, ValueError) as error:
        raise UserError(
            f"--encoding {text!r}: no such encoding; type for example: --encoding latin-1"
        ) from error


def separator(text: str) -> str:
    """Return the sign that separates columns."""
    sign = SEPARATORS.get(text.lower(), text)
    if len(sign) != 1 or not sign.isascii() or sign in '"\r\n\0':
        raise UserError(
            f"--separator {text!r}: one sign, or {', '.join(SEPARATORS)}; type for example: "
            "--separator semicolon"
        )
    return sign


PARSERS = {
    "missing": lambda text: tuple(word for word in names(text) if word),
    "decimal": lambda text: one_of("decimal", text, {".": ".", ",": ","}),
    "header": lambda text: one_of("header", text, {"yes": True, "no": False}),
    "encoding": encoding,
    "separator": separator,
    "text": names,
    "dates": lambda text: one_of("dates", text, {name: name for name in DATES}),
}
