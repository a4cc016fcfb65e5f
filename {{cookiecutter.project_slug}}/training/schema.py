"""What the columns of a table mean: learnt in training, kept beside the model, used to predict."""

import dataclasses
import hashlib
import json
import math

import numpy
import pyarrow
import pyarrow.compute

from training.errors import UserError, one_line, option
from training.reading import Reading

NUMBER, CATEGORY = "number", "category"
OBJECTIVES = "regression", "classification", "ranking"
# Text with more distinct values is a name or a free text, and so is text with more than a few of
# which most stand in one row only: no model learns from it, and its values are kept nowhere.
MOST_CATEGORIES, FEW_CATEGORIES = 1000, 20
SHOWN = 40  # columns in a table of the log


@dataclasses.dataclass(frozen=True)
class Column:
    """A feature: numbers, or text with its sorted ``categories`` (coded 0, 1, 2 …)."""

    name: str
    kind: str
    categories: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Schema:
    """Columns of the features in the model's order, and the label's.

    ``classes`` are the labels as they stand in the table, sorted; the model knows them as
    0..k-1. It is empty but in classification. ``weight``, ``group`` and ``id`` are columns beside
    them, and ``left_out`` those that are not used. ``source`` has the names and types of all
    columns of the training table in its order, and ``features_sha256`` is that of the file whose
    function made the features of them. ``reading`` is how it was read (reading.py).
    """

    label: str
    objective: str
    columns: tuple[Column, ...]
    classes: tuple = ()
    weight: str | None = None
    group: str | None = None
    id: str | None = None
    left_out: tuple[str, ...] = ()
    source: dict[str, str] = dataclasses.field(default_factory=dict)
    features_sha256: str | None = None
    reading: dict = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict:
        """Return the schema as JSON's types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: dict) -> "Schema":
        """Return the schema that ``to_json`` gave."""
        try:
            columns = tuple(
                Column(column["name"], column["kind"], tuple(column["categories"]))
                for column in value["columns"]
            )
            known = value["label"], value["objective"], columns, tuple(value["classes"])
            more = {name: value[name] for name in cls.__match_args__[4:] if name in value}
            made = cls(*known, **more)
            if not made.is_sound():
                raise TypeError
            return made
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError("schema.json is not one that train.py wrote, or is damaged") from error

    def is_sound(self) -> bool:
        """Return whether all values are of the types that they should be."""
        texts = [self.label, *self.names(), *self.left_out, *self.source, *self.source.values()]
        texts += [text for column in self.columns for text in column.categories]
        others = (self.weight, self.group, self.id, self.features_sha256)
        texts += [text for text in others if text is not None]
        kinds = {type(each) for each in self.classes}
        return (
            all(isinstance(text, str) for text in texts)
            and self.objective in OBJECTIVES
            and {column.kind for column in self.columns} <= {NUMBER, CATEGORY}
            and 0 < len(self.columns) == len(set(self.names()))
            and len(kinds) <= 1
            and kinds <= {str, int, float, bool}
            and Reading.is_sound(self.reading)
        )

    def digest(self) -> str:
        """Return the sha256 of what a model was made for: another one would predict nonsense."""
        columns = [(column.name, column.kind, column.categories) for column in self.columns]
        text = json.dumps([columns, self.objective, self.classes])
        return hashlib.sha256(text.encode()).hexdigest()

    def names(self) -> list[str]:
        """Return the features' names, in the model's order."""
        return [column.name for column in self.columns]

    def categorical(self) -> list[bool]:
        """Return for every feature whether it is one of categories."""
        return [column.kind == CATEGORY for column in self.columns]

    def class_names(self) -> list[str]:
        """Return the classes as they are written in a CSV."""
        return [str(name).lower() if isinstance(name, bool) else str(name) for name in self.classes]

    def text_columns(self) -> list[str]:
        """Return the columns that a CSV reader must take as text, be they digits or not."""
        names = [column.name for column in self.columns if column.kind == CATEGORY]
        if self.classes and isinstance(self.classes[0], str):
            names.append(self.label)
        names += [name for name, kind in self.source.items() if kind == "string"]
        return [*names, self.id] if self.id else names

    def aside(self) -> dict[str, str]:
        """Return the columns beside label and features, by the option that names them."""
        named = {"weight": self.weight, "group": self.group, "id": self.id}
        return {option: name for option, name in named.items() if name}

    def check_columns(self, names: list[str], where: str) -> None:
        """Raise UserError unless ``names`` are those of training, in any order."""
        needed = [*self.names(), self.label, *self.aside().values()]
        missing = [name for name in needed if name not in names]
        extra = [name for name in names if name not in {*needed, *self.left_out}]
        if missing or extra:
            differ = [f"lacks {listed(missing)}"] if missing else []
            differ += [f"has {listed(extra)} more"] if extra else []
            raise UserError(
                f"{where} {' and '.join(differ)}: it needs the training table's columns"
            )

    def features(self, table: pyarrow.RecordBatch, dtype: type) -> numpy.ndarray:
        """Return the features of ``table``, [rows, columns] in C order.

        Missing values, and categories that training did not see, are NaN.
        """
        if missing := [name for name in self.names() if name not in table.schema.names]:
            raise UserError(f"the table lacks {listed(missing)}: the model was trained with it")
        array = numpy.empty((table.num_rows, len(self.columns)), dtype)
        for place, column in enumerate(self.columns):
            array[:, place] = encode(column, table.column(column.name), dtype)
        return array

    def labels(self, column: pyarrow.ChunkedArray) -> numpy.ndarray:
        """Return the labels in ``column``, [rows]: class codes as int64, or numbers as float64."""
        check_label(self.label, column)
        if self.objective == "ranking":
            check_relevance(self.label, column)
        if not self.classes:
            if kind_of(self.label, column.type) == CATEGORY:
                raise UserError(f"label {self.label!r} holds text, and numbers in training")
            return exact(self.label, column, pyarrow.float64()).to_numpy()
        classes = pyarrow.array(self.classes)
        text = truth(self.label, written(column), column.type, classes.type)
        codes = pyarrow.compute.index_in(text, value_set=written(classes))
        if codes.null_count:
            strange = column.filter(codes.is_null())[0].as_py()
            raise UserError(
                f"label {self.label!r} has {strange!r}, which training did not: the classes are "
                f"{listed(self.class_names())}"
            )
        return codes.to_numpy().astype(numpy.int64)


def written(column: pyarrow.Array | pyarrow.ChunkedArray) -> pyarrow.Array | pyarrow.ChunkedArray:
    """Return labels as text, the same for 1, 1.0 and "1": files may hold one value in many types."""
    if pyarrow.types.is_decimal(column.type):
        column = column.cast(pyarrow.float64())
    if pyarrow.types.is_floating(column.type):
        column = pyarrow.compute.add(column, 0.0)  # -0.0 is 0
    return column.cast(pyarrow.string())


def truth(
    name: str, text: pyarrow.ChunkedArray, kind: pyarrow.DataType, trained: pyarrow.DataType
) -> pyarrow.ChunkedArray:
    """Return labels as text, 0 and 1 as false and true where training had booleans, or the other way."""
    boolean, numbers = pyarrow.types.is_boolean, ["0", "1"]
    if boolean(kind) == boolean(trained) or pyarrow.string() in (kind, trained):
        return text
    print(f"label {name!r}: 0 and 1 are the same as false and true")
    words = ["false", "true"]
    old, new = (words, numbers) if boolean(kind) else (numbers, words)
    place = pyarrow.compute.index_in(text, value_set=pyarrow.array(old))
    return pyarrow.compute.coalesce(pyarrow.array(new).take(place), text)


def kinds(tables: list[tuple[str, pyarrow.Schema]]) -> dict[str, pyarrow.DataType]:
    """Return the columns, with their types, that the files of one table, name and columns, share."""
    (first, columns), *others = tables
    found = {field.name: field.type for field in columns}
    for where, columns in others:
        if set(columns.names) != set(found):
            differ = sorted(set(columns.names) ^ set(found))
            raise UserError(
                f"{where!r} and {first!r} differ in columns: {listed(differ)}: the files of one "
                "table have the same"
            )
        for field in columns:
            found[field.name] = common(field.name, found[field.name], field.type, first, where)
    return found


def common(
    name: str, one: pyarrow.DataType, other: pyarrow.DataType, first: str, where: str
) -> pyarrow.DataType:
    """Return the type that holds the values of both."""
    if one == other or pyarrow.types.is_null(other):
        return one
    if pyarrow.types.is_null(one):
        return other
    dates = [
        pyarrow.types.is_date(kind) or pyarrow.types.is_timestamp(kind) for kind in (one, other)
    ]
    if not all(dates) and (any(dates) or kind_of(name, one) != kind_of(name, other)):
        raise UserError(
            f"column {name!r} holds {one} in {first!r} and {other} in {where!r}: say by --missing what "
            f"is no value, or if it is text, type: {option('text', name)}"
        )
    if all(dates):
        return pyarrow.timestamp("us")
    if pyarrow.types.is_integer(one) and pyarrow.types.is_integer(other):
        return pyarrow.int64()
    return pyarrow.float64() if kind_of(name, one) == NUMBER else pyarrow.string()


def useless(column: Column, rows: int, missing: int, constant: bool, levels: int) -> str | None:
    """Return why no model can learn from a column; None: it may.

    ``missing`` counts the ``rows`` without a value, ``levels`` the different values of text.
    """
    if rows == 1:
        return None
    if missing == rows:
        return "empty"
    if constant and not missing:
        return "the same in every row"
    if column.kind == NUMBER:
        return None
    if levels > MOST_CATEGORIES:
        return f"text with more than {MOST_CATEGORIES:,} different values"
    if levels == rows - missing > 1:
        return "text that differs in every row"
    if levels > FEW_CATEGORIES and 2 * levels > rows - missing:
        return f"text with {levels:,} different values in {rows - missing:,} rows"
    return None


def show(rows: list[tuple[str, ...]]) -> None:
    """Print a table of the columns: name, kind, number of levels, number of missing values."""
    lines = [("column", "kind", "levels", "missing"), *rows[:SHOWN]]
    lines = [tuple(each if each.isprintable() else repr(each) for each in line) for line in lines]
    widths = [min(40, max(map(len, cells))) for cells in zip(*lines, strict=True)]
    for name, *cells in lines:
        padded = [f"{cell:<{width}}" for cell, width in zip(cells, widths[1:], strict=True)]
        print("  ".join([f"  {name[:40]:<{widths[0]}}", *padded]).rstrip())
    if len(rows) > SHOWN:
        print(f"  … and {len(rows) - SHOWN:,} more columns")


def exact(
    name: str, column: pyarrow.Array | pyarrow.ChunkedArray, kind: pyarrow.DataType
) -> pyarrow.Array | pyarrow.ChunkedArray:
    """Return ``column`` as this type; raise UserError if a whole number is too large for it."""
    try:
        return column.cast(kind)
    except pyarrow.ArrowInvalid as error:
        raise UserError(
            f"column {name!r} has whole numbers that {kind} cannot hold ({one_line(error)}): make them "
            "smaller in features.py, by a difference or another unit"
        ) from error


def check_relevance(name: str, column: pyarrow.ChunkedArray) -> None:
    """Raise UserError unless the labels are grades of relevance: whole numbers from 0 to 31."""
    values = exact(name, column, pyarrow.float64()).to_numpy()
    if ((values < 0) | (values > 31) | (values % 1 != 0)).any():
        raise UserError(
            f"label {name!r}: ranking needs grades of relevance, whole numbers from 0 to 31"
        )


def check_label(name: str, column: pyarrow.ChunkedArray) -> None:
    """Raise UserError unless every row has a label that is a finite number, a boolean or text."""
    kind = kind_of(name, column.type)
    bad = column.is_null()
    if kind == NUMBER and pyarrow.types.is_floating(column.type):
        bad = pyarrow.compute.or_kleene(
            bad, pyarrow.compute.invert(pyarrow.compute.is_finite(column))
        )
    if count := pyarrow.compute.sum(bad).as_py():
        first = pyarrow.compute.index(bad, True).as_py() + 1
        raise UserError(
            f"label {name!r} is missing or not finite in {count:,} of {len(column):,} rows (first: "
            f"row {first:,}): leave those rows out"
        )


def kind_of(name: str, kind: pyarrow.DataType) -> str:
    """Return whether a column of type ``kind`` holds numbers or categories."""
    types = pyarrow.types
    numbers = types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null
    if any(test(kind) for test in numbers):
        return NUMBER
    if types.is_string(kind):
        return CATEGORY
    if types.is_temporal(kind):
        raise UserError(
            f"column {name!r} holds dates or times ({kind}), which no model reads; --dates parts makes "
            f"year, month … of them, --dates epoch days since 1970; or type: {option('drop', name)}"
        )
    if types.is_binary(kind):
        raise UserError(
            f"column {name!r} holds bytes that are not UTF-8: save the table as UTF-8, or type: "
            f"{option('drop', name)}"
        )
    raise UserError(
        f"column {name!r} holds {kind}, and numbers or text are read; type: {option('drop', name)}"
    )


def encode(
    column: Column, values: pyarrow.Array, dtype: type, categories: pyarrow.Array | None = None
) -> numpy.ndarray:
    """Return a feature's values as numbers, [rows]: categories as their codes, NaN for missing.

    ``categories`` are coded in place of the column's own.
    """
    kind = kind_of(column.name, values.type)
    if column.kind == CATEGORY:
        known = pyarrow.array(column.categories, pyarrow.string())
        known = known if categories is None else categories
        codes = pyarrow.compute.index_in(values.cast(pyarrow.string()), value_set=known)
        return codes.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
    if kind == CATEGORY:
        texts = pyarrow.compute.drop_null(values).to_pylist()
        if texts:
            raise not_numbers(column.name, texts)
        return numpy.full(len(values), numpy.nan, dtype)
    numbers = values.cast(pyarrow.from_numpy_dtype(dtype), safe=False)
    numbers = numbers.to_numpy(zero_copy_only=False)
    if numpy.isinf(numbers).any():
        raise UserError(
            f"column {column.name!r} has a number that is infinite or too large for "
            f"{numpy.dtype(dtype).name}: leave the value empty where it is unknown"
        )
    return numbers


def not_numbers(name: str, texts: list[str]) -> UserError:
    """Return the error of text where training had numbers."""
    text = next((each for each in texts if not is_number(each)), None)
    if text is None:
        return UserError(f"column {name!r} holds text, and numbers in training; save it as numbers")
    commas = all(is_number(each.replace(",", ".")) and "." not in each for each in texts)
    way = "type --decimal ," if commas else f"if that is no value, type {option('missing', text)}"
    return UserError(f"column {name!r} holds text ({text[:40]!r}), and numbers in training; {way}")


def is_number(text: str) -> bool:
    """Return whether ``text`` reads as a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def listed(names: list[str], most: int = 5) -> str:
    """Return the first few of ``names`` for a sentence."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more
