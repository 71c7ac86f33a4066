import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type AbortRingResponseSchema,
  type ChangeRingResponseSchema,
  type GetRingResponseSchema,
  GroupPlace as GroupPlaceMessage,
  type RingMoveSchema,
  RingOutcome as RingOutcomeMessage,
  type RingRequest as RingRequestMessage,
  type RingRequestSchema,
} from "../../gen/kvlab/v1/admin_pb.ts";
import type { RingRequest } from "../cluster/metadata/model.ts";
import { OperationError } from "../cluster/metadata/operation-error.ts";
import type { AbortedChange, PlannedMove, RequestedChange, RingOutcome } from "../cluster/node/ring-admin.ts";
import type { RingGroup, RingMove, RingStatus } from "../cluster/node/ring-status.ts";
import type { GroupPlace } from "../cluster/ring/placement.ts";
import { toMoveProgress } from "./progress-messages.ts";
import { toTopologyMessage } from "./topology-message.ts";

/** `nowMs` is monotonic. */
export function toRing(
  { topology, ring, groups, moves }: RingStatus,
  nowMs: number,
): MessageInitShape<typeof GetRingResponseSchema> {
  const { change, queue = [] } = ring;
  return {
    topology: toTopologyMessage(topology, nowMs),
    groups: groups.map(toGroup),
    ...(change && {
      progress: { paused: change.paused, rate: BigInt(change.rate ?? 0), moves: moves.map(toMove) },
    }),
    queue: queue.map(toRequest),
  };
}

const places: Readonly<Record<GroupPlace, GroupPlaceMessage>> = {
  in: GroupPlaceMessage.IN,
  entering: GroupPlaceMessage.ENTERING,
  leaving: GroupPlaceMessage.LEAVING,
  queued: GroupPlaceMessage.QUEUED,
  "kept-outside": GroupPlaceMessage.KEPT_OUTSIDE,
  new: GroupPlaceMessage.NEW,
};

function toGroup({ place, report, ...group }: RingGroup) {
  return {
    ...group,
    place: places[place],
    ...(report && { keys: BigInt(report.keys), bytes: BigInt(report.bytes) }),
  };
}

function toMove({ progress, ...move }: RingMove): MessageInitShape<typeof RingMoveSchema> {
  return { ...move, ...(progress && { progress: toMoveProgress(progress) }) };
}

function toPlannedMove({ keys, bytes, ...move }: PlannedMove): MessageInitShape<typeof RingMoveSchema> {
  return {
    ...move,
    ...(keys !== undefined && { keys: BigInt(keys) }),
    ...(bytes !== undefined && { bytes: BigInt(bytes) }),
  };
}

const outcomes: Readonly<Record<RingOutcome, RingOutcomeMessage>> = {
  done: RingOutcomeMessage.DONE,
  begun: RingOutcomeMessage.BEGUN,
  queued: RingOutcomeMessage.QUEUED,
  withdrawn: RingOutcomeMessage.WITHDRAWN,
};

export function toRequestedChange({
  outcome,
  change,
  moves,
  ahead,
}: RequestedChange): MessageInitShape<typeof ChangeRingResponseSchema> {
  return {
    outcome: outcomes[outcome],
    change: BigInt(change ?? 0),
    moves: moves.map(toPlannedMove),
    ahead,
  };
}

export function toAbortedChange({
  aborted,
  change = 0,
  moves,
  begun = 0,
  queue,
}: AbortedChange): MessageInitShape<typeof AbortRingResponseSchema> {
  return {
    aborted: BigInt(aborted),
    change: BigInt(change),
    moves: moves.map(toPlannedMove),
    begun: BigInt(begun),
    queue: queue.map(toRequest),
  };
}

export function toRequest(request: RingRequest): MessageInitShape<typeof RingRequestSchema> {
  const rate = BigInt(request.rate ?? 0);
  switch (request.kind) {
    case "add":
      return { change: { case: "add", value: request.group }, rate };
    case "drain":
      return { change: { case: "drain", value: request.group }, rate };
    case "virtual-nodes":
      return { change: { case: "virtualNodes", value: request.virtualNodes }, rate };
  }
}

/** Errors: OperationError (invalid). */
export function fromRate(rate: bigint): number {
  return checked("rate", rate, "a whole number of keys a second");
}

/** Undefined: whichever is under way. Errors: OperationError (invalid). */
export function fromChangeId(id: bigint): number | undefined {
  return id === 0n ? undefined : checked("change", id, "the id of a ring change");
}

/** Checked before it is rounded, so that the error says what was sent. */
function checked(name: string, value: bigint, allowed: string): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new OperationError(
    "invalid",
    `${name} ${value}; allowed: ${allowed}, at most ${Number.MAX_SAFE_INTEGER}`,
  );
}

/** Errors: OperationError (invalid). */
export function fromRequest(message: RingRequestMessage | undefined): RingRequest {
  const { change, rate } = message ?? { change: { case: undefined }, rate: 0n };
  const limit = rate > 0n ? { rate: fromRate(rate) } : {};
  switch (change.case) {
    case "add":
      return { kind: "add", group: change.value, ...limit };
    case "drain":
      return { kind: "drain", group: change.value, ...limit };
    case "virtualNodes":
      return { kind: "virtual-nodes", virtualNodes: change.value, ...limit };
    default:
      throw new OperationError(
        "invalid",
        "no change is asked for; one of add, drain, virtual_nodes is needed",
      );
  }
}
