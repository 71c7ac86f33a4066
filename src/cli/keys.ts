import type { GetResponse } from "../../gen/kvlab/v1/data_pb.ts";
import type { LocateResponse } from "../../gen/kvlab/v1/router_pb.ts";
import type { Routers } from "./routers.ts";

/** What is done with one key, in the terms of the command line and of the repl. */

export function put(routers: Routers, key: string, value: string | Uint8Array, signal?: AbortSignal) {
  const oneof =
    typeof value === "string" ? { case: "text" as const, value } : { case: "bytes" as const, value };
  return routers.ask(
    {
      what: `put ${quoted(key)}`,
      kind: "write",
      call: ({ data }, options) => data.put({ key, value: oneof }, options),
    },
    signal,
  );
}

export function get(routers: Routers, key: string, signal?: AbortSignal): Promise<GetResponse> {
  return routers.ask(
    { what: `get ${quoted(key)}`, kind: "read", call: ({ data }, options) => data.get({ key }, options) },
    signal,
  );
}

export function remove(routers: Routers, key: string, signal?: AbortSignal) {
  return routers.ask(
    {
      what: `delete ${quoted(key)}`,
      kind: "write",
      call: ({ data }, options) => data.delete({ key }, options),
    },
    signal,
  );
}

export function locate(routers: Routers, key: string, signal?: AbortSignal): Promise<LocateResponse> {
  return routers.ask(
    {
      what: `locate ${quoted(key)}`,
      kind: "read",
      call: ({ router }, options) => router.locate({ key }, options),
    },
    signal,
  );
}

/** The bytes of a value, whichever way it was put. */
export function bytesOf({ value }: GetResponse): Uint8Array {
  if (value.case === "text") return new TextEncoder().encode(value.value);
  return value.value ?? new Uint8Array();
}

/** Group and address of a key in one line; `-` when the group has no primary now. */
export function describePlace({ group, address }: LocateResponse): string {
  return `${group} ${address || "-"}`;
}

/** A key for an error message, which stays a line. */
function quoted(key: string): string {
  return JSON.stringify(key.length > 100 ? `${key.slice(0, 100)}…` : key);
}
