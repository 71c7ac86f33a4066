import { type Clock, sleep } from "../../common/clock.ts";
import { InvariantError, invariant } from "../../common/invariant.ts";
import { type GroupState, hasMember, type Member, type Versioned } from "../metadata/model.ts";
import type { GroupRegister } from "./group-register.ts";
import { apply, type Term, type Transition } from "./group-state.ts";

/** Pause before a failed compare-and-set is retried. */
const retryMs = 200;

/** Identifies one incarnation of a replica. */
export function memberKey(member: Member): string {
  return `${member.number}:${member.incarnation}`;
}

/**
 * The state of a change of the set. `settled`: there is none, and the group's state is known. `pending`: the
 * compare-and-set is in flight. `uncertain`: its outcome is not known, and the group's state is read until it is. In the
 * last two cases the set is either the known one, of the state with this `version`, or `inSync`.
 */
type Change =
  | { readonly kind: "settled" }
  | { readonly kind: "pending" | "uncertain"; readonly version: number; readonly inSync: readonly Member[] };

const settled: Change = { kind: "settled" };

export interface InSyncSetOptions {
  readonly state: Versioned<GroupState>;
  /** Number of this primary. */
  readonly self: number;
  readonly register: GroupRegister;
  readonly clock: Clock;
  /** Ends all attempts. */
  readonly signal: AbortSignal;
  /** Called after each change of `required` or `members`. */
  readonly onChange: () => void;
  /** Called when the state names another primary or epoch. */
  readonly onDeposed: (state: GroupState) => void;
  /** Called when an invariant is broken: nothing may be acknowledged any more. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * The in-sync set of a group, as its primary knows and changes it.
 *
 * Invariant: `required` contains every set that the state may have now. So whichever member is promoted has acknowledged
 * everything that was committed.
 */
export class InSyncSet {
  #known: Versioned<GroupState>;
  #change: Change = settled;
  /** Standbys to add. Their acknowledgements are required from before the change is attempted. */
  readonly #joining = new Map<string, Member>();
  /** Members to remove. Their acknowledgements are required until the change is known to be made. */
  readonly #leaving = new Set<string>();
  #isChanging = false;
  #required: readonly Member[] = [];
  readonly #term: Term;
  readonly #options: InSyncSetOptions;

  constructor(options: InSyncSetOptions) {
    this.#options = options;
    this.#known = options.state;
    this.#term = { epoch: options.state.value.epoch, primary: options.self };
    this.#recount();
  }

  /** The set as last known, including the primary. */
  get members(): readonly Member[] {
    return this.#known.value.inSync;
  }

  /** The state as last known. */
  get state(): Versioned<GroupState> {
    return this.#known;
  }

  /** The state of the last change. */
  get change(): Change["kind"] {
    return this.#change.kind;
  }

  /** The members whose acknowledgement every commit needs, without the primary. */
  get required(): readonly Member[] {
    return this.#required;
  }

