import { withTimeout } from "../../common/clock.ts";
import { CoordinationError } from "../../coordination/coordination.ts";
import { encodeText } from "../metadata/codec.ts";
import { explain } from "../metadata/diagnostics.ts";
import type { GroupView, Member, NodeView, Topology } from "../metadata/model.ts";
import { groupPrimaryPath } from "../metadata/paths.ts";
import { getIfThere } from "../metadata/retry-on-connection-loss.ts";
import type { TopologySource } from "../metadata/topology.ts";
import { groupRegister } from "../replication/group-register.ts";
import type { Transition } from "../replication/group-state.ts";
import type { SilenceReport } from "../replication/peer.ts";
import { positionsOf } from "./positions.ts";
import { candidates, replacements, successorOf } from "./promotion.ts";
import { RingAdmission, type RingAdmissionOptions } from "./ring-admission.ts";
import { carryOutMoves } from "./ring-mover.ts";

/** Pause before a retry, unless the topology changes sooner. */
const retryMs = 1000;

/** Longest wait for the positions of the candidates. */
const positionTimeoutMs = 300;

/** `session`: the session under which this router is master. `signal`: aborted when it is no longer master. */
export interface MasterOptions extends RingAdmissionOptions {
  readonly topology: TopologySource;
  /** An invariant is broken: the process must end. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * The work of the master: it gives primaries to groups that have none, and admits new groups to the ring. Every change is
 * a compare-and-set under its own session, so a former master can do no harm.
 */
export class Master {
  readonly #options: MasterOptions;
  readonly #admission: RingAdmission;
  /** By group: the last known content of `/data/[name]/primary`. */
  readonly #projected = new Map<string, string>();

  constructor(options: MasterOptions) {
    this.#options = options;
    this.#admission = new RingAdmission(options);
  }

  /** Whether it can make changes now. */
  get connected(): boolean {
    return this.#options.session.state === "connected";
  }

  /** Manages the groups and the ring, until it is no longer master. */
  async lead(): Promise<void> {
    // Beside each other: a group may need a primary while keys move, or while another one counts its keys for the ring.
    await Promise.all([this.#lookAfterGroups(), this.#lookAfterRing(), carryOutMoves(this.#options)]);
  }

  async #lookAfterGroups(): Promise<void> {
    await this.#repeat(async ({ groups }) => {
      for (const name of this.#projected.keys()) if (!groups.has(name)) this.#projected.delete(name);
      await Promise.all([...groups.values()].map((group) => this.#lookAfter(group)));
    });
  }

  async #lookAfterRing(): Promise<void> {
    await this.#repeat((topology) =>
      this.#attempt("the ring cannot be extended", () => this.#admission.admit(topology)),
    );
  }

  /** Takes a step with each new topology, and at least every `retryMs`, until it is no longer master. */
  async #repeat(step: (topology: Topology) => Promise<void>): Promise<void> {
    const { topology: source, clock, signal } = this.#options;
    while (!signal.aborted) {
      const topology = await source.waitUntil(() => true, signal).catch(() => undefined);
      if (topology === undefined) return;
      await step(topology);
      await withTimeout(clock, retryMs, signal, (given) =>
        source.waitUntil((next) => next !== topology, given),
      ).catch(() => {});
    }
  }

  /** Handles a standby's report of a silent primary: see `Peer.reportSilence`. */
  async replaceSilent({ group, epoch, reporter }: SilenceReport): Promise<boolean> {
    const view = this.#options.topology.current?.groups.get(group);
    const to = view && (await this.#choose(view, replacements(view, epoch, reporter)));
    if (view === undefined || to === undefined) return false;
    try {
      await this.#change(view, { kind: "replace-silent", epoch, reporter, to }, ": the old one is silent");
    } catch (error) {
      if (CoordinationError.is(error, "BAD_VERSION")) return false;
      throw error;
    }
    return true;
  }

  async #lookAfter(group: GroupView): Promise<void> {
    await this.#attempt(`group "${group.name}" cannot be given a primary`, async () => {
      const to = await this.#choose(group, candidates(group));
      if (to !== undefined) await this.#change(group, { kind: "promote", to });
      await this.#project(group);
    });
  }

  async #attempt(what: string, step: () => Promise<void>): Promise<void> {
    const { signal, log } = this.#options;
    try {
      await step();
    } catch (error) {
      if (!signal.aborted && isWorthTelling(error)) log(`${what}: ${explain(error)}`);
    }
  }

  /** Chooses the next primary among these nodes. If there is a choice, it asks them where their logs end. */
  async #choose({ name, state }: GroupView, nodes: readonly NodeView[]): Promise<Member | undefined> {
    const { signal } = this.#options;
    if (state === undefined) return undefined;
    const positions =
      nodes.length > 1
        ? await positionsOf(this.#options, { group: name, nodes, timeoutMs: positionTimeoutMs, signal })
        : new Map<number, never>();
    return successorOf(state.value, nodes, positions);
  }

  async #change({ name, state }: GroupView, transition: Transition, why = ""): Promise<void> {
    const { session, access, log, onFailure } = this.#options;
    const register = groupRegister({ session: () => session, access, group: name, onFailure });
    const { primary, epoch } = (await register.change(state, transition)).value;
    log(`node ${primary?.number} is now primary of group "${name}", epoch ${epoch}${why}`);
  }

  /** Keeps `/data/[name]/primary` in step with the state. */
  async #project({ name, state }: GroupView): Promise<void> {
    const { session, access } = this.#options;
    if (state === undefined) return;
    const { primary } = state.value;
    const wanted = primary === undefined ? "" : String(primary.number);
    if (this.#projected.get(name) === wanted) return;
    const path = groupPrimaryPath(name);
    const found = await getIfThere(session, path);
    if (found === undefined) await session.create(path, encodeText(wanted), "persistent", access);
    else if (new TextDecoder().decode(found.data) !== wanted) {
      await session.set(path, encodeText(wanted), found.stat.version);
    }
    this.#projected.set(name, wanted);
  }
}

/** A lost race shows in the next topology, and the session reports a lost connection. */
function isWorthTelling(error: unknown): boolean {
  return !CoordinationError.is(
    error,
    "BAD_VERSION",
    "NODE_EXISTS",
    "CONNECTION_LOSS",
    "SESSION_EXPIRED",
    "CLOSED",
  );
}
