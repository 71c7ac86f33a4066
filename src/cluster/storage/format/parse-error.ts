/** Why some bytes are not a record or control line. `newer`: a later version of this program wrote them. */
export interface ParseError {
  readonly kind: "parse-error";
  readonly reason: string;
  readonly newer: boolean;
}

export function parseError(reason: string): ParseError {
  return { kind: "parse-error", reason, newer: false };
}

/** The checksum matches, so the bytes are as they were written: by a later version. */
export function newerVersionError(what: string): ParseError {
  return {
    kind: "parse-error",
    reason: `${what}: a later version of this program has written it`,
    newer: true,
  };
}
