import type { MoveMark } from "../model.ts";
import type { CommitOptions } from "./commit-line.ts";

/** The options of a commit line that say what a record is to a move: see `MoveMark`. */
export function optionsOfMove(move: MoveMark | undefined): Partial<CommitOptions> {
  switch (move?.kind) {
    case undefined:
      return {};
    case "copy":
      return { copy: move.revision };
    case "forget":
      return { forget: true };
    case "release":
      return { kind: "release", change: move.change, group: move.to };
    case "accept": {
      const { kind, change, from: group, revision, ahead, requestsAfter } = move;
      return { kind, change, group, revision, ahead, requestsAfter };
    }
  }
}

/** What options that fit say of the record. */
export function moveOf(options: CommitOptions): MoveMark | undefined {
  const { kind, copy, forget, change, group = "", revision = 0, ahead = 0, requestsAfter = 0 } = options;
  if (copy > 0) return { kind: "copy", revision: copy };
  if (forget) return { kind: "forget" };
  if (kind === "release") return { kind, change, to: group };
  if (kind === "accept") return { kind, change, from: group, revision, ahead, requestsAfter };
  return undefined;
}

interface MarkedEntry {
  /** Whether it has no value. */
  readonly isEmpty: boolean;
  /** Whether another entry of its record follows. */
  readonly isContinued: boolean;
}

/** Whether these options fit each other and their entry. */
export function isMoveFitting(options: CommitOptions, { isEmpty, isContinued }: MarkedEntry): boolean {
  const { kind, requestId, copy, forget, change, group, revision, ahead, requestsAfter } = options;
  const isAccept = kind === "accept";
  const isBetweenGroups = isAccept || kind === "release";
  if (isBetweenGroups !== change > 0 || isBetweenGroups !== (group !== undefined)) return false;
  if (isAccept !== (revision !== undefined) || isAccept !== (ahead !== undefined)) return false;
  if (isAccept !== (requestsAfter !== undefined)) return false;
  if (copy > 0 && (isContinued || forget || kind === "epoch" || isBetweenGroups)) return false;
  return !forget || (isEmpty && !isContinued && kind === undefined && requestId === undefined);
}
