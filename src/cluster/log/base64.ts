/** Strict base64 (RFC 4648, section 4) within a buffer, and UTF-8 that comes back as it was. */

const notADigit = 255;
const padding = 61; // "="

const digits = new Uint8Array(256).fill(notADigit);
for (const [value, letter] of [
  ..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
].entries()) {
  digits[letter.charCodeAt(0)] = value;
}

/** Whether these bytes are what an encoder makes: padded, no foreign characters, no bits set that encode nothing. */
export function isBase64(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length % 4 !== 0) return false;
  if (length === 0) return true;
  const pads = bytes[end - 1] !== padding ? 0 : bytes[end - 2] !== padding ? 1 : 2;
  const digitsEnd = end - pads;
  for (let index = start; index < digitsEnd; index++) {
    if (digits[bytes[index] ?? 0] === notADigit) return false;
  }
  const unusedBits = pads === 0 ? 0 : pads === 1 ? 0b11 : 0b1111;
  return ((digits[bytes[digitsEnd - 1] ?? 0] ?? 0) & unusedBits) === 0;
}

/** Decodes what `isBase64` has accepted. */
export function decodeBase64(bytes: Buffer, start: number, end: number): Buffer {
  return Buffer.from(bytes.toString("latin1", start, end), "base64");
}

/** Undefined for bytes that are not UTF-8. */
export function decodeUtf8(bytes: Buffer): string | undefined {
  const text = bytes.toString();
  // The replacement character may have been there in the first place.
  return text.includes("\ufffd") && !Buffer.from(text).equals(bytes) ? undefined : text;
}
