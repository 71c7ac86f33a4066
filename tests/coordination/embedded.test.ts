import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/common/clock.ts";
import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import type { ServiceUnderTest } from "../support/conformance/service.ts";
import { coordinationConformance } from "../support/coordination-conformance.ts";

function underTest(service: EmbeddedCoordination, stop: () => Promise<void>): ServiceUnderTest {
  return {
    open: ({ signal, ...client } = {}) => service.opener(client)(signal === undefined ? {} : { signal }),
    cut: async (session) => service.disconnect(session),
    mend: async (session) => service.reconnect(session),
    expire: async (session) => service.expire(session),
    stop,
  };
}

coordinationConformance("embedded", async () => {
  const service = await EmbeddedCoordination.start({ clock: systemClock });
  return underTest(service, () => service.close());
});

coordinationConformance("embedded, with a file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kvlab-embedded-"));
  const service = await EmbeddedCoordination.start({ clock: systemClock, file: join(folder, "state") });
  return underTest(service, async () => {
    await service.close();
    await rm(folder, { recursive: true });
  });
});
