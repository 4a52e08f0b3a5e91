"""Agreement of memrl's off-policy estimators with vw-estimators and the Open Bandit Pipeline, on the same numbers.

    python -m venv venv && venv/bin/pip install vw-estimators obp
    cargo build -p memrl-learn --example ope
    venv/bin/python scripts/ope_agreement.py [target/debug/examples/ope]

Three random logs of 2,000 rounds and 7 actions, and 500 slates of 4 slots. Prints one line per estimator and source with the largest
absolute difference, and fails when one is above 1e-9. A library that is not installed is left out, and said so.
"""

import json
import subprocess
import sys

import numpy as np

BINARY = sys.argv[1] if len(sys.argv) > 1 else "target/debug/examples/ope"
ACTIONS, ROUNDS, SLATES, SLOTS, CLIP, LAMBDA = 7, 2000, 500, 4, 2.0, 2.0


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def made(seed):
    rng = np.random.default_rng(seed)
    log, target = (softmax(rng.normal(size=(ROUNDS, ACTIONS))) for _ in range(2))
    log[:, 0] *= 0.05  # some rare actions, so that weights are large
    log /= log.sum(axis=1, keepdims=True)
    action = np.array([rng.choice(ACTIONS, p=p) for p in log])
    mean, q = rng.random((ROUNDS, ACTIONS)), rng.random((ROUNDS, ACTIONS))
    rows = np.arange(ROUNDS)
    reward = (rng.random(ROUNDS) < mean[rows, action]).astype(float)
    return dict(
        log=log, target=target, action=action, reward=reward, q=q, rows=rows,
        pscore=log[rows, action],
    )


def made_slates(seed):
    rng = np.random.default_rng(1000 + seed)
    pairs = lambda: rng.uniform(0.1, 1.0, size=(SLATES, SLOTS, 2))
    marginal, step = pairs(), pairs()
    prefix = step.cumprod(axis=1)
    reward = rng.integers(0, 2, size=(SLATES, SLOTS)).astype(float)
    return dict(marginal=marginal, prefix=prefix, reward=reward)


def ours(d, s):
    v = (d["target"] * d["q"]).sum(axis=1)
    at = lambda x: x[d["rows"], d["action"]]
    rounds = [
        dict(reward=r, target=e, logging=b, q=q, v=v)
        for r, e, b, q, v in zip(d["reward"], at(d["target"]), d["pscore"], at(d["q"]), v)
    ]
    slates = [
        dict(
            joint=list(s["prefix"][i, -1]),
            slots=[
                dict(reward=s["reward"][i, l], marginal=list(s["marginal"][i, l]), prefix=list(s["prefix"][i, l]))
                for l in range(SLOTS)
            ],
        )
        for i in range(SLATES)
    ]
    text = json.dumps(dict(rounds=rounds, slates=slates, clip=CLIP, **{"lambda": LAMBDA}))
    out = subprocess.run([BINARY], input=text, capture_output=True, text=True, check=True).stdout
    out = json.loads(out)
    return {**out["rounds"]["logged"], **out["slates"]}


def by_hand(d, s):
    """The formulas of the documentation, in numpy."""
    at = lambda x: x[d["rows"], d["action"]]
    w, r, q = at(d["target"]) / d["pscore"], d["reward"], at(d["q"])
    v = (d["target"] * d["q"]).sum(axis=1)
    m, p, y = (s[k] for k in ("marginal", "prefix", "reward"))
    wm, wp = m[..., 1] / m[..., 0], p[..., 1] / p[..., 0]
    return {
        "ips": (w * r).mean(),
        "ips_clipped": (np.minimum(w, CLIP) * r).mean(),
        "snips": (w * r).sum() / w.sum(),
        "dm": v.mean(),
        "dr": (v + w * (r - q)).mean(),
        "switch_dr": (v + (w <= LAMBDA) * w * (r - q)).mean(),
        "dr_os": (v + LAMBDA * w / (w * w + LAMBDA) * (r - q)).mean(),
        "sips": (wp[:, -1] * y.sum(axis=1)).mean(),
        "iips": (wm * y).sum(axis=1).mean(),
        "rips": (wp * y).sum(axis=1).mean(),
        "pi": (y.sum(axis=1) * (1 - SLOTS + wm.sum(axis=1))).mean(),
    }


def vw(d, s):
    from estimators.bandits import ips, snips
    from estimators.slates import pseudo_inverse

    out = {}
    for name, module in (("ips", ips), ("snips", snips)):
        e = module.Estimator()
        for b, r, p in zip(d["pscore"], d["reward"], d["target"][d["rows"], d["action"]]):
            e.add_example(b, r, p)
        out[name] = e.get()
    e = pseudo_inverse.Estimator()
    for m, r in zip(s["marginal"], s["reward"]):
        e.add_example(list(m[:, 0]), r.sum(), list(m[:, 1]))
    out["pi"] = e.get()
    return out


def obp(d, s):
    from obp.ope import estimators as o
    from obp.ope import estimators_slate as sl

    common = dict(
        reward=d["reward"], action=d["action"], position=np.zeros(ROUNDS, dtype=int),
        pscore=d["pscore"], action_dist=d["target"][:, :, None],
        estimated_rewards_by_reg_model=d["q"][:, :, None],
    )
    of = {
        "ips": o.InverseProbabilityWeighting(),
        "snips": o.SelfNormalizedInverseProbabilityWeighting(),
        "dm": o.DirectMethod(),
        "dr": o.DoublyRobust(),
        "switch_dr": o.SwitchDoublyRobust(tau=LAMBDA),
        "dr_os": o.DoublyRobustWithShrinkage(lambda_=LAMBDA),
    }
    out = {k: float(e.estimate_policy_value(**common)) for k, e in of.items()}
    flat = dict(
        slate_id=np.repeat(np.arange(SLATES), SLOTS),
        reward=s["reward"].ravel(),
        position=np.tile(np.arange(SLOTS), SLATES),
    )
    joint = np.repeat(s["prefix"][:, -1], SLOTS, axis=0)
    for name, kind, logged, evaluated, suffix in (
        ("sips", sl.SlateStandardIPS, joint[:, 0], joint[:, 1], ""),
        ("iips", sl.SlateIndependentIPS, *s["marginal"].reshape(-1, 2).T, "_item_position"),
        ("rips", sl.SlateRewardInteractionIPS, *s["prefix"].reshape(-1, 2).T, "_cascade"),
    ):
        p = {f"pscore{suffix}": logged, f"evaluation_policy_pscore{suffix}": evaluated}
        out[name] = float(kind(len_list=SLOTS).estimate_policy_value(**flat, **p))
    return out


def version(package):
    from importlib.metadata import version

    return f"{package} {version(package)}"


def main():
    sources = {"numpy": (by_hand, "numpy"), "vw": (vw, "vw-estimators"), "obp": (obp, "obp")}
    worst = {}
    for seed in range(3):
        d, s = made(seed), made_slates(seed)
        mine = ours(d, s)
        for key, (source, package) in sources.items():
            try:
                theirs = source(d, s)
            except ImportError as e:
                print(f"left out: {package} ({e})")
                continue
            for name, value in theirs.items():
                at = (version(package), name)
                worst[at] = max(worst.get(at, 0.0), abs(mine[name] - value))
    for (package, name), gap in worst.items():
        print(f"{package:24} {name:12} {gap:.1e}")
    if any(gap > 1e-9 for gap in worst.values()):
        sys.exit("they do not agree")
    print(f"{len(worst)} comparisons agree to 1e-9")


main()
