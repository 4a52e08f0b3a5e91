// Talks to memrl with the official TypeScript client: every tool, every kind of resource.
//
// Usage: mcp_client.mjs stdio COMMAND [ARG...]
//        mcp_client.mjs http URL TOKEN
// NODE_MODULES names the folder with @modelcontextprotocol/sdk. Prints one JSON object about what it saw; ends with an
// error when the client was not content. The client checks structured content against the output schemas by itself.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const sdk = (module) =>
  import(pathToFileURL(`${process.env.NODE_MODULES}/@modelcontextprotocol/sdk/dist/esm/client/${module}.js`).href);
const { Client } = await sdk("index");
const { StdioClientTransport } = await sdk("stdio");
const { StreamableHTTPClientTransport } = await sdk("streamableHttp");

const [kind, ...rest] = process.argv.slice(2);
const transport =
  kind === "stdio"
    ? new StdioClientTransport({ command: rest[0], args: rest.slice(1), env: { ...process.env } })
    : new StreamableHTTPClientTransport(new URL(rest[0]), {
        requestInit: { headers: { Authorization: `Bearer ${rest[1]}` } },
      });
const client = new Client({ name: "memrl-test", version: "1.0.0" });
await client.connect(transport);
assert.equal(client.getServerVersion().name, "memrl");
const seen = {};

const { tools } = await client.listTools();
seen.tools = tools.map((tool) => tool.name);
for (const tool of tools) {
  assert.ok(tool.title && tool.description && tool.outputSchema, tool.name);
  for (const hint of ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"])
    assert.equal(typeof tool.annotations[hint], "boolean", tool.name);
}

async function call(name, args = {}) {
  const result = await client.callTool({ name, arguments: args });
  assert.ok(!result.isError, `${name}: ${JSON.stringify(result)}`);
  assert.ok(result.content[0].text, name);
  return result.structuredContent;
}

const project = `typescript-${kind}`;
const captured = await call("memrl_capture", {
  summary: `Fixed the retry loop of the uploader (${project}) 🚀`,
  task_type: "bugfix",
  outcome: "success",
  project,
  files_modified: ["up.ts"],
  tags: ["net"],
  errors_resolved: [{ error: "ECONNRESET", resolution: "retry with backoff" }],
  learnings: ["back off"],
});
const found = await call("memrl_retrieve", { query: "uploader retry loop", project, limit: 1e17 });
assert.ok(found.hits.some((hit) => hit.id === captured.id), JSON.stringify(found));
const judged = await call("memrl_feedback", {
  episodes: [captured.cite],
  helpful: true,
  decision_id: found.decision_id,
});
assert.deepEqual(judged.judged, [captured.id]);
assert.equal((await call("memrl_status", { project })).episodes, 1);
assert.equal((await call("memrl_stats", { project })).episodes, 1);
await call("memrl_propagate", { temporal: true });
await call("memrl_review", { project, action: "analyze" });
const listed = await call("memrl_retrieve", { all: true, project });
assert.deepEqual(listed.hits.map((hit) => hit.id), [captured.id]);
const shown = await call("memrl_retrieve", { id: captured.id });
assert.deepEqual(shown.hits[0].episode.context.files_modified, ["up.ts"]);
const refused = await client.callTool({ name: "memrl_retrieve", arguments: { query: "x", limit: "3" } });
assert.ok(refused.isError && refused.content[0].text.includes("limit"), JSON.stringify(refused));

const { resourceTemplates } = await client.listResourceTemplates();
seen.templates = resourceTemplates.map((template) => template.uriTemplate);
await client.listResources();
for (const uri of [
  `memrl://cell/${captured.id}`,
  `memrl://episode/${captured.id}`,
  `memrl://decision/${found.decision_id}`,
]) {
  const { contents } = await client.readResource({ uri });
  assert.equal(contents[0].mimeType, "application/json");
  JSON.parse(contents[0].text);
}
await client.readResource({ uri: "memrl://cell/00000000-0000-4000-8000-000000000000" }).then(
  () => assert.fail("a resource that is not there was read"),
  (error) => (seen.missing = error.code),
);
await client.ping();
await client.close();
console.log(JSON.stringify(seen));
