import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  type AbortRingResponseSchema,
  AdminService,
  type ChangeRingRequest,
  type ChangeRingResponseSchema,
  type GetRingResponse,
  GetRingResponseSchema,
  GroupPlace,
  type ListAgentsResponseSchema,
  type PaceRingRequest,
  type WithdrawRingRequest,
  type WithdrawRingResponseSchema,
} from "../../gen/kvlab/v1/admin_pb.ts";
import { MoveStage } from "../../gen/kvlab/v1/data_pb.ts";
import { listen } from "../../src/rpc/port/listener.ts";

/** A router that answers only what is asked about the ring and the agents. */
export interface ToyAdmin {
  readonly port: number;
  /** What it answers, one after another; the last one again and again. */
  rings: GetRingResponse[];
  /** What it answers to a requested change. */
  change: MessageInitShape<typeof ChangeRingResponseSchema>;
  aborted: MessageInitShape<typeof AbortRingResponseSchema>;
  /** What it answers about the agents, one after another; the last one again and again. Undefined: it is unavailable. */
  agents: (MessageInitShape<typeof ListAgentsResponseSchema> | undefined)[];
  withdrawn: MessageInitShape<typeof WithdrawRingResponseSchema>;
  /** What it was asked to do. */
  readonly changes: ChangeRingRequest[];
  readonly paces: PaceRingRequest[];
  /** Ids of changes to abort. */
  readonly aborts: bigint[];
  readonly removed: string[];
  readonly withdrawals: WithdrawRingRequest[];
  close(): Promise<void>;
}

export async function startToyAdmin(): Promise<ToyAdmin> {
  const toy = {
    rings: [quietRing()],
    change: {},
    aborted: {},
    agents: [{}] as ToyAdmin["agents"],
    withdrawn: {},
    changes: [] as ChangeRingRequest[],
    paces: [] as PaceRingRequest[],
    aborts: [] as bigint[],
    removed: [] as string[],
    withdrawals: [] as WithdrawRingRequest[],
  };
  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    routes(router: ConnectRouter) {
      router.service(AdminService, {
        getRing: () => (toy.rings.length > 1 ? toy.rings.shift() : toy.rings[0]) ?? {},
        changeRing(request) {
          toy.changes.push(request);
          return toy.change;
        },
        paceRing(request) {
          toy.paces.push(request);
          return { change: 8n, rate: request.rate ?? 7n };
        },
        abortRing({ change }) {
          toy.aborts.push(change);
          return toy.aborted;
        },
        listAgents() {
          const answer = toy.agents.length > 1 ? toy.agents.shift() : toy.agents[0];
          if (answer !== undefined) return answer;
          throw new ConnectError("this router has no connection to ZooKeeper", Code.Unavailable);
        },
        withdrawRing(request) {
          toy.withdrawals.push(request);
          return toy.withdrawn;
        },
        removeGroup({ group }) {
          if (group === "zdata1")
            throw new ConnectError('group "zdata1" is in the ring', Code.FailedPrecondition);
          toy.removed.push(group);
          return {};
        },
      });
    },
  });
  return Object.assign(toy, { port: listener.port, close: () => listener.close() });
}

/** Two groups, and nothing changes. */
export function quietRing(): GetRingResponse {
  return create(GetRingResponseSchema, {
    topology: {
      ringVersion: 7n,
      virtualNodes: 2,
      groups: inRing.map(({ name, share }) => ({ name, share })),
    },
    groups: inRing.map((group) => ({ ...group, nextShare: group.share })),
  });
}

const inRing = [
  { name: "zdata1", share: 0.55, place: GroupPlace.IN, points: 3, keys: 1200n, bytes: 3_500_000n },
  { name: "zdata2", share: 0.45, place: GroupPlace.IN, points: 3, keys: 1200n, bytes: 3_500_000n },
];

/** A third group enters; of its two moves one is done, and one has copied some of 2,000 keys. */
export function changingRing(keys = 500): GetRingResponse {
  const move = { from: "zdata2", to: "zdata3" };
  return create(GetRingResponseSchema, {
    topology: {
      ringVersion: 9n,
      virtualNodes: 2,
      groups: [
        ...inRing.map(({ name, share }) => ({ name, share })),
        { name: "zdata3", waiting: "it enters the ring with change 8: keys of zdata2 move to it" },
        { name: "zdata4", waiting: "it enters the ring after change 8, which is under way" },
      ],
      change: {
        id: 8n,
        virtualNodes: 2,
        groups: ["zdata1", "zdata2", "zdata3"],
        done: [{ from: "zdata1", to: "zdata3" }],
      },
    },
    groups: [
      ...inRing.map((group) => ({ ...group, nextShare: 0.35 })),
      {
        name: "zdata3",
        place: GroupPlace.ENTERING,
        points: 3,
        share: 0.2,
        nextShare: 0.3,
        keys: 1000n,
        bytes: 2048n,
      },
      { name: "zdata4", place: GroupPlace.QUEUED },
    ],
    progress: {
      rate: 5000n,
      moves: [
        { from: "zdata1", to: "zdata3", share: 0.2, done: true },
        {
          ...move,
          share: 0.1,
          progress: {
            ...move,
            change: 8n,
            stage: MoveStage.COPY,
            keys: BigInt(keys),
            keysTotal: 2000n,
            elapsedMs: 1000n,
          },
        },
      ],
    },
    queue: [
      { change: { case: "add", value: "zdata4" } },
      { change: { case: "virtualNodes", value: 128 }, rate: 9n },
    ],
  });
}
