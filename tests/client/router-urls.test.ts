import assert from "node:assert/strict";
import { it } from "node:test";
import { KvClient, KvError } from "kvlab";
import { parseRouters } from "../../src/client/router-urls.ts";

it("a router is a URL or host:port, and several may stand in one text", () => {
  const forms: [unknown, string[]][] = [
    ["10.0.0.1:1926", ["http://10.0.0.1:1926"]],
    ["http://kv.example:1926/", ["http://kv.example:1926"]],
    ["HTTP://KV.example", ["http://kv.example"]],
    ["[::1]:1926", ["http://[::1]:1926"]],
    ["a:1, b:80", ["http://a:1", "http://b"]],
    [
      ["a:1", new URL("http://b:2")],
      ["http://a:1", "http://b:2"],
    ],
  ];
  for (const [given, urls] of forms) assert.deepEqual(parseRouters(given), urls);
});

it("what would be passed over in silence is refused, by name", () => {
  const wrong: [unknown, string][] = [
    [
      "https://a:1",
      'the router "https://a:1" asks for TLS, which is not there yet; allowed: http://host:port',
    ],
    ["grpc://a:1", "has the scheme grpc;"],
    ["http://a:1/kv", "has the path /kv;"],
    ["a:1/kv", "has the path /kv;"],
    ["http://a:1?x=1", "has the query ?x=1;"],
    ["http://a:1#top", "has the fragment #top;"],
    ["a", 'the router "a" has no port;'],
    ["a:0", "has the port 0"],
    ["", 'the router "" is no address;'],
    ["a:1,,b:2", 'the router "" is no address;'],
    ["http://", "is no address;"],
    ["a b:1", "is no address;"],
    ["a:99999", "is no address;"],
    [[], "there are no routers"],
    [undefined, "a router is given as undefined"],
    [[{}], "a router is given as object"],
  ];
  for (const [given, says] of wrong) {
    assert.throws(
      () => parseRouters(given),
      (error) => error instanceof KvError && error.code === "invalid" && error.message.includes(says),
      `${given}: ${says}`,
    );
  }
});

it("credentials are refused, and not shown", () => {
  for (const given of ["http://me:secret@a:1", "me:secret@a:1", "http://me:secret@a b"]) {
    assert.throws(
      () => parseRouters(given),
      ({ message }: Error) => message.includes("…@a") && !message.includes("secret"),
    );
  }
});

it("a client does not speak in clear text to who asks for TLS", () => {
  assert.throws(() => new KvClient({ routers: "https://127.0.0.1:1926" }), { code: "invalid" });
});
