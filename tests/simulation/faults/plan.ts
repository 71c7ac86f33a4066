import type { Moment, MoveMoment } from "../checks/invariants.ts";
import { Random } from "../world/random.ts";
import type { Profile } from "../world/world.ts";

/** Every kind of fault, with how often it happens in proportion to the others. */
const weights = {
  kill: 6,
  "power loss": 4,
  "double crash": 2,
  stop: 2,
  pause: 6,
  partition: 5,
  "one-way cut": 4,
  bridge: 2,
  "slow link": 3,
  "zookeeper cut": 4,
  "zookeeper outage": 2,
  "zookeeper slow": 2,
  "zookeeper lag": 4,
  "leader change": 2,
  "session expiry": 5,
  "request lost": 2,
  "answer lost": 3,
  "slow disk": 3,
  "disk error": 2,
  "full disk": 4,
  "hung disk": 4,
  "bit flip": 2,
  "wiped disk": 2,
  compaction: 4,
  "clock jump": 1,
  "late news": 4,
  "join in doubt": 3,
  transfer: 3,
  "full stop": 1,
};

type CommonKind = keyof typeof weights;

/** What people do to the files of logs, once in a while: see log-mistakes.ts. */
export const mistakeKinds = ["copied log", "old log", "swapped logs", "foreign log", "flipped bit"] as const;

export type MistakeKind = (typeof mistakeKinds)[number];

/** What happens to a ring that changes: see ring-faults.ts. */
export const ringKinds = [
  "late group",
  "ring add",
  "ring drain",
  "ring virtual nodes",
  "ring pause",
  "ring resume",
  "ring abort",
  "ring remove",
] as const;

export type RingKind = (typeof ringKinds)[number];

export type FaultKind = CommonKind | MistakeKind | RingKind | "lost group";

const commonKinds = Object.keys(weights).filter(isCommonKind);

export const faultKinds: readonly FaultKind[] = [...commonKinds, ...mistakeKinds, ...ringKinds, "lost group"];

function isCommonKind(name: string): name is CommonKind {
  return name in weights;
}

export function isMistakeKind(name: string): name is MistakeKind {
  return mistakeKinds.some((kind) => kind === name);
}

export function isRingKind(name: string): name is RingKind {
  return ringKinds.some((kind) => kind === name);
}

/** Which process a fault hits, by its part at the moment when it does: in its group, or in the last move of keys. */
export type Role = "primary" | "standby" | "node" | "router" | "any" | MoveRole;

type MoveRole = "source" | "source standby" | "destination" | "destination standby" | "master";

/** A fault that is to happen. */
export interface PlannedFault {
  readonly kind: FaultKind;
  readonly role: Role;
  /** At a time; or `delayMs` after something has happened for the `nth` time. */
  readonly when:
    | { readonly atMs: number }
    | { readonly moment: Moment; readonly nth: number; readonly delayMs: number };
  readonly durationMs: number;
  /** Seeds what else is left to chance, so that other faults of the plan make no difference. */
  readonly chance: string;
}

/** What hurts most in the middle of a step of the protocol. */
const aimedKinds: readonly FaultKind[] = [
  "kill",
  "kill",
  "power loss",
  "pause",
  "pause",
  "partition",
  "one-way cut",
  "zookeeper cut",
  "session expiry",
  "session expiry",
  "request lost",
  "answer lost",
  "answer lost",
  "slow link",
  "slow disk",
  "full disk",
  "hung disk",
  "compaction",
];

const moments: readonly Moment[] = [
  "promotion",
  "take-over",
  "serving",
  "in-sync change",
  "copy",
  "cut",
  "compaction",
  "first write",
  "registration",
  "full",
];

