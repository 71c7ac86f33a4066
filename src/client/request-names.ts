import { create } from "@bufbuild/protobuf";
import { type RequestId, RequestIdSchema } from "../../gen/kvlab/v1/data_pb.ts";

/** Bytes that tell one client from all others. */
const clientBytes = 12;

/** Names writes, so that a server recognises one that is repeated. No two clients give the same name. */
export class RequestNames {
  readonly #client: string;
  /** By group, the highest revision that was seen. */
  readonly #seen = new Map<string, bigint>();
  #count = 0;

  constructor(randomBytes: (count: number) => Uint8Array) {
    this.#client = textOf(randomBytes(clientBytes));
  }

  /** A name that was never given before. */
  next(): string {
    return `${this.#client}-${(this.#count++).toString(36)}`;
  }

  /** The request id of a write that is now sent to `group` for the first time. */
  requestId(id: string, group: string): RequestId {
    return create(RequestIdSchema, { id, afterRevision: this.#seen.get(group) ?? 0n });
  }

  /** Remembers that the group has come to this revision. */
  saw(group: string, revision: bigint): void {
    if (revision > (this.#seen.get(group) ?? 0n)) this.#seen.set(group, revision);
  }

  /** The groups are those of another cluster now. */
  forget(): void {
    this.#seen.clear();
  }
}

/** Bytes as A-Z, a-z, 0-9, - and _. */
function textOf(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}
