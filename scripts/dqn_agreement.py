#!/usr/bin/env python3
"""Whether memrl's conservative double Q-learning agrees with d3rlpy's on a table problem.

    python3 scripts/dqn_agreement.py [ALPHA ...]        default: 0 0.3 1

Needs d3rlpy (any 2.x; made with 2.3.0 and PyTorch 1.13 for CPUs) and cargo. The problem: states 0 to 5, actions 0 to 2; action a in
state s gives ((3 s + 5 a) % 7) / 7 - 0.3 and leads to state s + 1 + a % 2, and from 6 on it is over. The log holds each pair
1 + (s + a) % 3 times. Nothing is discounted. For each ALPHA (the weight of the conservative term; 0 is double DQN) it prints the largest difference
between Q of the two programs, and of each to value iteration where ALPHA is 0, and ends with 1 where a difference is above 0.05.
"""

import json
import subprocess
import sys

import numpy as np
import torch

if not hasattr(torch.optim.lr_scheduler, "LRScheduler"):  # PyTorch before 2.0
    torch.optim.lr_scheduler.LRScheduler = torch.optim.lr_scheduler._LRScheduler

import d3rlpy  # noqa: E402

torch.set_num_threads(1)
STATES, ACTIONS, STEPS = 6, 3, 6000


def reward(s, a):
    return ((3 * s + 5 * a) % 7) / 7 - 0.3


def value_iteration():
    q = np.zeros((STATES + 2, ACTIONS))
    for s in reversed(range(STATES)):
        for a in range(ACTIONS):
            q[s, a] = reward(s, a) + q[s + 1 + a % 2].max() * (s + 1 + a % 2 < STATES)
    return q[:STATES]


def ours(alpha):
    command = ["cargo", "bench", "-q", "-p", "memrl-learn", "--bench", "dqn", "--", "table", str(alpha)]
    return np.array(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def one_hot(s):
    return np.eye(STATES, dtype=np.float32)[s]


def episodes():
    """One transition each. Where it is not over, the episode is cut off after the next state, whose action does not count."""
    for s in range(STATES):
        for a in range(ACTIONS):
            to = s + 1 + a % 2
            seen = [s] if to >= STATES else [s, to]
            rest = len(seen) - 1
            yield from [
                d3rlpy.dataset.Episode(
                    observations=np.stack([one_hot(x) for x in seen]),
                    actions=np.array([[a]] + [[0]] * rest),
                    rewards=np.array([[reward(s, a)]] + [[0.0]] * rest, dtype=np.float32),
                    terminated=to >= STATES,
                )
            ] * (1 + (s + a) % 3)


def theirs(alpha):
    d3rlpy.seed(1)
    torch.manual_seed(1)
    shared = {
        "batch_size": 64,
        "gamma": 1.0,
        "learning_rate": 1e-3,
        "target_update_interval": 100,
    }
    config = (
        d3rlpy.algos.DiscreteCQLConfig(alpha=alpha, **shared)
        if alpha > 0
        else d3rlpy.algos.DoubleDQNConfig(**shared)
    )
    learner = config.create(device=False)
    log = d3rlpy.dataset.create_infinite_replay_buffer(list(episodes()))
    learner.fit(
        log,
        n_steps=STEPS,
        n_steps_per_epoch=STEPS,
        show_progress=False,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
    )
    pairs = [(s, a) for s in range(STATES) for a in range(ACTIONS)]
    seen, done = np.stack([one_hot(s) for s, _ in pairs]), np.array([a for _, a in pairs])
    return learner.predict_value(seen, done).reshape(STATES, ACTIONS)


def main():
    alphas = [float(a) for a in sys.argv[1:]] or [0.0, 0.3, 1.0]
    worst = 0.0
    for alpha in alphas:
        a, b = ours(alpha), theirs(alpha)
        gap = float(np.abs(a - b).max())
        worst = max(worst, gap)
        line = f"alpha {alpha}: largest difference {gap:.4f}, same greedy action in {int((a.argmax(1) == b.argmax(1)).sum())} of {STATES} states"
        if alpha == 0:
            truth = value_iteration()
            line += f"; to value iteration: memrl {np.abs(a - truth).max():.4f}, d3rlpy {np.abs(b - truth).max():.4f}"
        print(line, flush=True)
    print(f"d3rlpy {d3rlpy.__version__}, torch {torch.__version__}")
    sys.exit(worst > 0.05)


if __name__ == "__main__":
    main()
