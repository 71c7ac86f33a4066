import { ZooKeeper } from "../../../src/zookeeper/index.ts";
import type { ZooKeeper as Ensemble, ZooKeeperMember } from "../../support/zookeeper.ts";
import type { NemesisClient } from "./client.ts";

/** What faults happen to. */
export interface Victims {
  readonly ensemble: Ensemble;
  readonly clients: readonly NemesisClient[];
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
}

/** A fault, from its beginning until it is healed. */
interface Fault {
  readonly name: string;
  /** How often it is chosen, compared with the others. */
  readonly weight: number;
  /** The longest that it lasts. */
  readonly msMax: number;
  /** Begins it. Resolves with what heals it. */
  begin(victims: Victims): Promise<() => void>;
}

const faults: readonly Fault[] = [
  { name: "no fault", weight: 1, msMax: 0, begin: async () => () => {} },
  { name: "a cut connection", weight: 4, msMax: 300, begin: delay("cut") },
  { name: "lost answers", weight: 6, msMax: 60, begin: lose("mute") },
  { name: "a black hole", weight: 2, msMax: 2500, begin: lose("silent") },
  { name: "requests that come late", weight: 2, msMax: 1800, begin: delay("hold-requests") },
  { name: "answers that come late", weight: 2, msMax: 1800, begin: delay("hold-replies") },
  { name: "an expired session", weight: 4, msMax: 0, begin: expire },
  { name: "a frozen member", weight: 2, msMax: 2000, begin: freeze },
  { name: "a killed member", weight: 1, msMax: 500, begin: kill },
];

const byWeight = faults.flatMap((fault) => Array.from({ length: fault.weight }, () => fault));

/** Lets one fault come and go. `onBegin` gets its name before. Resolves when it is healed. */
export async function strike(victims: Victims, onBegin: (name: string) => void): Promise<void> {
  const fault = some(byWeight, victims.random);
  onBegin(fault.name);
  const heal = await fault.begin(victims);
  await pause(victims.random() * fault.msMax);
  heal();
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What comes late arrives when it is healed. */
function delay(mode: "cut" | "hold-requests" | "hold-replies"): Fault["begin"] {
  return async (victims) => {
    const client = someClient(victims);
    client.setMode(mode);
    return () => client.setMode("pass");
  };
}

/** What is sent meanwhile gets lost, and so the connections are, as TCP loses nothing on one that goes on. */
function lose(mode: "mute" | "silent"): Fault["begin"] {
  return async (victims) => {
    const client = someClient(victims);
    client.setMode(mode);
    return () => {
      client.setMode("cut");
      client.setMode("pass");
    };
  };
}

/** As ZooKeeper's own tests do it: by another connection with the session's password. */
async function expire(victims: Victims): Promise<() => void> {
  const { identity } = await someClient(victims).session();
  const servers = victims.ensemble.connectString;
  try {
    const thief = await ZooKeeper.connect({ servers, resume: identity }, { deadlineMs: 5000 });
    await thief.close();
  } catch {
    // It had expired already, or there is no majority.
  }
  return () => {};
}

async function freeze(victims: Victims): Promise<() => void> {
  const member = await someMember(victims);
  member?.freeze();
  return () => member?.thaw();
}

async function kill(victims: Victims): Promise<() => void> {
  const member = await someMember(victims);
  await member?.kill();
  return () => member?.launch();
}

function someClient({ clients, random }: Victims): NemesisClient {
  return some(clients, random);
}

/** Undefined, so that nothing happens, unless all members serve: a majority is to be left. */
async function someMember({ ensemble, random }: Victims): Promise<ZooKeeperMember | undefined> {
  const modes = await Promise.all(ensemble.members.map((member) => member.mode()));
  return modes.includes(undefined) ? undefined : some(ensemble.members, random);
}

function some<T>(all: readonly T[], random: () => number): T {
  const [one] = all.slice(Math.floor(random() * all.length));
  if (one === undefined) throw new Error("there is nothing to choose from");
  return one;
}
