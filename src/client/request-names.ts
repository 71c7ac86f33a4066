import { create } from "@bufbuild/protobuf";
import { type RequestId, RequestIdSchema } from "../../gen/kvlab/v1/data_pb.ts";

/** Random bytes that identify a client. */
const clientBytes = 12;

/** Makes request ids, by which a server recognises a write that it gets again. They are unique among all clients. */
export class RequestNames {
  readonly #client: string;
  /** By group: the highest revision seen since the group last told where it is. */
  readonly #seen = new Map<string, bigint>();
  #count = 0;

  constructor(randomBytes: (count: number) => Uint8Array) {
    this.#client = textOf(randomBytes(clientBytes));
  }

  /** A new id. */
  next(): string {
    return `${this.#client}-${(this.#count++).toString(36)}`;
  }

  /**
   * The request id of a write that is about to be sent to `group` for the first time. `toldRevision`: of the group that
   * gets it, where the routers or other nodes know better than this client which one that is.
   */
  requestId(id: string, group: string, toldRevision = this.#seen.get(group) ?? 0n): RequestId {
    return create(RequestIdSchema, { id, afterRevision: toldRevision });
  }

  /** Notes where the group is now, as it says itself: lower than before if the end of its log was given up. */
  is(group: string, revision: bigint): void {
    this.#seen.set(group, revision);
  }

  /** Notes that the group has reached this revision. */
  saw(group: string, revision: bigint): void {
    if (revision > (this.#seen.get(group) ?? 0n)) this.#seen.set(group, revision);
  }

  /** Forgets all revisions, because the groups are now those of another cluster. */
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
