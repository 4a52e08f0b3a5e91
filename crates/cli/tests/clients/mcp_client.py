"""Talks to memrl with the official Python client: every tool, every kind of resource.

Usage: mcp_client.py MODE stdio COMMAND [ARG...]    MODE is legacy (initialize) or auto (server/discover first)
       mcp_client.py MODE http URL TOKEN
Prints one JSON object about what it saw; ends with an error when the client was not content. The client checks
structured content against the output schemas by itself.
"""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError


def server(kind, rest):
    if kind == "stdio":
        return StdioServerParameters(command=rest[0], args=rest[1:], env=dict(os.environ))
    url, token = rest
    return streamable_http_client(url, http_client=httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}))


async def call(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, (tool, result)
    assert result.content[0].text, (tool, result)
    assert result.structured_content is not None, (tool, result)
    return result.structured_content


async def main(mode, kind, *rest):
    seen = {}
    async with Client(server(kind, rest), mode=mode) as client:
        seen["revision"] = client.session.protocol_version
        tools = (await client.list_tools()).tools
        seen["tools"] = [t.name for t in tools]
        for tool in tools:
            assert tool.title and tool.description and tool.output_schema, tool
            notes = tool.annotations
            hints = (notes.read_only_hint, notes.destructive_hint, notes.idempotent_hint, notes.open_world_hint)
            assert None not in hints, tool
        project = f"python-{mode}-{kind}"
        captured = await call(
            client, "memrl_capture", summary=f"Fixed the retry loop of the uploader ({project}) 🚀", task_type="bugfix",
            outcome="success", project=project, files_modified=["up.py"], tags=["net"],
            errors_resolved=[{"error": "Errno 104", "resolution": "retry with backoff"}], learnings=["back off"],
        )
        found = await call(client, "memrl_retrieve", query="uploader retry loop", project=project, limit=10**17)
        assert captured["id"] in [h["id"] for h in found["hits"]], found
        judged = await call(
            client, "memrl_feedback", episode_ids=[captured["cite"]], helpful=True, decision_id=found["decision_id"]
        )
        assert judged["judged"] == [captured["id"]], judged
        assert (await call(client, "memrl_status", project=project))["episodes"] == 1
        assert (await call(client, "memrl_stats", project=project))["episodes"] == 1
        await call(client, "memrl_propagate", temporal=True)
        await call(client, "memrl_review", project=project, action="analyze")
        listed = await call(client, "memrl_retrieve", all=True, project=project)
        assert [h["id"] for h in listed["hits"]] == [captured["id"]], listed
        shown = await call(client, "memrl_retrieve", id=captured["id"])
        assert shown["hits"][0]["episode"]["context"]["files_modified"] == ["up.py"], shown
        refused = await client.call_tool("memrl_retrieve", {"query": "x", "limit": "3"})
        assert refused.is_error and "limit" in refused.content[0].text, refused

        templates = (await client.list_resource_templates()).resource_templates
        seen["templates"] = [t.uri_template for t in templates]
        await client.list_resources()
        for uri in (
            f"memrl://cell/{captured['id']}",
            f"memrl://episode/{captured['id']}",
            f"memrl://decision/{found['decision_id']}",
        ):
            read = await client.read_resource(uri)
            assert read.contents[0].mime_type == "application/json", read
            json.loads(read.contents[0].text)
        try:
            await client.read_resource("memrl://cell/00000000-0000-4000-8000-000000000000")
            raise AssertionError("a resource that is not there was read")
        except MCPError as error:
            seen["missing"] = error.error.code
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
