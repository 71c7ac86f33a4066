import { randomBytes } from "node:crypto";

/** Text of ASCII by chance: what a system or a disk might compress stays as long as it is. */
export function randomText(bytes: number): string {
  return randomBytes(Math.ceil(bytes * 0.75))
    .toString("base64")
    .slice(0, bytes);
}
