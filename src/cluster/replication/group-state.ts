/**
 * The state machine of a group: every legal change of `/data/[name]/state`, and nothing else.
 *
 * Each change is one named transition, made by one compare-and-set (`GroupRegister`). This file is pure: `refusal` says
 * whether a transition is legal in a state, `apply` carries it out.
 *
 * What holds of every state, and why:
 * - The in-sync set is never empty, and names a replica once. All its members hold every acknowledged write.
 * - The primary is a member of the set, in that very life: nobody else is certain to hold what was acknowledged.
 * - The epoch never falls. It rises by one with each new primary, and only then: so an epoch has one primary.
 * - Only the primary of an epoch, and a replica for itself, takes anybody out of the set without a new epoch.
 */

import { InvariantError, invariant } from "../../common/invariant.ts";
import { type GroupState, hasMember, isSameMember, type Member } from "../metadata/model.ts";

/** One primary's term: what it says is legal only while the state names it. */
export interface Term {
  readonly epoch: number;
  /** Number of the primary. */
  readonly primary: number;
}

/** Whether a state names the primary of this term: it may have been replaced since it decided to change something. */
export function isCurrent(term: Term, { epoch, primary }: GroupState): boolean {
  return epoch === term.epoch && primary?.number === term.primary;
}

/**
 * The first replica of a group makes its state, after it has registered, when it finds none. Its log has followed no
 * epoch, so nothing was ever acknowledged that another one could have. The group has no primary yet.
 */
interface Form {
  readonly kind: "form";
  readonly first: Member;
  /**
   * The last epoch of a group of this name that was removed; 0: there was none. The epochs of this one are higher, so that
   * nobody takes a place in the one history for a place in the other.
   */
  readonly after: number;
}

/**
 * A replica that is in the set by an earlier life puts its present life there, after it has registered again. Its log
 * is known to be the one that it had, so it holds everything that it ever acknowledged. If it was the primary, the
 * group has none until the master decides: what it knew as primary ended with the process.
 */
interface Rejoin {
  readonly kind: "rejoin";
  readonly self: Member;
}

/**
 * A replica whose log is damaged, or may not be the one that it had, takes itself out of the set before anything else:
 * it may lack what it has acknowledged, and must not be promoted. Not when it is alone in the set: then only an
 * operator can say what counts. If it was the primary, the group has none until the master decides.
 */
interface Leave {
  readonly kind: "leave";
  /** Number of the replica. */
  readonly number: number;
}

/**
 * The primary adds a standby that has acknowledged everything committed, and whose acknowledgements it requires from
 * before this change on. The standby is in the set in no other life: an earlier one is taken out first.
 */
interface Expand {
  readonly kind: "expand";
  readonly by: Term;
  readonly joining: Member;
}

/**
 * The primary takes out standbys that are gone, silent or without room, before anything is acknowledged without them.
 * Safe since what remains holds every acknowledged write; the primary itself stays.
 */
interface Shrink {
  readonly kind: "shrink";
  readonly by: Term;
  readonly leaving: readonly Member[];
}

/**
 * The primary names a standby of the set its successor: on an operator's word, after everything in its log is
 * committed, or because its own disk hangs. The standby is in the set, so it holds everything that was acknowledged.
 */
interface Transfer {
  readonly kind: "transfer";
  readonly by: Term;
  readonly to: Member;
}

/**
 * The master makes a member of the set primary, when there is none, or the one there was is not registered any more.
 * All members stay in the set: until the new primary has taken over, each of them may be the only one that can be read.
 */
interface Promote {
  readonly kind: "promote";
  readonly to: Member;
}

/**
 * The master makes another member primary while the one there is seems registered: a standby in sync has reported that
 * it hears nothing of it and does not answer it any more. So the old primary can commit nothing without a change of the
 * set, which it cannot make any more after this one.
 */
interface ReplaceSilent {
  readonly kind: "replace-silent";
  /** The epoch that the report names. */
  readonly epoch: number;
  readonly reporter: Member;
  readonly to: Member;
}

/**
 * An operator gives up what only the set had: a router makes a replica outside it primary, alone in sync, by
 * `kvlab recover --accept-data-loss`, and only while no member of the set is registered. The one transition that may
 * lose acknowledged writes.
 */
interface Recover {
  readonly kind: "recover";
  readonly to: Member;
}

export type Transition =
  | Form
  | Rejoin
  | Leave
  | Expand
  | Shrink
  | Transfer
  | Promote
  | ReplaceSilent
  | Recover;

/**
 * Why a transition is illegal in a state (undefined: there is none yet); undefined when it is legal.
 */
