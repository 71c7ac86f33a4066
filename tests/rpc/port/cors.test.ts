import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cors } from "@connectrpc/connect";
import type { AllowedOrigins } from "../../../src/rpc/port/cors.ts";
import { callHeaders, dial, framesIn, headersFrame, http2Hello } from "../../support/raw-client.ts";
import { startToyNode, type ToyNode } from "../../support/toy-node.ts";
import { until } from "../../support/until.ts";

const origin = "https://page.example";
const path = "/kvlab.v1.DataService/Put";

async function withNode(
  allowedOrigins: AllowedOrigins | undefined,
  run: (node: ToyNode) => Promise<void>,
): Promise<void> {
  const node = await startToyNode(allowedOrigins === undefined ? {} : { allowedOrigins });
  try {
    await run(node);
  } finally {
    await node.close();
  }
}

/** The head of an answer: its status line, and its fields with names in lower case. */
async function headOf(node: ToyNode, method: string, headers: readonly string[], body = "") {
  const client = await dial(node.port);
  const lines = [`${method} ${path} HTTP/1.1`, "Host: a", "Connection: close", ...headers, "", body];
  client.send(lines.join("\r\n"));
  const [head = ""] = (await client.closed).split("\r\n\r\n");
  const [status = "", ...fields] = head.split("\r\n");
  const pairs = fields
    .map((line) => line.split(": ", 2))
    .map(([name = "", value = ""]) => [name.toLowerCase(), value]);
  return { status, fields: new Map(pairs as [string, string][]) };
}

const preflight = [`Origin: ${origin}`, "Access-Control-Request-Method: POST"];
const call = [`Origin: ${origin}`, "Content-Type: application/json", "Content-Length: 11"];
const body = '{"key":"a"}';

function list(value: string | undefined): string[] {
  return (value ?? "").split(", ");
}

describe("a page of another origin", () => {
  it("may call by default: preflight and call say so", () =>
    withNode(undefined, async (node) => {
      const before = await headOf(node, "OPTIONS", preflight);
      assert.match(before.status, / 204 /);
      assert.equal(before.fields.get("access-control-allow-origin"), "*");
      assert.deepEqual(list(before.fields.get("access-control-allow-methods")), [...cors.allowedMethods]);
      assert.equal(before.fields.get("access-control-max-age"), "7200");
      const { status, fields } = await headOf(node, "POST", call, body);
      assert.match(status, / 200 /);
      assert.equal(fields.get("access-control-allow-origin"), "*");
      const exposed = list(fields.get("access-control-expose-headers"));
      assert.deepEqual(exposed, [...cors.exposedHeaders, "Grpc-Encoding", "Accept-Post", "Allow"]);
      assert.ok(node.values.has("a"));
    }));

  it("may send any header fields: those of tracing and authentication, too", () =>
    withNode(undefined, async (node) => {
      const asked = "authorization,content-type,traceparent,x-datadog-trace-id";
      const { fields } = await headOf(node, "OPTIONS", [
        ...preflight,
        `Access-Control-Request-Headers: ${asked}`,
      ]);
      assert.equal(fields.get("access-control-allow-headers"), asked);
      assert.equal(fields.get("vary"), "Access-Control-Request-Headers");
      assert.equal(fields.get("access-control-allow-credentials"), undefined);
    }));

  it("does not get from the internet into a private network", () =>
    withNode(undefined, async (node) => {
      const asked = [...preflight, "Access-Control-Request-Private-Network: true"];
      const { fields } = await headOf(node, "OPTIONS", asked);
      assert.equal(fields.get("access-control-allow-private-network"), undefined);
    }));

  it("reads errors, too, also of methods that there are not", () =>
    withNode(undefined, async (node) => {
      const response = await fetch(`${node.baseUrl}/nothing`, { method: "POST", headers: { origin } });
      assert.equal(response.status, 501);
      assert.equal(response.headers.get("access-control-allow-origin"), "*");
    }));

  it("may call if it is listed", () =>
    withNode(["https://other.example", origin], async (node) => {
      const { fields } = await headOf(node, "OPTIONS", preflight);
      assert.equal(fields.get("access-control-allow-origin"), origin);
      assert.equal(fields.get("vary"), "Origin, Access-Control-Request-Headers");
    }));

  it("is not told that it may if it is not listed", () =>
    withNode(["https://other.example"], async (node) => {
      for (const answer of [
        await headOf(node, "OPTIONS", preflight),
        await headOf(node, "POST", call, body),
      ]) {
        assert.equal(answer.fields.get("access-control-allow-origin"), undefined);
        assert.match(answer.fields.get("vary") ?? "", /^Origin\b/);
      }
    }));

  it("gets its preflight answered over HTTP/2", () =>
    withNode(undefined, async (node) => {
      const client = await dial(node.port);
      const headers = {
        ...callHeaders(path),
        ":method": "OPTIONS",
        origin,
        "access-control-request-method": "POST",
      };
      client.send(http2Hello);
      client.send(headersFrame(1, headers, true));
      const answered = () =>
        framesIn(client.received()).some(({ type, stream }) => type === "HEADERS" && stream === 1);
      await until("the preflight is answered", 5_000, answered);
      client.socket.destroy();
    }));
});

describe("a client that is no page", () => {
  it("gets no such headers", () =>
    withNode(undefined, async (node) => {
      const { fields } = await headOf(node, "POST", call.slice(1), body);
      assert.ok([...fields.keys()].every((name) => !name.startsWith("access-control-")));
    }));
});
