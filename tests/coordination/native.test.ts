import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { openNative } from "../../src/coordination/native/open.ts";
import { coordinationConformance } from "../support/coordination-conformance.ts";
import { remoteService } from "../support/remote-service.ts";

const { bun, deno } = process.versions;

if (bun === undefined && deno === undefined) {
  coordinationConformance("native", () => remoteService(openNative));
} else {
  describe("coordination, native driver", () => {
    it("says that it runs on Node.js only", async () => {
      const opening = openNative({ connectString: "127.0.0.1:2181", sessionTimeoutMs: 1000 })();
      await assert.rejects(opening, {
        code: "BAD_ARGUMENTS",
        message: /zkdriver=native runs on Node\.js only/,
      });
    });
  });
}