export function refusal(state: GroupState | undefined, transition: Transition): string | undefined {
  if (transition.kind === "form") return state === undefined ? undefined : "the group has a state already";
  if (state === undefined) return "the group has no state yet";
  const { epoch, primary, inSync } = state;
  switch (transition.kind) {
    case "rejoin": {
      const { self } = transition;
      if (!hasNumber(inSync, self.number)) return `node ${self.number} is not in sync`;
      return hasMember(inSync, self) ? `node ${self.number} is in sync already in this life` : undefined;
    }
    case "leave": {
      const { number } = transition;
      if (!hasNumber(inSync, number)) return `node ${number} is not in sync`;
      return inSync.length === 1 ? `node ${number} is alone in sync` : undefined;
    }
    case "expand": {
      const { number } = transition.joining;
      const isThere = hasNumber(inSync, number);
      return (
        refusalOfTerm(state, transition.by) ?? (isThere ? `node ${number} is in sync already` : undefined)
      );
    }
    case "shrink":
      return refusalOfTerm(state, transition.by) ?? refusalOfShrink(state, transition);
    case "transfer":
      return refusalOfTerm(state, transition.by) ?? refusalOfSuccessor(state, transition.to);
    case "promote":
      return refusalOfSuccessor(state, transition.to);
    case "replace-silent": {
      const { reporter } = transition;
      if (primary === undefined || epoch !== transition.epoch) return `epoch ${transition.epoch} is over`;
      if (!hasMember(inSync, reporter))
        return `node ${reporter.number}, which reports the silence, is not in sync`;
      if (isSameMember(reporter, primary)) return `node ${reporter.number} reports its own silence`;
      return refusalOfSuccessor(state, transition.to);
    }
    case "recover": {
      const { to } = transition;
      return hasMember(inSync, to) ? `node ${to.number} is in sync: nothing needs to be lost` : undefined;
    }
  }
}

/** The state that a transition leads to. An illegal one is an InvariantError: whoever asks for it has a bug. */
export function apply(state: GroupState | undefined, transition: Transition): GroupState {
  const reason = refusal(state, transition);
  if (reason !== undefined) {
    throw new InvariantError(`"${transition.kind}" is illegal: ${reason} (in ${JSON.stringify(state)})`);
  }
  const next = resultOf(state, transition);
  checkState(next);
  if (state !== undefined) checkStep(state, next);
  return next;
}

function resultOf(state: GroupState | undefined, transition: Transition): GroupState {
  if (transition.kind === "form")
    return { epoch: transition.after, primary: undefined, inSync: [transition.first] };
  invariant(state !== undefined, "there is no state to change");
  const { epoch, inSync } = state;
  switch (transition.kind) {
    case "rejoin": {
      const { self } = transition;
      return {
        ...withoutPrimary(state, self.number),
        inSync: sorted([...without(inSync, self.number), self]),
      };
    }
    case "leave": {
      const { number } = transition;
      return { ...withoutPrimary(state, number), inSync: without(inSync, number) };
    }
    case "expand":
      return { ...state, inSync: sorted([...inSync, transition.joining]) };
    case "shrink":
      return { ...state, inSync: inSync.filter((member) => !hasMember(transition.leaving, member)) };
    case "transfer":
    case "promote":
    case "replace-silent":
      return { epoch: epoch + 1, primary: transition.to, inSync };
    case "recover":
      return { epoch: epoch + 1, primary: transition.to, inSync: [transition.to] };
  }
}

function checkState({ epoch, primary, inSync }: GroupState): void {
  invariant(inSync.length > 0, "the in-sync set would be empty");
  invariant(
    new Set(inSync.map(({ number }) => number)).size === inSync.length,
    "a replica would be in sync twice",
  );
  invariant(primary === undefined || hasMember(inSync, primary), "the primary would not be in sync");
  invariant(primary === undefined || epoch > 0, "there would be a primary without an epoch");
}

function checkStep(before: GroupState, next: GroupState): void {
  const isNew =
    next.primary !== undefined &&
    (before.primary === undefined || !isSameMember(next.primary, before.primary));
  invariant(
    next.epoch === before.epoch + (isNew ? 1 : 0),
    "the epoch must rise by one with a new primary, and only then",
  );
}

function refusalOfTerm(state: GroupState, by: Term): string | undefined {
  if (isCurrent(by, state)) return undefined;
  return `node ${by.primary} is not the primary of epoch ${by.epoch} any more`;
}

function refusalOfSuccessor({ primary, inSync }: GroupState, to: Member): string | undefined {
  if (!hasMember(inSync, to)) return `node ${to.number} is not in sync`;
  const isPrimary = primary !== undefined && isSameMember(primary, to);
  return isPrimary ? `node ${to.number} is the primary already` : undefined;
}

function refusalOfShrink({ inSync }: GroupState, { by, leaving }: Shrink): string | undefined {
  if (leaving.length === 0) return "nobody leaves";
  if (hasNumber(leaving, by.primary)) return "the primary cannot take itself out";
  const stranger = leaving.find((member) => !hasMember(inSync, member));
  return stranger && `node ${stranger.number} is not in sync`;
}

function withoutPrimary(state: GroupState, number: number): GroupState {
  return state.primary?.number === number ? { ...state, primary: undefined } : state;
}

function without(members: readonly Member[], number: number): Member[] {
  return members.filter((member) => member.number !== number);
}

function hasNumber(members: readonly Member[], number: number): boolean {
  return members.some((member) => member.number === number);
}

function sorted(members: readonly Member[]): Member[] {
  return [...members].sort((a, b) => a.number - b.number);
}
