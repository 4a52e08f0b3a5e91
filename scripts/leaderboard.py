#!/usr/bin/env python3
"""Scores a policy on the open data set of `memrl bench dataset`: by the log, and by the truth. Standard library only, no randomness.

    python3 scripts/leaderboard.py --data DIR --submission FILE [--json]
    python3 scripts/leaderboard.py --data DIR --baseline similarity        # also: none, random, oracle

A submission has one row per decision of the `test` parts (JSON Lines, may be gzipped), either

    {"decision_id": "...", "slate": [4, 0, 7]}                    what is shown, by idx: a deterministic policy
    {"decision_id": "...", "scores": [0.3, -1.2, ...], "stop": 0.0}    one logit per candidate

Scores are turned into a slate greedily: critical memories first (in the order of the candidates), then by score what fits, nothing below `stop`
(default: fill the budget). For the log-based estimates scores stand for the Plackett-Luce policy with these logits (draws under the budget
mask, with STOP at `stop`); a slate stands for itself.

Printed per workload and in all, with r = reward:bounded_v1 and one weight per TRAJECTORY,

    w = Π_t π(slate_t) / Σ_c weight_c Π_t P(slate_t | component c)
    IPS = mean(w r)    SNIPS = Σ w r / Σ w    n_eff = (Σ w)² / Σ w²

and from the truth the mean expected reward, success, unsafe and stale rates of the greedy slates (docs/workloads.md), each with a 95 % interval
over trajectories (normal approximation). Estimates with n_eff below 30 say little; they are printed so that this can be seen.
"""

import argparse
import gzip
import hashlib
import json
import math
import os
import sys

PARTS = "test"


