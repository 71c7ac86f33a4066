import { Buffer } from "node:buffer";
import type { KvValue } from "../../client/index.ts";
import { BadLine } from "./json-lines.ts";

type Fields = Readonly<Record<string, unknown>>;

/** A field that must be text. Errors: BadLine. */
export function textField(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw new BadLine(`${name} is ${shown(value)}; allowed: text`);
}

/** The value of a put: `text`, or `base64` for any bytes. Errors: BadLine. */
export function valueFields(fields: Fields): KvValue {
  const { text, base64 } = fields;
  if ((text === undefined) === (base64 === undefined)) {
    throw new BadLine(
      `${text === undefined ? "there is no value" : "there are two values"}; allowed: text or base64`,
    );
  }
  if (base64 === undefined) return textField(fields, "text");
  if (typeof base64 !== "string" || base64.length % 4 !== 0 || !/^[A-Za-z\d+/]*={0,2}$/.test(base64)) {
    throw new BadLine(`base64 is ${shown(base64)}; allowed: base64 with its padding`);
  }
  return Buffer.from(base64, "base64");
}

/** `ttlMs`, if it is there. Errors: BadLine. */
export function ttlField({ ttlMs }: Fields): number | undefined {
  if (ttlMs === undefined) return undefined;
  if (typeof ttlMs === "number" && Number.isSafeInteger(ttlMs) && ttlMs >= 1) return ttlMs;
  throw new BadLine(`ttlMs is ${shown(ttlMs)}; allowed: a whole number of milliseconds, at least 1`);
}

/** The condition of a line, if it has one. Errors: BadLine. */
export function conditionFields({ ifRevision, ...flags }: Fields) {
  if (
    ifRevision !== undefined &&
    !(typeof ifRevision === "number" && Number.isSafeInteger(ifRevision) && ifRevision >= 1)
  ) {
    throw new BadLine(`ifRevision is ${shown(ifRevision)}; allowed: a revision, a whole number above 0`);
  }
  const ifPresent = flag("ifPresent", flags.ifPresent);
  const ifAbsent = flag("ifAbsent", flags.ifAbsent);
  const given = Number(ifRevision !== undefined) + Number(ifPresent) + Number(ifAbsent);
  if (given > 1)
    throw new BadLine("there are several conditions; allowed: one of ifRevision, ifPresent, ifAbsent");
  return given === 0 ? undefined : { ifRevision, ifPresent, ifAbsent };
}

function flag(name: string, value: unknown = false): boolean {
  if (typeof value === "boolean") return value;
  throw new BadLine(`${name} is ${shown(value)}; allowed: true or false`);
}

function shown(value: unknown): string {
  return value === undefined ? "missing" : (JSON.stringify(value) ?? "").slice(0, 40);
}
