import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { announcedAddress, firstOuterAddress, hostOf } from "../../src/settings/announced.ts";
import { SettingError } from "../../src/settings/read-settings.ts";
import { addressOf } from "../support/address.ts";

const serverport = 2000;

describe("the announced address", () => {
  it("is that of the setting, wherever the server listens", () => {
    const announce = addressOf("data-1.example:2001");
    for (const serverip of ["127.0.0.1", "0.0.0.0", "::", "fe80::1%eth0"]) {
      assert.equal(announcedAddress({ serverip, serverport, announce }), announce);
    }
  });

  it("is the address where the server listens, with brackets around IPv6", () => {
    assert.equal(announcedAddress({ serverip: "10.0.0.1", serverport }), "10.0.0.1:2000");
    assert.equal(announcedAddress({ serverip: "::1", serverport }), "[::1]:2000");
    assert.equal(announcedAddress({ serverip: "Data_1", serverport }), "data_1:2000");
  });

  it("is never a wildcard, but the first address that is not loopback, if there is one", () => {
    const outer = firstOuterAddress();
    for (const serverip of ["0.0.0.0", "::", "::0", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0"]) {
      const announced = () => announcedAddress({ serverip, serverport, announce: undefined });
      if (outer !== undefined)
        assert.equal(announced(), outer.includes(":") ? `[${outer}]:2000` : `${outer}:2000`);
      else
        assert.throws(announced, /serverip is ".*": this machine has no address but loopback; .* announce/);
    }
  });

  it("has the host that an agent reports of a machine with such an address, too", () => {
    assert.equal(hostOf("0.0.0.0"), firstOuterAddress());
    assert.equal(hostOf("10.0.0.1"), "10.0.0.1");
  });

  it("never has a zone or is link-local: then the setting announce is required", () => {
    for (const serverip of ["fe80::1%eth0", "fe80::1", "::1%lo"]) {
      assert.throws(
        () => announcedAddress({ serverip, serverport, announce: undefined }),
        (error) =>
          error instanceof SettingError &&
          error.message.startsWith(`serverip is "${serverip}": it means something on this machine only`) &&
          error.message.endsWith("or the setting announce (host:port) beside it"),
      );
      assert.throws(
        () => announcedAddress({ serverip, serverport }),
        /allowed: an address that others can reach$/,
      );
    }
  });
});
