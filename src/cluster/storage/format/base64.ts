/** Strict base64 (RFC 4648, section 4) within a buffer. */

const notADigit = 255;
const padding = 61; // "="

const digits = new Uint8Array(256).fill(notADigit);
for (const [value, letter] of [
  ..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
].entries()) {
  digits[letter.charCodeAt(0)] = value;
}

/** Whether these bytes are canonical base64: padded, only digits of the alphabet, unused bits zero. */
export function isBase64(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length % 4 !== 0) return false;
  if (length === 0) return true;
  const pads = padsBefore(bytes, end);
  const digitsEnd = end - pads;
  for (let index = start; index < digitsEnd; index++) {
    if (digits[bytes[index] ?? 0] === notADigit) return false;
  }
  const unusedBits = pads === 0 ? 0 : pads === 1 ? 0b11 : 0b1111;
  return ((digits[bytes[digitsEnd - 1] ?? 0] ?? 0) & unusedBits) === 0;
}

/** Whether these bytes can be a prefix of canonical base64. */
export function isBase64Start(bytes: Uint8Array, start: number, end: number): boolean {
  const rest = (end - start) % 4;
  const whole = end - rest;
  // Padding ends the text.
  const isLast = rest > 0 && bytes[whole - 1] === padding && whole > start;
  if (isLast || !isBase64(bytes, start, whole)) return false;
  if (rest === 3 && bytes[end - 1] === padding) {
    return isDigit(bytes[whole]) && isDigit(bytes[whole + 1]);
  }
  for (let index = whole; index < end; index++) if (!isDigit(bytes[index])) return false;
  return true;
}

function isDigit(byte: number | undefined): boolean {
  return digits[byte ?? 0] !== notADigit;
}

/** Decodes bytes that `isBase64` has accepted. */
export function decodeBase64(bytes: Buffer, start: number, end: number): Buffer {
  return Buffer.from(bytes.toString("latin1", start, end), "base64");
}

/** Reused, because opening a log decodes the keys of millions of records. */
let scratch = Buffer.alloc(8192);

/** Decodes text that `isBase64` has accepted. Undefined when it is not UTF-8. */
export function decodeText(bytes: Buffer, start: number, end: number): string | undefined {
  if (scratch.length < end - start) scratch = Buffer.alloc(end - start);
  let length = 0;
  for (let index = start; index < end; index += 4) {
    const group =
      (digit(bytes, index) << 18) |
      (digit(bytes, index + 1) << 12) |
      (digit(bytes, index + 2) << 6) |
      digit(bytes, index + 3);
    scratch[length] = group >> 16;
    scratch[length + 1] = group >> 8;
    scratch[length + 2] = group;
    length += 3;
  }
  if (length > 0) length -= padsBefore(bytes, end);
  const text = scratch.toString("utf8", 0, length);
  // The key itself may contain the replacement character.
  const isExact = !text.includes("\ufffd") || Buffer.from(text).equals(scratch.subarray(0, length));
  return isExact ? text : undefined;
}

/** Value of a digit. For padding any value will do: it only affects bytes that are cut off. */
function digit(bytes: Buffer, index: number): number {
  return (digits[bytes[index] ?? 0] ?? 0) & 63;
}

function padsBefore(bytes: Uint8Array, end: number): number {
  return bytes[end - 1] !== padding ? 0 : bytes[end - 2] !== padding ? 1 : 2;
}
