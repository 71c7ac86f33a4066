import type { LogStore } from "../../src/cluster/storage/log-store.ts";

/** A log whose scans are opened by another function. */
export function withOpenScan(store: LogStore, openScan: LogStore["openScan"]): LogStore {
  return new Proxy(store, {
    get(target, name) {
      if (name === "openScan") return openScan;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
