// runtimes: node
import assert from "node:assert/strict";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import { mock, test } from "node:test";
import { firstOuterAddress } from "../../src/settings/announced.ts";

// Only on Node.js can a test put something in the place of what the system says.

test("where the system hides its network interfaces, a machine has no address but loopback", () => {
  const shown = mock.method(os, "networkInterfaces", () => {
    throw new Error("A system error occurred: uv_interface_addresses returned EAFNOSUPPORT");
  });
  syncBuiltinESMExports();
  try {
    assert.equal(firstOuterAddress(), undefined);
    assert.equal(shown.mock.callCount(), 1);
  } finally {
    shown.mock.restore();
    syncBuiltinESMExports();
  }
});
