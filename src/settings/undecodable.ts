import { SettingError } from "./read-settings.ts";

/**
 * Refuses typed text with U+FFFD. Every runtime puts this character in place of bytes that are not UTF-8, so that
 * different bytes would become one key. The character itself can be given in other ways. Errors: SettingError.
 */
export function refuseUndecodable(what: string, text: string): void {
  if (!text.includes("\ufffd")) return;
  throw new SettingError(
    `${what} has U+FFFD, as bytes have that are not UTF-8; allowed: UTF-8, and any bytes as a value from standard ` +
      "input (-); `kvlab repl` takes \\u{fffd} for the character",
  );
}
