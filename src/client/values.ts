import type { GetResponse, PutRequest } from "../../gen/kvlab/v1/data_pb.ts";

/** What a key holds: text, or any bytes. It comes back in the form in which it was put. */
export type KvValue = string | Uint8Array;

/** A key, and what is known of it without its value. */
export interface KvKey {
  readonly key: string;
  /** Rises strictly with every write or delete of the key: fit for conditions, and as a fencing token. */
  readonly revision: number;
  /** Milliseconds until the key expires, as of the answer; undefined when it does not. */
  readonly ttlLeftMs: number | undefined;
}

/** A key with its value. */
export class KvEntry implements KvKey {
  readonly key: string;
  /** In the form in which it was put. */
  readonly value: KvValue;
  readonly revision: number;
  readonly ttlLeftMs: number | undefined;

  constructor(key: string, value: KvValue, revision: number, ttlLeftMs?: number) {
    this.key = key;
    this.value = value;
    this.revision = revision;
    this.ttlLeftMs = ttlLeftMs;
  }

  /** The value as text; bytes are taken for UTF-8, and what is not becomes U+FFFD. */
  text(): string {
    return textOf(this.value);
  }

  /** The value as bytes; text in UTF-8. */
  bytes(): Uint8Array {
    return typeof this.value === "string" ? encoder.encode(this.value) : this.value;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export function textOf(value: KvValue): string {
  return typeof value === "string" ? value : decoder.decode(value);
}

/** The form of a value in messages. */
export function toWire(value: KvValue): PutRequest["value"] {
  if (typeof value === "string") return { case: "text", value };
  // A copy: the caller may write into his buffer at once, and what is put is what was there at the call. (The `slice` of
  // a Buffer is none.)
  return { case: "bytes", value: new Uint8Array(value) };
}

/** A value out of a message. */
export function fromWire({ value }: GetResponse["value"]): KvValue {
  if (value === undefined) return new Uint8Array();
  if (typeof value === "string") return value;
  // A copy: it must not keep the message in memory, and its `buffer` is of nothing else.
  return new Uint8Array(value);
}

export function fromOptional(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

/** A revision that is 0 where there is none. */
export function fromRevision(revision: bigint): number | undefined {
  return revision === 0n ? undefined : Number(revision);
}
