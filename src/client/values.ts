import type { GetResponse, PutRequest } from "../../gen/kvlab/v1/data_pb.ts";
import { KvError } from "./errors.ts";

/** The value of a key: text, or any bytes. It is returned in the form in which it was put. */
export type KvValue = string | Uint8Array;

/** A key without its value. */
export interface KvKey {
  readonly key: string;
  /** Rises strictly with every write or delete of the key. Use it in conditions, and as a fencing token. */
  readonly revision: number;
  /** Milliseconds until the key expires, as of the server's answer. Undefined when it does not expire. */
  readonly ttlLeftMs: number | undefined;
}

/** A key with its value. */
export class KvEntry implements KvKey {
  readonly key: string;
  /** The value, in the form in which it was put. */
  readonly value: KvValue;
  readonly revision: number;
  readonly ttlLeftMs: number | undefined;

  constructor(key: string, value: KvValue, revision: number, ttlLeftMs?: number) {
    this.key = key;
    this.value = value;
    this.revision = revision;
    this.ttlLeftMs = ttlLeftMs;
  }

  /** The value as text. Bytes are decoded as UTF-8, with U+FFFD for invalid bytes. */
  text(): string {
    return textOf(this.value);
  }

  /** The value as bytes. Text is encoded as UTF-8. */
  bytes(): Uint8Array {
    return typeof this.value === "string" ? encoder.encode(this.value) : this.value;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export function textOf(value: KvValue): string {
  return typeof value === "string" ? value : decoder.decode(value);
}

/** The form of a value in messages. Errors: KvError `invalid`. */
export function toWire(value: KvValue): PutRequest["value"] {
  if (typeof value === "string") return { case: "text", value };
  // A copy, because the caller may change the buffer before it is sent. (The `slice` of a Buffer does not copy.)
  try {
    return { case: "bytes", value: new Uint8Array(value) };
  } catch (cause) {
    const problem = "the value has no memory any more: its buffer was transferred or made smaller";
    throw new KvError("invalid", problem, { cause });
  }
}

/** The value in a message. */
export function fromWire({ value }: GetResponse["value"]): KvValue {
  if (value === undefined) return new Uint8Array();
  if (typeof value === "string") return value;
  // A copy, so that the value does not keep the whole message in memory, and its `buffer` has nothing else.
  return new Uint8Array(value);
}

export function fromOptional(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

/** A revision, which messages send as 0 when there is none. */
export function fromRevision(revision: bigint): number | undefined {
  return revision === 0n ? undefined : Number(revision);
}
