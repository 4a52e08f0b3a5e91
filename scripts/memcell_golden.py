#!/usr/bin/env python3
"""Golden cases for the parts of memcell-rl that memrl reproduces to the letter.

A transcription, from their written specification, of memcell-rl's retrieval score, of its policy
`baseline_v0` and of its reward (commit 7b83e5d). It shares no code with memrl and needs nothing but
the standard library, so what it writes is an independent witness:

    python3 scripts/memcell_golden.py crates/learn/tests/data

writes `baseline_v0.json` and `reward.json` there. The cases are random with a fixed seed.
"""

import json
import random
import struct
import sys
from pathlib import Path

TYPES = [
    "profile", "preference", "constraint", "fact", "episode", "task_state",
    "project_state", "procedure", "tool_memory", "reflection", "document_reference",
]
STATUSES = ["active", "superseded", "contradicted", "quarantined", "deleted", "expired"]
SENSITIVITIES = ["low", "medium", "high", "restricted"]


class Cell:
    """A stored cell, with the word overlap of its content and the query already computed."""

    def __init__(self, index, rng):
        self.index = index
        self.type = rng.choice(TYPES)
        self.status = rng.choice(["active"] * 8 + STATUSES)
        self.sensitivity = rng.choice(SENSITIVITIES)
        # Few distinct values, so that ties (also of the printed digits) are common.
        self.confidence = rng.choice([1.0, 1.0, 0.5, 0.75, round(rng.random(), 2)])
        self.features = None
        if rng.random() < 0.85:
            self.features = {
                "criticality": rng.choice([0.0, 0.69, 0.7, 0.875, 0.9, round(rng.random(), 3)]),
                "utility": rng.choice([0.0, 0.5, round(rng.random(), 2)]),
                "staleness": rng.choice([0.0, 0.0, 0.25, round(rng.random(), 2)]),
            }
        self.jaccard = rng.choice([0.0, 0.125, 0.0625, 0.5, round(rng.random(), 4)])
        self.characters = rng.choice([0, 1, 3, 4, 7, 8, rng.randrange(2000)])
        self.past_validity = rng.random() < 0.08

    def feature(self, name):
        return self.features[name] if self.features else 0.0

    def packed(self):
        f = self.features
        return [
            TYPES.index(self.type), STATUSES.index(self.status),
            SENSITIVITIES.index(self.sensitivity), self.confidence,
            [f["criticality"], f["utility"], f["staleness"]] if f else None,
            self.jaccard, self.characters, int(self.past_validity),
        ]


def retrieval_score(cell):
    """score = jaccard + 0.5*confidence + 0.5*criticality + 0.3*utility - 0.5*staleness"""
    return (
        cell.jaccard + 0.5 * cell.confidence + 0.5 * cell.feature("criticality")
        + 0.3 * cell.feature("utility") - 0.5 * cell.feature("staleness")
    )


def retrieve(cells, k, filtered):
    """Stable sort by score, descending; the server drops deleted and expired cells before it."""
    if filtered:
        cells = [c for c in cells if c.status != "deleted" and not c.past_validity]
    scored = [(c, retrieval_score(c)) for c in cells]
    scored.sort(key=lambda pair: pair[1], reverse=True)
    return scored[:k]


def mode_of(cell):
    """Rules 4 to 8."""
    crit = cell.feature("criticality")
    if cell.status == "quarantined":
        return "reverify_before_use"
    if cell.type == "constraint" and crit >= 0.7:
        return "constraint"
    if cell.sensitivity in ("high", "restricted") and crit >= 0.7:
        return "constraint"
    if cell.type in ("episode", "reflection"):
        return "context" if crit >= 0.7 else "background"
    return "context"


