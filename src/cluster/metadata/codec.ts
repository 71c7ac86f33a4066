import { type Address, addressAllowed, parseAddress } from "../../common/address.ts";
import type { Move } from "../ring/changing-ring.ts";
import { virtualNodesMax } from "../ring/hash-ring.ts";
import type { Position } from "../storage/model.ts";
import {
  type GroupLogs,
  type GroupState,
  hasMember,
  type Member,
  type RemovedGroup,
  type RingChange,
  type RingRequest,
  type RingShape,
  type RingState,
} from "./model.ts";
import { groupNameAllowed, isGroupName, numberMax, parseNumber } from "./paths.ts";

/** Encodes and decodes the data of our znodes. Strict: data in any other form is refused. */

/** The data of a znode is not ours. */
export class ForeignContentError extends Error {
  override readonly name = "ForeignContentError";
  readonly path: string;

  /** `expected` ends the sentence "expected …". `isMadeAgain`: what it should say is written again when it is gone. */
  constructor(path: string, data: Uint8Array, expected: string, { isMadeAgain = false } = {}) {
    const remedy = isMadeAgain
      ? "correct or delete it"
      : "correct it, or start the later version of kvlab that may have written it; do not delete it: nothing else knows what it says";
    super(`${path} holds ${shown(data)}; expected ${expected}; ${remedy}`);
    this.path = path;
  }
}

export function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The address of a router or data node. Errors: ForeignContentError. */
export function parseAddressData(path: string, data: Uint8Array): Address {
  const address = parseAddress(decodeText(data) ?? "");
  if (address === undefined) {
    throw new ForeignContentError(path, data, `the address of a node: ${addressAllowed}`, {
      isMadeAgain: true,
    });
  }
  return address;
}

/** The next free number, in a `top`. Errors: ForeignContentError. */
export function parseTop(path: string, data: Uint8Array): number {
  const number = parseNumber(decodeText(data) ?? "");
  if (number === undefined) {
    throw new ForeignContentError(path, data, `the next number to give away, from 0 to ${numberMax}`, {
      isMadeAgain: true,
    });
  }
  return number;
}

export function formatGroupState(state: GroupState): Uint8Array {
  // Field by field: the given object may have more fields than a Member, which would be read as foreign.
  const plain = ({ number, incarnation }: Member) => ({ number, incarnation });
  const primary = state.primary === undefined ? null : plain(state.primary);
  return encodeText(JSON.stringify({ epoch: state.epoch, primary, inSync: state.inSync.map(plain) }));
}

/** Errors: ForeignContentError. */
export function parseGroupState(path: string, data: Uint8Array): GroupState {
  const value = decodeObject(data, ["epoch", "primary", "inSync"]);
  const epoch = value?.epoch;
  const primary = value?.primary === null ? undefined : parseMember(value?.primary);
  const inSync = parseList(value?.inSync, parseMember);
  if (
    !isCount(epoch) ||
    (primary === undefined) !== (value?.primary === null) ||
    inSync === undefined ||
    hasRepetition(inSync.map((member) => member.number)) ||
    (primary !== undefined && (epoch === 0 || !hasMember(inSync, primary)))
  ) {
    throw new ForeignContentError(
      path,
      data,
      'a group\'s state like {"epoch":1,"primary":{"number":1,"incarnation":"17"},"inSync":' +
        '[{"number":1,"incarnation":"17"}]} with the primary (or null) in sync',
    );
  }
  return { epoch, primary, inSync };
}

export function formatGroupLogs({ firstEpoch, floor: { epoch, seq }, stores }: GroupLogs): Uint8Array {
  const plain = {
    ...(firstEpoch !== undefined && { firstEpoch }),
    floor: { epoch, seq },
    stores: Object.fromEntries(stores),
  };
  return encodeText(JSON.stringify(plain));
}

/** Errors: ForeignContentError. */
export function parseGroupLogs(path: string, data: Uint8Array): GroupLogs {
  const value = decodeObject(data, ["firstEpoch", "floor", "stores"]);
  const firstEpoch = parseOptional(value?.firstEpoch, parseCount);
  const floor = parsePosition(value?.floor);
  const stores = parseStores(value?.stores);
  if (firstEpoch === "invalid" || floor === undefined || stores === undefined) {
    throw new ForeignContentError(
      path,
      data,
      'what is known of a group\'s logs like {"floor":{"epoch":1,"seq":20},"stores":{"1":"5ca1ab1e00c0ffee"}}',
    );
  }
  return { ...(firstEpoch !== undefined && { firstEpoch }), floor, stores };
}

