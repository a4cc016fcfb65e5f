"""Write an example table to data/train.csv and data/test.csv, next to this file.

569 tumours from Wisconsin: 30 measurements each, and whether it was malignant or benign. The data
set ships with scikit-learn, which is on your machine but need not be in the image. A fifth of the
rows is kept for the test.
"""

import csv
import hashlib
import json
import os
from pathlib import Path

import numpy
from sklearn.datasets import load_breast_cancer

SEED = 0
TEST_SHARE = 0.2


def main() -> None:
    bunch = load_breast_cancer()
    header = ["label", *(name.replace(" ", "_") for name in bunch.feature_names)]
    rows = [
        [bunch.target_names[target], *map(float, values)]
        for target, values in zip(bunch.target, bunch.data, strict=True)
    ]
    order = numpy.random.default_rng(SEED).permutation(len(rows))
    tests = round(TEST_SHARE * len(rows))
    parts = {"train.csv": sorted(order[tests:]), "test.csv": sorted(order[:tests])}
    hashes = {
        f"data/{name}": write(name, header, [rows[place] for place in places])
        for name, places in parts.items()
    }
    # by this `make data` knows the example, which never takes the place of a table
    Path(__file__).with_name(".example").write_text(json.dumps(hashes))


def write(name: str, header: list[str], rows: list[list]) -> str:
    """Write ``rows`` below ``header`` to the CSV file ``name`` and return its sha256."""
    path = Path(__file__).parent / name
    # it gets its name once it is whole: others may be waiting for it
    partial = path.with_name(f".{name}.{os.getpid()}")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    digest = hashlib.sha256(partial.read_bytes()).hexdigest()
    partial.replace(path)
    print(f"{path.parent.name}/{name}: {len(rows)} rows")
    return digest


if __name__ == "__main__":
    main()