  has(member: Member): boolean {
    return hasMember(this.#known.value.inSync, member);
  }

  /** Updates the state, which was read elsewhere. */
  observe(state: Versioned<GroupState>): void {
    if (state.version > this.#known.version) this.#adopt(state);
  }

  /** Adds a standby. From now on it is required. */
  join(member: Member): void {
    const key = memberKey(member);
    this.#leaving.delete(key);
    // Without a connection to ZooKeeper the change cannot be made, and writes would only wait for one more disk.
    if (this.has(member) || this.#joining.has(key) || !this.#options.register.connected) return;
    this.#forgetJoining(member.number);
    this.#joining.set(key, member);
    this.#recount();
    this.#options.onChange();
    void this.#makeChanges();
  }

  /** Removes a member, unless `join` or `keep` comes first. False when it is already being removed. */
  leave(member: Member): boolean {
    const key = memberKey(member);
    if (this.#leaving.has(key)) return false;
    if (this.#joining.delete(key)) {
      this.#recount();
      this.#options.onChange();
    }
    if (!this.#mayHave(member)) return true;
    this.#leaving.add(key);
    void this.#makeChanges();
    return true;
  }

  /** Cancels a `leave` that has not been done yet. */
  keep(member: Member): void {
    this.#leaving.delete(memberKey(member));
  }

  /** Only one incarnation of a replica can be in the set: the one that joins later, or is already there. */
  #forgetJoining(number: number): void {
    for (const [key, member] of this.#joining) if (member.number === number) this.#joining.delete(key);
  }

  #adopt(state: Versioned<GroupState>): void {
    this.#known = state;
    if (this.#change.kind !== "settled" && state.version > this.#change.version) this.#change = settled;
    for (const member of state.value.inSync) this.#forgetJoining(member.number);
    for (const key of [...this.#leaving]) {
      if (!state.value.inSync.some((member) => memberKey(member) === key)) this.#leaving.delete(key);
    }
    this.#recount();
    const { epoch, primary } = state.value;
    const isOurs = epoch === this.#term.epoch && primary?.number === this.#term.primary;
    if (isOurs) this.#options.onChange();
    else this.#options.onDeposed(state.value);
  }

  /** The next transition. Undefined when there is nothing to change. Removals go first, because writes wait for them. */
  #next(): Transition | undefined {
    const { inSync } = this.#known.value;
    const joining = [...this.#joining.values()];
    // A standby that joins must not be in the set in an earlier incarnation: that one leaves first.
    const isEarlierLife = ({ number }: Member) => joining.some((member) => member.number === number);
    const leaving = inSync.filter((member) => this.#leaving.has(memberKey(member)) || isEarlierLife(member));
    if (leaving.length > 0) return { kind: "shrink", by: this.#term, leaving };
    const [first] = joining;
    return first && { kind: "expand", by: this.#term, joining: first };
  }

  /** Makes one change after another until there is nothing to change. */
  async #makeChanges(): Promise<void> {
    if (this.#isChanging) return;
    this.#isChanging = true;
    try {
      for (let next = this.#next(); next !== undefined && !this.#isOver; next = this.#next()) {
        await this.#make(next);
      }
    } catch (error) {
      this.#options.onFailure(error);
    } finally {
      this.#isChanging = false;
    }
  }

  async #make(transition: Transition): Promise<void> {
    const { register, clock, signal } = this.#options;
    const before = this.#known;
    const { inSync } = apply(before.value, transition);
    this.#change = { kind: "pending", version: before.version, inSync };
    this.#recount();
    try {
      this.observe(await register.change(before, transition));
      invariant(this.#known.version > before.version, "a change that is made has not changed the version");
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      if (this.#change.kind === "pending") this.#change = { ...this.#change, kind: "uncertain" };
      await this.#reread();
      if (this.#known.version === before.version) await sleep(clock, retryMs, signal);
    }
  }

  /** Reads the state until it is known. */
  async #reread(): Promise<void> {
    const { register, clock, signal } = this.#options;
    while (!this.#isOver) {
      try {
        const state = await register.read();
        if (this.#isOver) return;
        if (state !== undefined) {
          // If this read does not show the change, it was not made and never will be.
          this.#change = settled;
          this.#adopt(state.version >= this.#known.version ? state : this.#known);
          return;
        }
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        // Not known yet. A standby that may have been added stays required.
      }
      await sleep(clock, retryMs, signal);
    }
  }

  get #isOver(): boolean {
    return this.#options.signal.aborted;
  }

  #recount(): void {
    const all = new Map<string, Member>();
    for (const member of this.#known.value.inSync) all.set(memberKey(member), member);
    if (this.#change.kind !== "settled") {
      for (const member of this.#change.inSync) all.set(memberKey(member), member);
    }
    for (const [key, member] of this.#joining) all.set(key, member);
    this.#required = [...all.values()].filter((member) => member.number !== this.#term.primary);
    this.#check();
  }

  /** Checks the invariant: every member that may be promoted now is required for every commit from now on. */
  #check(): void {
    for (const member of this.#possible) {
      if (member.number === this.#term.primary) continue;
      const isRequired = hasMember(this.#required, member);
      invariant(isRequired, `node ${member.number} may be in sync now, and nobody waits for it`);
    }
  }

  #mayHave(member: Member): boolean {
    return hasMember(this.#possible, member);
  }

  /** The members of all sets that the state may have now. */
  get #possible(): readonly Member[] {
    const { inSync } = this.#known.value;
    return this.#change.kind === "settled" ? inSync : [...inSync, ...this.#change.inSync];
  }
}
