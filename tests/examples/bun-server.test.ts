// runtimes: node
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";
import { startExample } from "./example-process.ts";

const cluster = await startEmbeddedCluster();
const routers = cluster.routers.map(({ address }) => address).join(",");
const servers = [0, 1].map(() =>
  startExample("examples/bun-server.ts", { KVLAB_ROUTERS: routers, PORT: "0" }),
);
after(async () => {
  await Promise.all(servers.map((server) => server.kill()));
  await cluster.close();
});
const urls = await Promise.all(
  servers.map(async (server) => (await server.says(/http:\/\/localhost:\d+/))[0]),
);

/** One call to one of the servers, as `curl` would make it. */
function call(
  server: 0 | 1,
  method: string,
  path: string,
  init: { headers?: Record<string, string>; body?: string } = {},
) {
  return fetch(`${urls[server]}${path}`, { method, ...init });
}

test("what one server of the Bun example was given, another answers with", { timeout: 60_000 }, async () => {
  const put = await call(0, "PUT", "/notes/shopping", { body: "milk" });
  assert.equal(put.status, 204);
  const got = await call(1, "GET", "/notes/shopping");
  assert.equal(await got.text(), "milk");
  assert.equal(got.headers.get("etag"), put.headers.get("etag"));
  assert.equal((await call(1, "DELETE", "/notes/shopping")).status, 204);
  assert.equal((await call(0, "GET", "/notes/shopping")).status, 404);
  assert.equal((await call(0, "DELETE", "/notes/shopping")).status, 404);
});

test("of two who change the same note of the Bun example, the second is refused", {
  timeout: 60_000,
}, async () => {
  const etag =
    (await call(0, "PUT", "/notes/plan", { headers: { "if-none-match": "*" }, body: "a" })).headers.get(
      "etag",
    ) ?? "";
  assert.equal(
    (await call(1, "PUT", "/notes/plan", { headers: { "if-none-match": "*" }, body: "b" })).status,
    412,
  );
  const second = await call(0, "PUT", "/notes/plan", { headers: { "if-match": etag }, body: "c" });
  assert.equal(second.status, 204);
  const third = await call(1, "PUT", "/notes/plan", { headers: { "if-match": etag }, body: "d" });
  assert.equal(third.status, 412);
  assert.equal(
    third.headers.get("etag"),
    second.headers.get("etag"),
    "the refusal names the present revision",
  );
  assert.equal(await (await call(0, "GET", "/notes/plan")).text(), "c");
});

test("the Bun example says what is wrong with a call", { timeout: 60_000 }, async () => {
  assert.equal((await call(0, "GET", "/")).status, 404);
  assert.equal((await call(0, "POST", "/notes/a", { body: "" })).status, 405);
  const wrong = await call(0, "PUT", "/notes/a", { headers: { "if-match": '"one"' }, body: "" });
  assert.equal(wrong.status, 400);
  assert.match(await wrong.text(), /ifRevision is NaN/);
});
