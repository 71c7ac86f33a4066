import { after, describe } from "node:test";
import { accessTests } from "./conformance/access.ts";
import { concurrencyTests } from "./conformance/concurrency.ts";
import type { ServiceUnderTest } from "./conformance/service.ts";
import { sessionTests } from "./conformance/sessions.ts";
import { watchTests } from "./conformance/watches.ts";
import { znodeTests } from "./conformance/znodes.ts";

/** What every driver of Coordination promises. `start` starts the service that all tests of one run share. */
export function coordinationConformance(driver: string, start: () => Promise<ServiceUnderTest>): void {
  describe(`coordination, ${driver} driver`, { timeout: 300_000 }, () => {
    let starting: Promise<ServiceUnderTest> | undefined;
    // Not in a hook: Bun gives hooks five seconds, whatever they ask for.
    const service = () => {
      starting ??= start();
      return starting;
    };
    after(async () => (await starting)?.stop());

    describe("znodes", () => znodeTests(service));
    describe("concurrency", () => concurrencyTests(service));
    describe("watches", () => watchTests(service));
    describe("sessions", () => sessionTests(service));
    describe("access", () => accessTests(service));
  });
}