/** The id of a cluster. Errors: ForeignContentError. */
export function parseClusterId(path: string, data: Uint8Array): string {
  const text = decodeText(data);
  if (text === undefined || !/^[0-9a-f]{32}$/.test(text)) {
    throw new ForeignContentError(path, data, "the id of a cluster, 32 hexadecimal digits");
  }
  return text;
}

export function formatRingState(ring: RingState): Uint8Array {
  const { version, virtualNodes, groups, written, change, queue, outside, removed } = ring;
  const plain = {
    version,
    virtualNodes,
    groups,
    written,
    ...(change && { change: plainChange(change) }),
    ...(queue && queue.length > 0 && { queue: queue.map(plainRequest) }),
    ...(outside && outside.length > 0 && { outside }),
    ...(removed && removed.length > 0 && { removed: removed.map(plainRemoved) }),
  };
  return encodeText(JSON.stringify(plain));
}

function plainChange({ id, virtualNodes, groups, done, paused, rate }: RingChange) {
  const moves = done.map(({ from, to }) => [from, to]);
  return { id, virtualNodes, groups, done: moves, paused, ...(rate !== undefined && { rate }) };
}

function plainRemoved({ group, ringVersion, firstEpoch, lastEpoch }: RemovedGroup) {
  return { group, ringVersion, firstEpoch, lastEpoch };
}

function plainRequest({ rate, ...request }: RingRequest) {
  return { ...request, ...(rate !== undefined && { rate }) };
}

/** Errors: ForeignContentError. */
export function parseRingState(path: string, data: Uint8Array): RingState {
  const names = [...shapeNames, "version", "written", "change", "queue", "outside", "removed"] as const;
  const value = decodeObject(data, names);
  const shape = parseRingShape(value);
  const version = value?.version;
  const written = value?.written;
  const change = parseOptional(value?.change, parseRingChange);
  const queue = parseOptional(value?.queue, (list) => parseList(list, parseRingRequest));
  const outside = parseOptional(value?.outside, (list) => parseList(list, parseGroupName));
  const removed = parseOptional(value?.removed, (list) => parseList(list, parseRemovedGroup));
  if (
    shape === undefined ||
    !isCount(version) ||
    typeof written !== "boolean" ||
    change === "invalid" ||
    queue === "invalid" ||
    outside === "invalid" ||
    hasRepetition(outside ?? []) ||
    removed === "invalid" ||
    hasRepetition(removed?.map(({ group }) => group) ?? []) ||
    (change !== undefined && !isChangeOf(change, shape, version))
  ) {
    throw new ForeignContentError(
      path,
      data,
      'the ring like {"version":1,"virtualNodes":2,"groups":["zdata1"],"written":false} with up to ' +
        `${virtualNodesMax} virtual nodes, names of groups of ${groupNameAllowed}, and perhaps a change, a queue, ` +
        "groups that are kept outside, and removed ones",
    );
  }
  return {
    version,
    ...shape,
    written,
    ...(change && { change }),
    ...(queue && { queue }),
    ...(outside && { outside }),
    ...(removed && { removed }),
  };
}

const shapeNames = ["virtualNodes", "groups"] as const;

function parseRingShape(value: Partial<Record<keyof RingShape, unknown>> | undefined): RingShape | undefined {
  const virtualNodes = parseVirtualNodes(value?.virtualNodes);
  const groups = parseList(value?.groups, parseGroupName);
  if (virtualNodes === undefined || groups === undefined || hasRepetition(groups)) return undefined;
  return { virtualNodes, groups };
}

function parseRingChange(value: unknown): RingChange | undefined {
  const fields = asObject(value, [...shapeNames, "id", "done", "paused", "rate"]);
  const shape = parseRingShape(fields);
  const id = fields?.id;
  const done = parseList(fields?.done, parseMove);
  const paused = fields?.paused;
  const rate = parseOptional(fields?.rate, parseRate);
  if (shape === undefined || !isCount(id) || done === undefined) return undefined;
  if (typeof paused !== "boolean" || rate === "invalid") return undefined;
  return { id, ...shape, done, paused, ...(rate !== undefined && { rate }) };
}

/** Whether a change can be one of this ring. No key may be left without an owner. */
function isChangeOf({ id, groups, done }: RingChange, present: RingShape, version: number): boolean {
  const isMove = ({ from, to }: Move) => from !== to && present.groups.includes(from) && groups.includes(to);
  return (
    id <= version &&
    present.groups.length > 0 &&
    groups.length > 0 &&
    done.every(isMove) &&
    !hasRepetition(done.map(({ from, to }) => `${from} ${to}`))
  );
}

