#!/usr/bin/env python3
"""Turns the arrays of `memrl export --format d3rlpy` into a data set file of d3rlpy.

Usage: to_d3rlpy.py d3rlpy.npz dataset.h5

Needs numpy and h5py, not d3rlpy. The file has version 2.1 of d3rlpy's HDF5 layout: `columns`,
`num_episodes`, `version`, and per episode i `observations_{i}`, `actions_{i}`, `rewards_{i}` and
`terminated_{i}`. Read it with `ReplayBuffer.load(file, InfiniteBuffer())`.
"""

import os
import sys

import h5py
import numpy as np

COLUMNS = ["observations", "actions", "rewards", "terminated"]


def convert(source, target):
    """Writes the episodes of `source` to `target`; how many there are."""
    arrays = np.load(source, allow_pickle=False)
    observations, actions = arrays["observations"], arrays["actions"]
    # d3rlpy keeps rewards as a column.
    rewards = arrays["rewards"].reshape(-1, 1)
    ends = np.flatnonzero(arrays["terminals"])
    if len(observations) and (len(ends) == 0 or ends[-1] != len(observations) - 1):
        raise SystemExit(f"{source}: the last episode has no end")
    partial = f"{target}.part"
    with h5py.File(partial, "w") as file:
        file.create_dataset("columns", data=COLUMNS)
        file.create_dataset("num_episodes", data=len(ends))
        start = 0
        for i, end in enumerate(ends):
            span = slice(start, end + 1)
            file.create_dataset(f"observations_{i}", data=observations[span])
            file.create_dataset(f"actions_{i}", data=actions[span])
            file.create_dataset(f"rewards_{i}", data=rewards[span])
            file.create_dataset(f"terminated_{i}", data=True)
            start = end + 1
        file.create_dataset("version", data="2.1")
    os.replace(partial, target)
    return len(ends)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    print(f"{convert(sys.argv[1], sys.argv[2])} episodes")
