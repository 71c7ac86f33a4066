import { SettingError } from "./read-settings.ts";

/**
 * Refuses typed text with U+FFFD: it is what every runtime makes of bytes that are no UTF-8, so that different bytes would
 * be one key. Who means that character can say so in other ways. Errors: SettingError.
 */
export function refuseUndecodable(what: string, text: string): void {
  if (!text.includes("\ufffd")) return;
  throw new SettingError(
    `${what} has U+FFFD, as bytes have that are not UTF-8; allowed: UTF-8, and any bytes as a value from standard ` +
      "input (-); `kvlab repl` takes \\u{fffd} for the character",
  );
}
