import { type Clock, sleep } from "../../common/clock.ts";
import type { CasRegister } from "../metadata/cas-register.ts";
import type { GroupState, Member, Versioned } from "../metadata/model.ts";

/** Pause before a failed compare-and-set is tried again. */
const retryMs = 200;

/** Names one life of a replica. */
export function memberKey(member: Member): string {
  return `${member.number}:${member.incarnation}`;
}

/**
 * The in-sync set of a group, as its primary knows and changes it.
 *
 * Invariant: `required` contains every set that `state` may hold at this moment. So whoever is promoted out of it has
 * acknowledged everything that was committed.
 */
export class InSyncSet {
  #known: Versioned<GroupState>;
  /** To be added; their acknowledgements count from before the change is tried. */
  readonly #joining = new Map<string, Member>();
  /** To be removed; their acknowledgements count until the change is known to be done. */
  readonly #leaving = new Set<string>();
  /** Added by a change whose outcome is not known yet. */
  #uncertain: { version: number; members: readonly Member[] } | undefined;
  #settling = false;

  readonly #epoch: number;
  readonly #self: number;
  readonly #register: CasRegister<GroupState>;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #onChange: () => void;
  readonly #onDeposed: (state: GroupState) => void;

  constructor(options: {
    state: Versioned<GroupState>;
    self: number;
    register: CasRegister<GroupState>;
    clock: Clock;
    /** Ends all attempts. */
    signal: AbortSignal;
    /** After each change of `required` or `members`. */
    onChange: () => void;
    /** The state names another primary or epoch. */
    onDeposed: (state: GroupState) => void;
  }) {
    this.#known = options.state;
    this.#epoch = options.state.value.epoch;
    this.#self = options.self;
    this.#register = options.register;
    this.#clock = options.clock;
    this.#signal = options.signal;
    this.#onChange = options.onChange;
    this.#onDeposed = options.onDeposed;
  }

  /** The set as last known, the primary included. */
  get members(): readonly Member[] {
    return this.#known.value.inSync;
  }

  /** The state as last known. */
  get state(): Versioned<GroupState> {
    return this.#known;
  }

  /** Those besides the primary without whose acknowledgement nothing is committed. */
  get required(): Member[] {
    const all = new Map<string, Member>();
    for (const member of this.#known.value.inSync) all.set(memberKey(member), member);
    for (const member of this.#uncertain?.members ?? []) all.set(memberKey(member), member);
    for (const [key, member] of this.#joining) all.set(key, member);
    return [...all.values()].filter((member) => member.number !== this.#self);
  }

  has(member: Member): boolean {
    return this.#known.value.inSync.some((other) => memberKey(other) === memberKey(member));
  }

  /** Takes in a state that was read elsewhere. */
  observe(state: Versioned<GroupState>): void {
    if (state.version <= this.#known.version) return;
    this.#adopt(state);
  }

  /** Adds a member; from now on it is required. */
  join(member: Member): void {
    const key = memberKey(member);
    this.#leaving.delete(key);
    // Without coordination the change cannot be made, and would only bind the writes to one more disk.
    if (this.has(member) || this.#joining.has(key) || !this.#register.connected) return;
    this.#forgetJoining(member.number);
    this.#joining.set(key, member);
    this.#onChange();
    void this.#settle();
  }

  /** Removes a member, unless `join` or `keep` comes first. False when it is being removed already. */
  leave(member: Member): boolean {
    const key = memberKey(member);
    if (this.#leaving.has(key)) return false;
    if (this.#joining.delete(key)) this.#onChange();
    if (!this.has(member) && !this.#isUncertain(key)) return true;
    this.#leaving.add(key);
    void this.#settle();
    return true;
  }

  /** Takes back a `leave` that has not been done yet. */
  keep(member: Member): void {
    this.#leaving.delete(memberKey(member));
  }

  /** Of two lives of a replica only one can be in the set: the one that joins later, or is there already. */
  #forgetJoining(number: number): void {
    for (const [key, member] of this.#joining) if (member.number === number) this.#joining.delete(key);
  }

  #isUncertain(key: string): boolean {
    return this.#uncertain?.members.some((member) => memberKey(member) === key) ?? false;
  }

  #adopt(state: Versioned<GroupState>): void {
    this.#known = state;
    if (this.#uncertain !== undefined && state.version > this.#uncertain.version) this.#uncertain = undefined;
    for (const member of state.value.inSync) this.#forgetJoining(member.number);
    for (const key of [...this.#leaving]) {
      if (!state.value.inSync.some((member) => memberKey(member) === key)) this.#leaving.delete(key);
    }
    const { epoch, primary } = state.value;
    if (epoch !== this.#epoch || primary?.number !== this.#self) this.#onDeposed(state.value);
    else this.#onChange();
  }

  /** The state that is wanted, or undefined when it is there. */
  #wanted(): GroupState | undefined {
    const { value } = this.#known;
    const staying = value.inSync.filter((member) => !this.#leaving.has(memberKey(member)));
    const coming = [...this.#joining.values()];
    if (coming.length === 0 && staying.length === value.inSync.length) return undefined;
    // A member that joins replaces its own earlier life.
    const numbers = new Set(coming.map((member) => member.number));
    const inSync = [...staying.filter((member) => !numbers.has(member.number)), ...coming];
    return { ...value, inSync: inSync.sort((a, b) => a.number - b.number) };
  }

  async #settle(): Promise<void> {
    if (this.#settling) return;
    this.#settling = true;
    while (!this.#signal.aborted) {
      const next = this.#wanted();
      if (next === undefined) break;
      const { version } = this.#known;
      this.#uncertain = { version, members: next.inSync };
      try {
        this.observe(await this.#register.compareAndSet(next, version));
      } catch {
        await this.#reread();
        if (this.#known.version === version) await sleep(this.#clock, retryMs, this.#signal);
      }
    }
    this.#settling = false;
  }

  async #reread(): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        const state = await this.#register.read();
        if (this.#signal.aborted) return;
        if (state !== undefined) {
          // What this read does not show has not happened and never will.
          this.#uncertain = undefined;
          this.#adopt(state.version >= this.#known.version ? state : this.#known);
          return;
        }
      } catch {
        // Not known yet: what may have been added stays required.
      }
      await sleep(this.#clock, retryMs, this.#signal);
    }
  }
}
