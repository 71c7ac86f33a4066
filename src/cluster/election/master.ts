import { withTimeout } from "../../common/clock.ts";
import { CoordinationError } from "../../coordination/coordination.ts";
import { encodeText } from "../metadata/codec.ts";
import { explain } from "../metadata/diagnostics.ts";
import type { GroupView, Member, NodeView } from "../metadata/model.ts";
import { groupPrimaryPath } from "../metadata/paths.ts";
import { getIfThere } from "../metadata/retry-on-connection-loss.ts";
import type { TopologySource } from "../metadata/topology.ts";
import { groupRegister } from "../replication/group-register.ts";
import type { Transition } from "../replication/group-state.ts";
import type { SilenceReport } from "../replication/peer.ts";
import { positionsOf } from "./positions.ts";
import { candidates, replacements, successorOf } from "./promotion.ts";
import { admitGroups, type RingAdmissionOptions } from "./ring-admission.ts";

/** Pause before something that has failed is tried again, if nothing changes before. */
const retryMs = 1000;

/** Longest wait for the positions of those who can be made primary. */
const positionTimeoutMs = 300;

/** `session`: the one that this router is master under. `signal`: aborted when it is master no longer. */
export interface MasterOptions extends RingAdmissionOptions {
  readonly topology: TopologySource;
  /** An invariant is broken: the process must end. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * What the master does: gives primaries to the groups that have none, and lets new groups into the ring. Every change is
 * a compare-and-set under its own session, so that a master that is one no longer does no harm.
 */
export class Master {
  readonly #options: MasterOptions;
  /** What `/data/[name]/primary` is known to say, by group. */
  readonly #projected = new Map<string, string>();

  constructor(options: MasterOptions) {
    this.#options = options;
  }

  /** Whether it can change anything now. */
  get connected(): boolean {
    return this.#options.session.state === "connected";
  }

  /** Looks after the groups and the ring, until it is master no longer. */
  async lead(): Promise<void> {
    const { topology: source, clock, signal } = this.#options;
    while (!signal.aborted) {
      const topology = await source.waitUntil(() => true, signal).catch(() => undefined);
      if (topology === undefined) return;
      await Promise.all([...topology.groups.values()].map((group) => this.#lookAfter(group)));
      await this.#attempt("the ring cannot be extended", () => admitGroups(this.#options, topology));
      await withTimeout(clock, retryMs, signal, (given) =>
        source.waitUntil((next) => next !== topology, given),
      ).catch(() => {});
    }
  }

  /** What a standby tells of a primary that it hears nothing of; see `Peer.reportSilence`. */
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

  /** Which of these nodes is to be primary; where there is a choice, they are asked where their logs end. */
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

/** A lost race shows in the next topology, a lost connection is told by the session. */
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
