"""How long commands, hooks and MCP tools take on a memory of many episodes.

Usage: experience_speed.py MEMRL DIR [EPISODES]    e.g. scripts/experience_speed.py target/release/memrl /tmp/speed 10000
Makes the memory in DIR when there is none. Prints medians and the best of 15 runs in milliseconds; commands and hooks are
processes of their own, the tools are calls to one `memrl mcp`.
"""

import json
import os
import subprocess
import sys
import time

VERBS = "fix add refactor debug document test speed-up migrate remove review".split()
THINGS = ["login redirect", "billing export", "checkout test", "search index", "image upload", "email queue", "session cache",
          "rate limiter", "backup job", "invoice template", "feature flag", "webhook retry", "metrics page", "access log", "password reset"]
WHYS = ["after the framework update", "because users in Japan see an error", "so that nightly builds pass", "on slow connections",
        "when the disk is full", "under load", "in the staging cluster", "for tenants with many seats", "in dark mode", "before the release"]
HOWS = ["by clearing the cookie", "by raising the timeout", "with a mutex around the cache", "by pinning the dependency",
        "with a retry and a backoff", "by moving it to a worker", "with an index on the table", "by validating the input",
        "by splitting the module", "with a golden test"]


def episode(i):
    x = i * 2654435761 % 15000
    text = f"{VERBS[x % 10]} the {THINGS[x // 10 % 15]} {WHYS[x // 150 % 10]} {HOWS[x // 1500 % 10]} (case {i})"
    trouble = {"error_type": "rustc", "message": "E0308 mismatched types", "resolved": True, "resolution": "changed the type"}
    payload = {
        "schema": 1, "project": f"p{i % 10}", "timestamp_start": "2026-11-01T10:00:00Z", "timestamp_end": "2026-11-01T10:30:00Z",
        "intent": {"raw_prompt": text, "extracted_intent": text, "task_type": "bugfix", "domain": ["auth", "api"]},
        "context": {"files_read": ["src/a.rs", "src/b.rs"], "files_modified": ["src/a.rs"], "tools_invoked": ["cargo test"],
                    "errors_encountered": [trouble]},
        "outcome": {"status": "failure" if i % 3 == 0 else "success", "tests_after": {"passed": 10, "failed": 0, "skipped": 0}},
    }
    content = f"{text}. bugfix. Files: src/a.rs. Error: E0308 mismatched types: changed the type"
    return json.dumps({"type": "episode", "scope": {"project": f"p{i % 10}"}, "content": content, "payload": payload})


def report(name, times):
    times.sort()
    print(f"{name:<32} median {times[len(times) // 2] * 1e3:7.1f}   best {times[0] * 1e3:7.1f}", flush=True)


def main():
    memrl, directory = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
    env = {**os.environ, "MEMRL_DATA_DIR": directory, "MEMRL_PROJECT": "p3", "HOME": directory}
    os.makedirs(directory, exist_ok=True)

    def run(*args, given=None):
        done = subprocess.run([memrl, *args], env=env, input=given, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    if not os.path.exists(os.path.join(directory, "memrl.db")):
        file = os.path.join(directory, "episodes.jsonl")
        with open(file, "w") as out:
            out.writelines(episode(i) + "\n" for i in range(count))
        run("import", file, "--format", "jsonl")
        for thing in THINGS:
            run("retrieve", f"{thing} under load")
            run("feedback", "helpful", "--episodes", "last")

    def time_of(name, runs, *args, given=lambda i: None):
        times = []
        for i in range(runs):
            stdin = given(i)
            start = time.perf_counter()
            run(*args, given=stdin)
            times.append(time.perf_counter() - start)
        report(name, times)

    def told(event):
        return lambda i: json.dumps({"session_id": f"{event} {i} {time.time()}", "hook_event_name": event, "cwd": directory,
                                     "source": "startup", "prompt": "fix the login redirect under load"}).encode()

    time_of("memrl list", 15, "list", "10", "--type", "episode")
    time_of("memrl stats", 15, "stats")
    time_of("memrl stats --type episode", 15, "stats", "--type", "episode")
    time_of("memrl status", 15, "status")
    time_of("memrl retrieve", 15, "retrieve", "the login page redirects forever after the update")
    time_of("memrl propagate", 5, "propagate")
    time_of("memrl review", 5, "review")
    time_of("hook session-start", 15, "hook", "session-start", given=told("SessionStart"))
    time_of("hook prompt", 15, "hook", "prompt", given=told("UserPromptSubmit"))

    server = subprocess.Popen([memrl, "mcp"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(method, params):
        server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n")
        server.stdin.flush()
        answer = json.loads(server.stdout.readline())
        assert not answer["result"].get("isError"), answer
        return answer

    ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "speed", "version": "1"}})
    tools = {
        "memrl_retrieve": lambda i: {"query": f"{THINGS[i % 15]} {WHYS[i % 10]}"},
        "memrl_stats": lambda i: {},
        "memrl_status": lambda i: {},
        "memrl_capture": lambda i: {"summary": f"Fixed a thing at {time.time()}", "task_type": "bugfix", "outcome": "success"},
    }
    for tool, arguments in tools.items():
        times = []
        for i in range(15):
            params = {"name": tool, "arguments": arguments(i)}
            start = time.perf_counter()
            ask("tools/call", params)
            times.append(time.perf_counter() - start)
        report(f"MCP {tool}", times)
    server.stdin.close()
    server.wait()


if __name__ == "__main__":
    main()
