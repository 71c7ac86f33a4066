import type { GroupState } from "../../../src/cluster/metadata/model.ts";
import type { SimProcess } from "../world/process.ts";
import type { ShadowLog } from "./shadow-log.ts";

/** A primary that answers a reader, and the process that it is in. */
interface Reader {
  readonly primary: ShadowLog;
  readonly process: SimProcess;
  readonly nowMs: number;
}

/** What standbys have acknowledged to primaries: what the leases of those rest on. */
export class LeaseFacts {
  /**
   * When the last message that a standby has acknowledged was sent: by primary's log, then by the standby's number. A
   * standby that registers anew, or starts anew, honours what it has given before.
   */
  readonly #ackedSentMs = new WeakMap<ShadowLog, Map<number, number>>();

  /** A primary has the answer of standby `number` to what it sent then. */
  answered(primary: ShadowLog, number: number, sentMs: number): void {
    let sent = this.#ackedSentMs.get(primary);
    if (sent === undefined) {
      sent = new Map();
      this.#ackedSentMs.set(primary, sent);
    }
    sent.set(number, Math.max(sent.get(number) ?? 0, sentMs));
  }

  /** Which member of its epoch's in-sync set has let the lease of the primary run out. */
  problemWithRead(
    { primary, process, nowMs }: Reader,
    state: GroupState | undefined,
    leaseMs: number,
  ): string | undefined {
    for (const member of state?.inSync ?? []) {
      if (member.number === primary.number) continue;
      const sentMs = this.#ackedSentMs.get(primary)?.get(member.number) ?? Number.NEGATIVE_INFINITY;
      const ageMs = process.monotonicAt(nowMs) - process.monotonicAt(sentMs);
      if (ageMs <= leaseMs) continue;
      return (
        `${primary.name} answers a read without a lease: node ${member.number}, in sync, has acknowledged nothing ` +
        `that was sent in the last ${leaseMs} ms (${ageMs.toFixed(1)} ms)`
      );
    }
    return undefined;
  }
}
