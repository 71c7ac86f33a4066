// The declarations name AsyncDisposable, which a program that is compiled for browsers need not know.
/// <reference lib="esnext.disposable" preserve="true" />

/** The client of kvlab, for any program: `import { KvClient } from "kvlab"`. */

export { KvError, type KvErrorCode } from "./errors.ts";
export {
  type DeleteOptions,
  KvClient,
  type KvPlace,
  type KvWritten,
  type PutOptions,
} from "./kv-client.ts";
export type { BatchOptions, CallOptions, KvClientOptions } from "./options.ts";
export type {
  BatchStep,
  CompareStep,
  DeleteCondition,
  DeleteStep,
  PutCondition,
  PutStep,
} from "./requests.ts";
export type { Scan, ScanOptions } from "./scan.ts";
export { KvEntry, type KvKey, type KvValue } from "./values.ts";
export type { Watch, WatchOptions } from "./watch.ts";
export type { KvEvent, KvPrevious, KvProgress, KvPutEvent, KvRemoveEvent } from "./watch-events.ts";
