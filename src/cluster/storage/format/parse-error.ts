/** Why some bytes are no record or control line. `newer`: they are, for a later version of this program. */
export interface Flaw {
  readonly kind: "flaw";
  readonly reason: string;
  readonly newer: boolean;
}

export function flaw(reason: string): Flaw {
  return { kind: "flaw", reason, newer: false };
}

/** The checksum is right, so these bytes were written so: by a version that knows more. */
export function newerFlaw(what: string): Flaw {
  return { kind: "flaw", reason: `${what}: a later version of this program has written it`, newer: true };
}
