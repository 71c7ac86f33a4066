import { create } from "@bufbuild/protobuf";
import { type RequestId, RequestIdSchema } from "../../gen/kvlab/v1/data_pb.ts";

/** Names writes, so that a repeated one is known again; no two clients give the same name. */
export interface RequestNames {
  /** A name that was never given before. */
  next(): string;
  /** What a write to `group` says of itself, when it is sent now for the first time. */
  requestId(id: string, group: string): RequestId;
  /** Keeps in mind that the group has come to this revision. */
  saw(group: string, revision: bigint): void;
  /** The groups are those of another cluster now. */
  forget(): void;
}

export function createRequestNames(): RequestNames {
  const client = random96Bits();
  const seen = new Map<string, bigint>();
  let count = 0;
  return {
    next: () => `${client}-${(count++).toString(36)}`,
    requestId: (id, group) => create(RequestIdSchema, { id, afterRevision: seen.get(group) ?? 0n }),
    saw(group, revision) {
      if (revision > (seen.get(group) ?? 0n)) seen.set(group, revision);
    },
    forget: () => seen.clear(),
  };
}

/** 16 characters of A-Z, a-z, 0-9, - and _. */
function random96Bits(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}
