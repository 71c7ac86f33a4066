import type { MoveSummary } from "../model.ts";
import { formatName, parseName } from "./names.ts";
import { parseCount, parsePairs } from "./numbers.ts";

/** The fields of a base line that say what its records said of moves, with a space before each. */
export function formatMoves(moves: MoveSummary): string {
  const { change, released, accepted, aheads, forgottenSeq, copiedAfter } = moves;
  const sources = [...accepted].map(([group, revision]) => `${formatName(group)}:${revision}`);
  let formatted = ` forgotten=${forgottenSeq}`;
  if (copiedAfter > 0) formatted += ` copied=${copiedAfter}`;
  if (aheads.length > 0) {
    formatted += ` ahead=${aheads.map(({ firstSeq, ahead }) => `${firstSeq}:${ahead}`).join(",")}`;
  }
  if (change > 0) formatted += ` change=${change}`;
  if (released.size > 0) formatted += ` released=${[...released].map(formatName).join(",")}`;
  return sources.length === 0 ? formatted : `${formatted} accepted=${sources.join(",")}`;
}

/** Undefined when there are no fields; "unknown" when one of them is not known, or is not as this version writes it. */
export function parseMoves(fields: Partial<Record<string, string>>): MoveSummary | undefined | "unknown" {
  if (Object.keys(fields).length === 0) return undefined;
  const { forgotten, copied = "0", ahead = "", change = "0", released, accepted, ...others } = fields;
  const forgottenSeq = parseCount(forgotten);
  const copiedAfter = parseCount(copied);
  const aheads = parsePairs(ahead);
  const changeId = parseCount(change);
  const targets = released?.split(",").map(parseName) ?? [];
  const sources = accepted?.split(",").map(parseSource) ?? [];
  if (
    Object.keys(others).length > 0 ||
    forgottenSeq === undefined ||
    copiedAfter === undefined ||
    aheads === undefined ||
    changeId === undefined
  ) {
    return "unknown";
  }
  const releasedTo = new Set<string>();
  for (const group of targets) if (group) releasedTo.add(group);
  const acceptedFrom = new Map<string, number>();
  for (const source of sources) if (source) acceptedFrom.set(...source);
  if (releasedTo.size < targets.length || acceptedFrom.size < sources.length) return "unknown";
  return {
    change: changeId,
    released: releasedTo,
    accepted: acceptedFrom,
    aheads: aheads.map(([firstSeq, ahead]) => ({ firstSeq, ahead })),
    forgottenSeq,
    copiedAfter,
  };
}

function parseSource(text: string): [string, number] | undefined {
  const [name, revisionText, ...rest] = text.split(":");
  const group = parseName(name);
  const revision = parseCount(revisionText);
  if (!group || revision === undefined || rest.length > 0) return undefined;
  return [group, revision];
}
