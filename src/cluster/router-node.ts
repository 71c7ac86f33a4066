import type { Access, Coordination, OpenSession } from "../coordination/coordination.ts";
import type { Clock } from "./clock.ts";
import { KvError } from "./errors.ts";
import { isMaster, keepRegistered } from "./keep-registered.ts";
import { lead, replaceSilentPrimary } from "./master.ts";
import type { PeerAt, SilenceReport } from "./peer.ts";
import { routerClaim } from "./registration.ts";
import { keepSessions, type Sessions } from "./sessions.ts";
import { type TopologySource, watchTopology } from "./topology.ts";

export interface RouterNodeOptions {
  readonly openSession: OpenSession;
  readonly clock: Clock;
  /** Of the znodes that the router makes. */
  readonly access: Access;
  readonly peerAt: PeerAt;
  /** Given to the ring if this router, as master, is the one that makes it. */
  readonly virtualNodes: number;
  readonly log: (message: string) => void;
  /** Told when the router cannot take part in its cluster as things stand: an operator has to decide. */
  readonly onFailure: (error: unknown) => void;
}

/** One router: knows the cluster, and looks after it while it is the master. */
export class RouterNode {
  readonly topology: TopologySource;
  readonly #options: RouterNodeOptions;
  readonly #sessions: Sessions;
  #office = new AbortController();
  /** Set while this router is the master. */
  #mastership: Coordination | undefined;

  constructor(options: RouterNodeOptions) {
    const { openSession, clock, log, onFailure } = options;
    this.#options = options;
    this.#sessions = keepSessions({ open: openSession, clock, onTrouble: log });
    this.#sessions.done.catch(onFailure);
    this.topology = watchTopology({ sessions: this.#sessions, clock, onTrouble: log });
  }

  /**
   * Registers the router at `host:port`, where it listens already, and keeps it registered. Resolves when it has its
   * place for the first time.
   */
  join(address: string): Promise<void> {
    const joined = Promise.withResolvers<void>();
    const { clock, access, log, onFailure } = this.#options;
    const claim = routerClaim(address);
    keepRegistered({
      sessions: this.#sessions,
      clock,
      access,
      onTrouble: log,
      // Who finds this router must get answers from it.
      claim: async (task) => {
        await this.topology.waitUntil(() => true, task.signal);
        return await claim(task);
      },
      onChange: (registration) => {
        this.#office.abort(new Error("no longer master"));
        this.#mastership = undefined;
        if (registration === undefined) return;
        joined.resolve();
        if (!isMaster(registration)) {
          log(`registered as router ${registration.number}`);
          return;
        }
        log("registered as router 0, the master");
        this.#office = new AbortController();
        this.#mastership = registration.session;
        lead({ ...this.#options, topology: this.topology }, registration.session, this.#office.signal).catch(
          onFailure,
        );
      },
    });
    return joined.promise;
  }

  /** As `Peer.reportSilence`. */
  async reportSilence(report: SilenceReport): Promise<boolean> {
    if (this.#mastership?.state !== "connected")
      throw new KvError("unavailable", "this router is not the master");
    const { log } = this.#options;
    return await replaceSilentPrimary({ topology: this.topology, log }, this.#mastership, report);
  }

  /** Leaves the cluster at once, so that others take over. */
  async leave(): Promise<void> {
    this.#office.abort(new Error("the router is stopping"));
    await this.#sessions.stop();
  }
}
