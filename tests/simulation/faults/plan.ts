import type { Moment } from "../checks/invariants.ts";
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

export type FaultKind = CommonKind | MistakeKind | "lost group";

const commonKinds = Object.keys(weights).filter(isCommonKind);

export const faultKinds: readonly FaultKind[] = [...commonKinds, ...mistakeKinds, "lost group"];

function isCommonKind(name: string): name is CommonKind {
  return name in weights;
}

export function isMistakeKind(name: string): name is MistakeKind {
  return mistakeKinds.some((kind) => kind === name);
}

/** Which process a fault hits, by its part at the moment when it does. */
export type Role = "primary" | "standby" | "node" | "router" | "any";

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
  return plan;
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
