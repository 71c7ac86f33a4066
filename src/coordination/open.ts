import type { OpenSession } from "./coordination.ts";
import { openWire } from "./wire/open-wire.ts";

/**
 * Opens sessions with the ZooKeeper of the settings, through the driver that they choose. Only `wire` follows changes of
 * the ensemble's members.
 */
export function openCoordination(settings: {
  readonly zooaddr: string;
  /** Digest credentials `user:password`. */
  readonly zooauth: string | undefined;
  readonly zkdriver: "wire" | "native";
  readonly sessiontimeoutms: number;
}): OpenSession {
  const { zooaddr, zooauth, zkdriver, sessiontimeoutms } = settings;
  const given = {
    connectString: zooaddr,
    sessionTimeoutMs: sessiontimeoutms,
    ...(zooauth === undefined ? {} : { auth: zooauth }),
  };
  if (zkdriver === "wire") return openWire({ ...given, followEnsemble: true });
  return async (options) => {
    // Loaded only when it is chosen: its addon runs on Node.js only.
    const { openNative } = await import("./native/open.ts");
    return await openNative(given)(options);
  };
}
