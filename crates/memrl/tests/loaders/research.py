"""Runs the loading snippets of docs/dataset.md on exported files, with the real libraries.

Usage: research.py DATASET.MD ROWS, in a directory that holds `log/`. ROWS is JSON: rows and decisions of
each file, as the exports reported them. Prints one JSON object: what the libraries made of the files.
"""

import json
import re
import sys

import without_torch

without_torch.install()

page, reported = open(sys.argv[1], encoding="utf-8").read(), json.loads(sys.argv[2])
chapter = page.split("\n## For other programs\n")[1]
snippets = re.findall(r"```python\n(.*?)```", chapter, re.S)
seen, names = {}, {}
for snippet in snippets:
    exec(compile(snippet, "docs/dataset.md", "exec"), names)


def near(a, b):
    assert abs(a - b) < 1e-6 * max(1.0, abs(b)), (a, b)


# Vowpal Wabbit read as many examples as were written, in each of its five files.
for name, (rows, _) in reported.items():
    if name.startswith("vw_"):
        assert names["examples"][name] == rows, (name, names["examples"], rows)
seen["vw"] = len(names["examples"])

# Weighting the logging policy by itself gives the mean of what was earned.
slate, single = names["slate"], names["single"]
slates = len(set(slate["slate_id"].tolist()))
assert slates == reported["obp_slate.npz"][1]
near(names["same"], slate["reward"].sum() / slates)
assert len(single["reward"]) == single["n_rounds"] == reported["obp_holdout.npz"][0]
assert single["context"].shape == (single["n_rounds"], names["width"])
# Showing everything: only what was shown counts, divided by its probability.
shown = single["action"] == 1
near(names["always_shown"], (single["reward"] * shown / single["pscore"]).mean())
seen["obp"] = 2

# d3rlpy: an episode per decision, a transition per pick and stop.
replay = names["replay"]
assert replay.size() == reported["d3rlpy.npz"][1]
assert sum(len(e) for e in replay.episodes) == reported["d3rlpy.npz"][0]
assert all(e.terminated for e in replay.episodes)
assert all(e.observations.shape[1] == 3 + 2 * names["width"] for e in replay.episodes)
assert all(e.actions.shape[1] == names["width"] + 1 for e in replay.episodes)
assert all((e.rewards[:-1] == 0).all() for e in replay.episodes)
seen["d3rlpy"] = replay.size()

# datasets and TRL.
columns = {
    "prompt": {"prompt"},
    "sft": {"prompt", "completion"},
    "dpo": {"prompt", "chosen", "rejected"},
    "kto": {"prompt", "completion", "label"},
}
for name, wanted in columns.items():
    data = names["data"][name]
    assert len(data) == reported[f"trl_{name}.jsonl"][0]
    assert wanted <= set(data.column_names)
    assert names["is_conversational"](data[0])
    assert all(r["prompt"][0]["role"] == "user" for r in data)
# TRL's own conversion of pairs into labelled records accepts the preferences.
from trl.data_utils import unpair_preference_dataset

pairs = names["data"]["dpo"].select_columns(["prompt", "chosen", "rejected"])
unpaired = unpair_preference_dataset(pairs)
assert len(unpaired) == 2 * len(pairs) and sum(unpaired["label"]) == len(pairs)
seen["trl"] = len(columns)
print(json.dumps(seen))
