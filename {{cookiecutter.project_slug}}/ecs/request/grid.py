"""ARGS of a sweep: braces with lists and ranges, and the runs that they stand for. Pure."""

import math
import random
import re
from collections.abc import Sequence
from decimal import Decimal

from ecs.errors import UserError

MOST = 10000  # children of an array job; the fewest are 2
EXAMPLE = 'make sweep ARGS="--eta {0.1,0.3} --max-depth {3..9..2}"'
# braces around a list or a range; a JSON object, whose first character is a quotation mark, is no list
BRACES = re.compile(r"""\{(?!\s*["'])([^{}]*(?:,|\.\.)[^{}]*)\}""")
NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)"
RANGE = re.compile(rf"({NUMBER})\.\.({NUMBER})(?:\.\.({NUMBER}))?")


def values(text: str) -> list[str]:
    """Return what stands between two braces: ``a,b``, or ``3..9``, ``0.1..0.5..0.1`` with its end.

    Raises:
        UserError: it is neither.
    """
    if "," in text:
        return list(dict.fromkeys(each.strip() for each in text.split(",")))
    found = RANGE.fullmatch(text.strip())
    if not found:
        raise UserError(
            f"ARGS: {{{text}}} is neither a list nor a range of numbers; type for example: {EXAMPLE}"
        )
    begin, end = Decimal(found[1]), Decimal(found[2])
    step = abs(Decimal(found[3] or 1))
    if not step:
        raise UserError(f"ARGS: {{{text}}} has a step of 0; leave it out for 1")
    count = int(abs(end - begin) / step) + 1
    if count > MOST:
        raise UserError(
            f"ARGS: {{{text}}} stands for {count} values, and a sweep has {MOST} runs at most"
        )
    return [str(begin + each * (step if begin <= end else -step)) for each in range(count)]


def parts(word: str) -> list[list[str]]:
    """Return the pieces of a word, each with the values that it may have."""
    pieces = BRACES.split(word)
    return [values(each) if place % 2 else [each] for place, each in enumerate(pieces)]


def table(words: Sequence[str], sample: int = 0) -> list[list[str]]:
    """Return the arguments of each run of a sweep, the last braces changing fastest.

    ``sample``: so many of them, at random; the same ones for the same words. 0: all.

    Raises:
        UserError: there are too few, or too many.
    """
    pieces = [parts(word) for word in words]
    total = math.prod(len(each) for word in pieces for each in word)
    if total < 2:
        raise UserError(f"ARGS has no braces with several values; type: make submit, or {EXAMPLE}")
    if sample > total:
        raise UserError(f"SAMPLE={sample}: ARGS stands for {total} runs; leave SAMPLE out")
    if (sample or total) > MOST:
        raise UserError(
            f"ARGS stands for {total} runs, and a sweep has {MOST} at most; type: SAMPLE=50"
        )
    return [combination(pieces, number) for number in chosen(total, sample, repr(words))]


def chosen(total: int, sample: int, seed: str) -> Sequence[int]:
    """Return ``sample`` of the numbers below ``total``, or all of them for 0."""
    if not sample:
        return range(total)
    numbers, chance = set(), random.Random(seed)
    while len(numbers) < sample:
        numbers.add(chance.randrange(total))
    return sorted(numbers)


def combination(pieces: Sequence[Sequence[Sequence[str]]], number: int) -> list[str]:
    """Return the words of combination ``number``."""
    words = []
    for word in reversed(pieces):
        text = ""
        for choices in reversed(word):
            number, place = divmod(number, len(choices))
            text = choices[place] + text
        words.append(text)
    return words[::-1]
