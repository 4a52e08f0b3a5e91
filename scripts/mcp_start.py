"""How long an editor waits for `memrl mcp`: start to first answer, first and second retrieve, end.

Usage: mcp_start.py MEMRL DATA_DIR [RUNS]    e.g. scripts/mcp_start.py target/release/memrl /tmp/memory 50
Prints medians in milliseconds. Each run is a process of its own.
"""

import json
import statistics
import subprocess
import sys
import time


def message(id, method, params):
    return json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).encode() + b"\n"


CLIENT = {"name": "mcp_start", "version": "1"}
INITIALIZE = message(1, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT})
RETRIEVE = message(2, "tools/call", {"name": "memrl_retrieve", "arguments": {"query": "login redirect"}})


def main(memrl, data_dir, runs="50"):
    waits = {"start to first answer": [], "start to first retrieve": [], "second retrieve": [], "end of input to end": []}
    for _ in range(int(runs)):
        start = time.perf_counter()
        server = subprocess.Popen([memrl, "mcp", "--data-dir", data_dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def ask(line, expected):
            server.stdin.write(line)
            server.stdin.flush()
            answer = server.stdout.readline()
            assert expected in answer, answer

        def note(what, since):
            waits[what].append((time.perf_counter() - since) * 1000)

        ask(INITIALIZE, b'"protocolVersion"')
        note("start to first answer", start)
        ask(RETRIEVE, b'"isError":false')
        note("start to first retrieve", start)
        begin = time.perf_counter()
        ask(RETRIEVE, b'"isError":false')
        note("second retrieve", begin)
        begin = time.perf_counter()
        server.stdin.close()
        assert server.wait() == 0
        note("end of input to end", begin)
    for what, times in waits.items():
        print(f"{what}: median {statistics.median(times):.1f} ms, least {min(times):.1f} ms")


main(*sys.argv[1:])
