import { Buffer } from "node:buffer";
import type { KvEntry, KvKey, KvValue } from "../client/index.ts";

/** A value in JSON: text as `text`, bytes as `base64`. */
export function valueJson(value: KvValue): { text: string } | { base64: string } {
  return typeof value === "string" ? { text: value } : { base64: Buffer.from(value).toString("base64") };
}

/** A key, with its value if there is one, in JSON. */
export function entryJson(entry: KvKey | KvEntry): string {
  const { key, revision, ttlLeftMs } = entry;
  return JSON.stringify({ key, ...("value" in entry && valueJson(entry.value)), revision, ttlLeftMs });
}

/**
 * A key or value as a tab-separated field. Backslash, tab, line ends and other control characters are escaped as the
 * repl accepts them (`\\ \t \n \r \u{1b}`); a byte that is not UTF-8 is `\xHH`. So a field never ends early, cannot
 * control a terminal, and different values look different.
 */
export function fieldOf(value: KvValue): string {
  if (typeof value === "string") return escaped(value);
  let field = "";
  let valid = 0;
  for (let at = 0; at < value.length; ) {
    const length = sequenceLength(value, at);
    if (length > 0) {
      at += length;
      continue;
    }
    field += escaped(decoder.decode(value.subarray(valid, at)));
    field += `\\x${(value[at] ?? 0).toString(16).padStart(2, "0")}`;
    valid = ++at;
  }
  return field + escaped(decoder.decode(value.subarray(valid)));
}

/** Bytes of the UTF-8 sequence that begins at `at`; 0 when there is none (RFC 3629, section 4). */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  for (let index = 1; index < length; index++) {
    const byte = bytes[at + index] ?? 0;
    // Smaller values have shorter encodings, and larger ones are undefined.
    const min = index === 1 && first === 0xe0 ? 0xa0 : index === 1 && first === 0xf0 ? 0x90 : 0x80;
    const max = index === 1 && first === 0xed ? 0x9f : index === 1 && first === 0xf4 ? 0x8f : 0xbf;
    if (byte < min || byte > max) return 0;
  }
  return length;
}

/** A value in readable form: text as `harmless` has it, other bytes in base64. */
export function readable(value: KvValue): string {
  const text = typeof value === "string" ? value : textOf(value);
  if (text !== undefined) return harmless(text);
  return `(${value.length} bytes that are not text, in base64) ${Buffer.from(value).toString("base64")}`;
}

/** Text that cannot control a terminal: of its control characters, tab and line feed stay. */
export function harmless(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come through
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, codePointOf);
}

const names: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };

function escaped(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come through
    /[\\\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (char) => names[char] ?? codePointOf(char),
  );
}

function codePointOf(char: string): string {
  return `\\u{${char.charCodeAt(0).toString(16)}}`;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