def lines(path):
    """The rows of a JSON Lines file, gzipped or not."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError as e:
                    sys.exit(f"{path}, line {number}: {e}")


def load(data):
    """Decisions of the test parts with items, reward and truth, by workload."""
    with open(os.path.join(data, "workloads.json"), encoding="utf-8") as f:
        outcomes = json.load(f)
    worlds = {}
    for name in sorted(outcomes):
        folder = os.path.join(data, name, PARTS)
        decisions = {d["decision_id"]: d for d in lines(os.path.join(folder, "decisions.jsonl.gz"))}
        for d in decisions.values():
            d["items"], d["reward"] = [], None
        for i in lines(os.path.join(folder, "decision_items.jsonl.gz")):
            i.pop("features", None)
            decisions[i["decision_id"]]["items"].append(i)
        for r in lines(os.path.join(folder, "rewards.jsonl.gz")):
            if r["component"] == "reward:bounded_v1":
                decisions[r["decision_id"]]["reward"] = r["value"]
        for t in lines(os.path.join(folder, "truth.jsonl.gz")):
            decisions[t["decision_id"]]["states"] = t["states"]
        for d in decisions.values():
            d["items"].sort(key=lambda i: i["idx"])
        worlds[name] = list(decisions.values())
    return worlds, outcomes


def room(d):
    """Tokens for memories, net of the overhead."""
    return d["budget_tokens"] - d["state"]["overhead_tokens"]


def placed(d):
    """Critical memories: shown first, most critical first as the log has them, as far as they fit."""
    order = [i["idx"] for i in d["items"] if i["critical"]]
    order.sort(key=lambda i: (d["items"][i]["position"] is None, d["items"][i]["position"] or 0))
    left, out = room(d), []
    for i in order:
        if d["items"][i]["tokens"] <= left:
            out.append(i)
            left -= d["items"][i]["tokens"]
    return out, left


def greedy(d, scores, stop):
    """The slate of scores; `stop` None fills the budget."""
    slate, left = placed(d)
    soft = [i["idx"] for i in d["items"] if not i["critical"]]
    soft.sort(key=lambda i: (-scores[i], i))
    for i in soft:
        cost = d["items"][i]["tokens"]
        if cost <= left and (stop is None or scores[i] >= stop) and len(slate) < d["state"]["max_cells"]:
            slate.append(i)
            left -= cost
    return slate


def log_sum_exp(xs):
    top = max(xs)
    return top if top == -math.inf else top + math.log(sum(math.exp(x - top) for x in xs))


def log_plackett_luce(d, scores, stop):
    """ln of the probability of the logged slate under Plackett-Luce with these logits."""
    shown = sorted((i for i in d["items"] if i["selected"]), key=lambda i: i["position"])
    _, left = placed(d)
    soft = {i["idx"]: i["tokens"] for i in d["items"] if not i["critical"]}
    stop = -math.inf if stop is None else stop
    total = 0.0
    for i in [i["idx"] for i in shown if not i["critical"]] + [None]:
        options = [scores[k] for k, cost in soft.items() if cost <= left]
        if i is None:
            if options:
                total += stop - log_sum_exp(options + [stop])
            return total
        if soft[i] > left:
            return -math.inf
        total += scores[i] - log_sum_exp(options + [stop])
        left -= soft.pop(i)


def expected(d, slate, o):
    """Expected reward, success, unsafe, stale of a slate, from the truth."""
    shown, needs, success, safe, fresh = set(slate), set(), 1.0, 1.0 - o["unsafe_base"], 1.0
    for i, state in enumerate(d["states"]):
        kind, _, need = state.partition(":")
        if i in shown:
            success *= o["keep"][kind]
            if kind == "current":
                needs.add(need)
            elif kind == "harmful":
                safe *= 1.0 - o["unsafe_harm"]
            elif kind == "outdated":
                fresh *= 1.0 - o["stale"]
        elif kind == "rule":
            safe *= 1.0 - o["unsafe_missing"]
    success *= o["success"][len(needs)]
    tokens = sum(d["items"][i]["tokens"] for i in slate) + (d["state"]["overhead_tokens"] if slate else 0)
    reward = 0.62 + 0.38 * success - 0.38 * (1 - safe) - 0.19 * (1 - fresh) - 0.03 * min(tokens / 1e5, 1)
    return reward, success, 1 - safe, 1 - fresh


def check(d, slate):
    """A slate must be of candidates, each once, within the budget, with the critical memories that fit."""
    n, name = len(d["items"]), d["decision_id"]
    if any(not isinstance(i, int) or not 0 <= i < n for i in slate) or len(set(slate)) < len(slate):
        sys.exit(f"{name}: the slate must be of candidates, each once")
    if sum(d["items"][i]["tokens"] for i in slate) > room(d):
        sys.exit(f"{name}: the slate breaks the budget of {d['budget_tokens']} tokens")
    if not set(placed(d)[0]) <= set(slate):
        sys.exit(f"{name}: the slate leaves out a critical memory that fits")


def log_components(group):
    """ln of the probability of what was done in a trajectory, under the mixture that did it."""
    parts = []
    for c, first in enumerate(group[0]["components"]):
        logs = [d["components"][c]["log_probability"] for d in group]
        if first["weight"] > 0 and None not in logs:
            parts.append(math.log(first["weight"]) + sum(logs))
    return log_sum_exp(parts) if parts else -math.inf


def mean_with_interval(values):
    n = len(values)
    mean = sum(values) / n
    sd = math.sqrt(sum((v - mean) ** 2 for v in values) / max(n - 1, 1))
    return mean, 1.96 * sd / math.sqrt(n)


def judge(decisions, submitted, o):
    """All numbers of one workload."""
    groups = {}
    for d in decisions:
        groups.setdefault(d["trajectory_id"], []).append(d)
    weights, rewards, truths = [], [], []
    for group in groups.values():
        log_w, truth = -log_components(group), [0.0] * 4
        for d in group:
            row = submitted.get(d["decision_id"])
            if row is None:
                sys.exit(f"the submission lacks decision {d['decision_id']}")
            if "slate" in row:
                slate = row["slate"]
                check(d, slate)
                done = sorted((i for i in d["items"] if i["selected"]), key=lambda i: i["position"])
                log_w += 0.0 if [i["idx"] for i in done] == slate else -math.inf
            else:
                scores, stop = row["scores"], row.get("stop")
                if len(scores) != len(d["items"]) or not all(math.isfinite(s) for s in scores):
                    sys.exit(f"{d['decision_id']}: expected {len(d['items'])} finite scores")
                slate = greedy(d, scores, stop)
                log_w += log_plackett_luce(d, scores, stop)
            truth = [a + b / len(group) for a, b in zip(truth, expected(d, slate, o))]
        weights.append(math.exp(log_w))
        rewards.append(group[0]["reward"] if len(group) == 1 else sum(d["reward"] for d in group) / len(group))
        truths.append(truth)
    total, squares = sum(weights), sum(w * w for w in weights)
    reward, within = mean_with_interval([t[0] for t in truths])
    return {
        "trajectories": len(weights),
        "reward": reward,
        "reward_within": within,
        "success": mean_with_interval([t[1] for t in truths])[0],
        "unsafe": mean_with_interval([t[2] for t in truths])[0],
        "stale": mean_with_interval([t[3] for t in truths])[0],
        "ips": sum(w * r for w, r in zip(weights, rewards)) / len(weights),
        "snips": sum(w * r for w, r in zip(weights, rewards)) / total if total > 0 else None,
        "n_eff": total * total / squares if squares > 0 else 0.0,
    }


def baseline(name, worlds):
    """A submission of a simple policy."""
    rows = {}
    for decisions in worlds.values():
        for d in decisions:
            if name == "none":
                rows[d["decision_id"]] = {"slate": placed(d)[0]}
                continue
            if name == "similarity":
                scores, stop = [i["score"] / 0.1 for i in d["items"]], None
            elif name == "random":
                digest = [hashlib.sha256(i["memory_id"].encode()).digest() for i in d["items"]]
                scores, stop = [int.from_bytes(h[:4], "big") / 2**32 for h in digest], None
            else:
                good = ("current", "rule")
                scores, stop = [float(s.partition(":")[0] in good) for s in d["states"]], 0.5
            rows[d["decision_id"]] = {"scores": scores, "stop": stop}
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the folder that `memrl bench dataset` wrote")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--submission", help="a file of rows, one per decision of the test parts")
    which.add_argument("--baseline", choices=["none", "random", "similarity", "oracle"])
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    worlds, outcomes = load(args.data)
    if args.baseline:
        submitted = baseline(args.baseline, worlds)
    else:
        submitted = {row["decision_id"]: row for row in lines(args.submission)}
    table = {name: judge(decisions, submitted, outcomes[name]) for name, decisions in worlds.items()}
    rows = list(table.values())
    keys = ["reward", "success", "unsafe", "stale"]
    table["mean of workloads"] = {k: sum(r[k] for r in rows) / len(rows) for k in keys}
    if args.json:
        print(json.dumps(table, indent=1))
        return
    print("| workload | trajectories | reward (truth) | success | unsafe | stale | SNIPS | IPS | n_eff |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, r in table.items():
        within = f" ± {r['reward_within']:.3f}" if "reward_within" in r else ""
        number = lambda key, r=r: "–" if r.get(key) is None else f"{r[key]:.3f}"
        shares = " | ".join(f"{100 * r[k]:.1f} %" for k in keys[1:])
        n_eff = f"{r['n_eff']:.0f}" if "n_eff" in r else "–"
        print(f"| {name} | {r.get('trajectories', '–')} | {r['reward']:.3f}{within} | {shares} | {number('snips')} | {number('ips')} | {n_eff} |")


if __name__ == "__main__":
    main()