function parseMove(value: unknown): Move | undefined {
  const names = parseList(value, parseGroupName);
  const [from, to] = names ?? [];
  return from === undefined || to === undefined || names?.length !== 2 ? undefined : { from, to };
}

function parseRingRequest(value: unknown): RingRequest | undefined {
  const fields = asObject(value, ["kind", "group", "virtualNodes", "rate"]);
  const kind = fields?.kind;
  const given = parseOptional(fields?.rate, parseRate);
  if (given === "invalid") return undefined;
  const rate = given === undefined ? {} : { rate: given };
  if (kind === "virtual-nodes") {
    const virtualNodes = parseVirtualNodes(fields?.virtualNodes);
    return virtualNodes === undefined ? undefined : { kind, virtualNodes, ...rate };
  }
  const group = parseGroupName(fields?.group);
  return (kind === "add" || kind === "drain") && group !== undefined ? { kind, group, ...rate } : undefined;
}

function parseRemovedGroup(value: unknown): RemovedGroup | undefined {
  const fields = asObject(value, ["group", "ringVersion", "firstEpoch", "lastEpoch"]);
  const group = parseGroupName(fields?.group);
  const ringVersion = fields?.ringVersion;
  const firstEpoch = fields?.firstEpoch;
  const lastEpoch = fields?.lastEpoch;
  if (group === undefined || !isCount(ringVersion) || !isCount(firstEpoch) || !isCount(lastEpoch))
    return undefined;
  return { group, ringVersion, firstEpoch, lastEpoch };
}

/** Keys a second. */
function parseRate(value: unknown): number | undefined {
  return isCount(value) && value > 0 ? value : undefined;
}

function parseVirtualNodes(value: unknown): number | undefined {
  return isCount(value) && value <= virtualNodesMax ? value : undefined;
}

/** Parses a field that may be absent. */
function parseOptional<T>(
  value: unknown,
  parse: (value: unknown) => T | undefined,
): T | undefined | "invalid" {
  return value === undefined ? undefined : (parse(value) ?? "invalid");
}

function parsePosition(value: unknown): Position | undefined {
  const fields = asObject(value, ["epoch", "seq"]);
  const epoch = fields?.epoch;
  const seq = fields?.seq;
  return isCount(epoch) && isCount(seq) ? { epoch, seq } : undefined;
}

function parseStores(value: unknown): Map<number, string> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const stores = new Map<number, string>();
  for (const [name, store] of Object.entries(value)) {
    const number = parseNumber(name);
    if (number === undefined || typeof store !== "string") return undefined;
    stores.set(number, store);
  }
  return stores;
}

function parseMember(value: unknown): Member | undefined {
  const fields = asObject(value, ["number", "incarnation"]);
  const number = fields?.number;
  const incarnation = fields?.incarnation;
  if (!isCount(number) || number > numberMax) return undefined;
  if (typeof incarnation !== "string" || !/^\d{1,20}$/.test(incarnation)) return undefined;
  return { number, incarnation };
}

function parseGroupName(value: unknown): string | undefined {
  return typeof value === "string" && isGroupName(value) ? value : undefined;
}

/** Parses all elements. Undefined when the value is no array, or an element is invalid. */
function parseList<T>(value: unknown, parse: (element: unknown) => T | undefined): T[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const parsed = value.map(parse).filter((element) => element !== undefined);
  return parsed.length === value.length ? parsed : undefined;
}

function decodeObject<Name extends string>(data: Uint8Array, names: readonly Name[]) {
  try {
    return asObject(JSON.parse(decodeText(data) ?? ""), names);
  } catch {
    return undefined;
  }
}

/** The fields of an object that has exactly these: our next write would lose an unknown field. */
function asObject<Name extends string>(
  value: unknown,
  names: readonly Name[],
): Partial<Record<Name, unknown>> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.keys(value).every((name) => names.some((known) => known === name)) ? value : undefined;
}

function decodeText(data: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    return undefined;
  }
}

function parseCount(value: unknown): number | undefined {
  return isCount(value) ? value : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function hasRepetition(list: readonly unknown[]): boolean {
  return new Set(list).size < list.length;
}

/** The beginning of a znode's data on one line, for messages. The data may be long, and unfit for a terminal. */
function shown(data: Uint8Array): string {
  if (data.length === 0) return "nothing";
  const bytesMax = 60;
  const text = new TextDecoder().decode(data.subarray(0, bytesMax));
  const visible = JSON.stringify(text).replace(/\p{C}/gu, "\ufffd");
  return data.length > bytesMax ? `${visible} … (${data.length} bytes)` : visible;
}