/** The faults of a run, in no order; most of them of the kinds in `focus`, if there are any. */
export function planOf(seed: number, profile: Profile, focus: readonly FaultKind[] = []): PlannedFault[] {
  const random = new Random(`${seed} plan`);
  const plan: PlannedFault[] = [];
  const add = (kind: FaultKind, when: PlannedFault["when"]) =>
    plan.push({
      kind,
      role: random.pick(["primary", "primary", "standby", "standby", "node", "router", "any"]),
      when,
      durationMs: durationOf(random, profile),
      chance: `${seed} fault ${plan.length}`,
    });
  const pauseMs = random.pick([800, 1500, 3000, 6000]);
  for (let atMs = random.between(0, pauseMs); atMs < profile.faultsMs; ) {
    const kind = focus.length > 0 && random.chance(0.7) ? random.pick(focus) : weighted(random);
    add(kind, { atMs });
    // What belongs together: one fault in the middle of another.
    atMs += random.chance(0.3) ? random.between(0, 300) : pauseMs * random.between(0.3, 1.7);
  }
  const aimed = random.pick([0, 2, 4, 8]);
  for (let i = 0; i < aimed; i++) {
    const moment = random.pick(moments);
    const delayMs = random.pick([random.between(0, 5), random.between(0, 50), random.between(0, 600)]);
    add(random.pick(aimedKinds), { moment, nth: 1 + random.below(6), delayMs });
  }
  // Last, and in no other's place: so what else happens stays as it is without them.
  const mistakes = random.pick([0, 0, 1, 1, 2]);
  for (let i = 0; i < mistakes; i++) {
    add(random.pick(mistakeKinds), { atMs: random.between(1000, profile.faultsMs) });
  }
  if (random.chance(0.08)) add("lost group", { atMs: random.between(2000, 0.8 * profile.faultsMs) });
  if (!profile.changesRing) return plan;
  // What is given up with a group's log is lost in the others, too: nobody could say what is to be where.
  return [
    ...plan.filter(({ kind }) => kind !== "lost group" && kind !== "old log"),
    ...ringPlanOf(seed, profile),
  ];
}

const moveMoments: readonly MoveMoment[] = [
  "begin",
  "next",
  "copied",
  "seal",
  "accept",
  "release",
  "released",
  "done",
  "forget",
];

/** How the ring changes in a run, and what happens in the middle of that. */
function ringPlanOf(seed: number, profile: Profile): PlannedFault[] {
  const random = new Random(`${seed} ring plan`);
  const plan: PlannedFault[] = [];
  const add = (kind: FaultKind, when: PlannedFault["when"], role: Role = "any") =>
    plan.push({
      kind,
      role,
      when,
      durationMs: durationOf(random, profile),
      chance: `${seed} ring ${plan.length}`,
    });
  const { faultsMs, lateGroups } = profile;
  for (const _ of lateGroups) add("late group", { atMs: random.between(0.05, 0.6) * faultsMs });
  const changes = 1 + random.below(6);
  for (let i = 0; i < changes; i++) {
    const atMs = random.between(2000, 0.9 * faultsMs);
    add(random.pick(["ring add", "ring drain", "ring drain", "ring virtual nodes", "ring virtual nodes"]), {
      atMs,
    });
    // What belongs together: while it is under way, as like as not.
    if (random.chance(0.3)) {
      const soonMs = atMs + random.pick([random.between(0, 100), random.between(0, 2000)]);
      add(random.pick(["ring pause", "ring abort", "ring abort", "ring drain"]), { atMs: soonMs });
      if (random.chance(0.7)) add("ring resume", { atMs: soonMs + random.between(0, 5000) });
    }
  }
  const aimed = random.pick([0, 0, 3, 6, 12]);
  for (let i = 0; i < aimed; i++) {
    const moment = random.pick(moveMoments);
    const delayMs = random.pick([0, random.between(0, 5), random.between(0, 50), random.between(0, 600)]);
    const role = random.pick<Role>([
      ...([
        "source",
        "source",
        "source standby",
        "destination",
        "destination",
        "destination standby",
      ] as const),
      ...(["master", "any"] as const),
    ]);
    const kind = random.pick<FaultKind>([...aimedKinds, "kill", "kill", "transfer", "ring abort"]);
    add(kind, { moment, nth: 1 + random.below(random.pick([3, 20])), delayMs }, role);
  }
  return [...plan, ...removalsOf(seed, profile)];
}

/** Now and then, groups that have been drained are removed. Of a stream of its own, so that other seeds stay as they are. */
function removalsOf(seed: number, { faultsMs }: Profile): PlannedFault[] {
  const random = new Random(`${seed} removals`);
  if (random.chance(0.5)) return [];
  return Array.from({ length: 4 }, (_, index) => ({
    kind: "ring remove",
    role: "any",
    when: { atMs: random.between(0.3, 1) * faultsMs },
    durationMs: 0,
    chance: `${seed} removal ${index}`,
  }));
}

/** Short enough to go unnoticed, or longer than leases, time-outs of standbys, and sessions. */
function durationOf(random: Random, { replication, sessionTimeoutMs }: Profile): number {
  return random.pick([
    random.between(10, replication.leaseMs),
    random.between(0.8, 1.6) * replication.leaseMs,
    replication.standbyTimeoutMs * random.between(0.8, 2),
    sessionTimeoutMs * random.between(0.6, 1.2),
    sessionTimeoutMs * random.between(1.2, 2.5),
  ]);
}

function weighted(random: Random): FaultKind {
  let left = random.between(
    0,
    commonKinds.reduce((sum, kind) => sum + weights[kind], 0),
  );
  for (const kind of commonKinds) {
    left -= weights[kind];
    if (left < 0) return kind;
  }
  return "kill";
}
