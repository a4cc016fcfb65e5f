"""Compute features from the table's columns, for training and prediction alike.

This file is yours to edit.
"""

import pyarrow


def features(table: pyarrow.Table) -> pyarrow.Table:
    """Return ``table`` with columns added, changed or left out.

    A large table comes in pieces, so a row's features may depend on that row only: write a mean or
    a list of words that you need as a constant into this file. Keep every row, in its order, and
    when training the label. The label may be missing when predicting.
    """
    # import pyarrow.compute
    # ratio = pyarrow.compute.divide(table["worst_radius"], table["mean_radius"])
    # table = table.append_column("radius_ratio", ratio)
    return table
