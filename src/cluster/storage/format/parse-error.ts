/** Why some bytes are no record or control line. `newer`: they are, for a later version of this program. */
export interface ParseError {
  readonly kind: "parse-error";
  readonly reason: string;
  readonly newer: boolean;
}

export function parseError(reason: string): ParseError {
  return { kind: "parse-error", reason, newer: false };
}

/** The checksum is right, so these bytes were written so: by a version that knows more. */
export function newerVersionError(what: string): ParseError {
  return {
    kind: "parse-error",
    reason: `${what}: a later version of this program has written it`,
    newer: true,
  };
}