def reason_of(cell, mode, score):
    if mode == "reverify_before_use":
        return "quarantined \u2014 must reverify before use"
    if mode == "constraint":
        return f"high criticality constraint (criticality={cell.feature('criticality'):.2f})"
    if mode == "background":
        return "episode/reflection \u2014 low criticality, providing background"
    return f"active {cell.type} cell (score={score:.3f})"


def decide(candidates, budget):
    """The policy: rules, sort, greedy budget."""
    eligible, suppressed, selected = [], [], []
    for cell, score in candidates:
        if cell.status == "deleted":
            suppressed.append([cell.index, "deleted"])
        elif cell.past_validity:
            suppressed.append([cell.index, "expired"])
        elif cell.status == "superseded":
            suppressed.append([cell.index, "superseded"])
        else:
            eligible.append((cell, score, mode_of(cell)))
    eligible.sort(
        key=lambda e: (
            e[2] == "constraint", e[0].feature("criticality"), e[0].feature("utility"),
            e[1], e[0].confidence,
        ),
        reverse=True,
    )
    remaining = budget
    for cell, score, mode in eligible:
        tokens = max(1, cell.characters // 4)
        if remaining - tokens < 0:
            suppressed.append([cell.index, "budget_exceeded"])
            continue
        remaining -= tokens
        selected.append([cell.index, mode, reason_of(cell, mode, score)])
    return selected, suppressed


def baseline_cases(rng):
    for number in range(320):
        cells = [Cell(i, rng) for i in range(rng.randrange(0, 13))]
        total = sum(max(1, c.characters // 4) for c in cells)
        budget = rng.choice([1, 2000, max(1, total), max(1, total - 1), rng.randrange(1, 1200)])
        k = rng.choice([1, 5, 10, 20])
        filtered = number % 2 == 0
        selected, suppressed = decide(retrieve(cells, k, filtered), budget)
        yield {
            "budget": budget, "k": k, "filtered": filtered,
            "cells": [c.packed() for c in cells],
            "selected": selected, "suppressed": suppressed,
        }


def reward(success, unsafe, stale, tokens, latency):
    r = (2.0 * success - 1.0) - 2.0 * unsafe - 1.0 * stale - 0.0001 * tokens - 0.001 * latency
    return round(r, 6)


def reward_cases(rng):
    fixed = [(1, 0, 0, 320, 450), (0, 0, 0, 0, 0), (1, 1, 1, 0, 0), (1, 0, 0, -1000000, 0)]
    drawn = [
        (
            rng.choice([0, 1, round(rng.random(), 3)]), rng.randrange(2), rng.randrange(2),
            rng.randrange(10 ** rng.randrange(1, 9)), rng.randrange(10 ** rng.randrange(1, 7)),
        )
        for _ in range(300)
    ]
    return [[*case, reward(*case)] for case in fixed + drawn]


def bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def rounding_cases(rng):
    """Pairs of bit patterns; halves of a power of two are exact ties at some decimal."""
    values = [odd / 2**7 for odd in (1, 3, 5, -1, -3, 12345)] + [0.5, 1.5, 2.5, -2.5, 0.518, 1e17]
    values += [rng.uniform(-10, 10) for _ in range(60)]
    values += [(rng.randrange(2**20) * 2 + 1) / 2**rng.randrange(1, 8) for _ in range(60)]
    for x in values:
        for decimals in (0, 1, 3, 6):
            yield [bits(x), decimals, bits(float(round(x, decimals)))]


def lines(items):
    return "[\n" + ",\n".join(json.dumps(i, separators=(",", ":"), ensure_ascii=False) for i in items) + "\n]"


def main():
    folder = Path(sys.argv[1])
    rng = random.Random(20261120)
    cases = lines(baseline_cases(rng))
    (folder / "baseline_v0.json").write_text(cases + "\n", encoding="utf-8")
    rewards, rounding = lines(reward_cases(rng)), lines(rounding_cases(rng))
    text = f'{{"rewards": {rewards},\n"rounding": {rounding}}}\n'
    (folder / "reward.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
