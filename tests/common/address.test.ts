import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { joinHostPort, parseAddress } from "../../src/common/address.ts";

describe("an address", () => {
  const good: Record<string, string> = {
    "a:1": "a:1",
    "Data-1.Example.org:01926": "data-1.example.org:1926",
    "data_1:80": "data_1:80",
    "xn--bcher-kva.example:1": "xn--bcher-kva.example:1",
    "v1.123abc:65535": "v1.123abc:65535",
    "10.0.0.1:2000": "10.0.0.1:2000",
    "[::1]:2000": "[::1]:2000",
    "[2001:DB8::0:1]:443": "[2001:db8::1]:443",
    "[::ffff:10.0.0.1]:1": "[::ffff:a00:1]:1",
  };

  it("is host:port in one form, so that equal addresses are equal texts", () => {
    for (const [given, address] of Object.entries(good)) assert.equal(parseAddress(given), address);
  });

  it("is accepted by every runtime in a URL, and left unchanged", () => {
    for (const address of Object.values(good)) {
      assert.equal(new URL(`http://${address}/`).hostname, address.replace(/:\d+$/, ""));
      assert.equal(parseAddress(address), address);
    }
  });

  const refused = {
    "what URLs refuse, or read as another host": [
      ...["data.1:1", "1.2.3.4.5:1", "1.2.3:4", "127.1:1", "1:1", "0x7f.1:1", "2130706433:1", "01.2.3.4:1"],
      ...[
        "256.1.1.1:1",
        "a..b:1",
        ".a:1",
        "a.:1",
        "-a:1",
        "\u00fc:1",
        "a%41:1",
        "a@b:1",
        "a/b:1",
        "a?b:1",
        "a b:1",
      ],
      ...[`${"x".repeat(64)}:1`, `${"x.".repeat(130)}x:1`, "[a]:1", "[]:1", "[::1:1", "::1:1", "[1::2::3]:1"],
    ],
    "what has no port, or none that can be": [
      "",
      "a",
      "a:",
      ":1",
      "a:0",
      "a:65536",
      "a:-1",
      "a:1e3",
      "a:1 ",
      "a:1\n",
    ],
    "more than host and port": ["http://a:1", "a:1/", "a:1/kv", "a:1,b:1", "me:secret@a:1"],
    "what means something on one machine only": [
      ...["0.0.0.0:1", "0.1.2.3:1", "[::]:1", "[0:0::0]:1", "[::ffff:0.0.0.0]:1"],
      ...["[fe80::1]:1", "[fe80::1%eth0]:1", "[fe80::1%25eth0]:1", "[febf::1]:1"],
    ],
    "what is for many": ["224.0.0.1:1", "255.255.255.255:1", "[ff02::1]:1"],
  };
  for (const [what, texts] of Object.entries(refused)) {
    it(`is not ${what}`, () => {
      for (const text of texts) assert.equal(parseAddress(text), undefined, text);
    });
  }

  it("is joined from host and port, with brackets around IPv6", () => {
    assert.equal(joinHostPort("10.0.0.1", 80), "10.0.0.1:80");
    assert.equal(joinHostPort("::", 80), "[::]:80");
  });
});
