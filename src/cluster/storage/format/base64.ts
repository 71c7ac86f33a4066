/** Strict base64 (RFC 4648, section 4) within a buffer. */

import { asBuffer } from "../../../common/as-buffer.ts";

const notADigit = 255;
const padding = 61; // "="

const letters = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", "latin1");
const digits = new Uint8Array(256).fill(notADigit);
for (const [value, letter] of letters.entries()) digits[letter] = value;

/** Shorter data is encoded and decoded here: what the runtime has for that makes strings and buffers on the way. */
const nativeBytesMin = 512;

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

/** Writes data into `into`, which must have room, and returns where it ends. */
export function encodeBase64(data: Uint8Array, into: Buffer, start: number): number {
  if (data.length < nativeBytesMin) return encodeShort(data, data.length, into, start);
  return start + into.write(asBuffer(data).toString("base64"), start, "latin1");
}

/** As `encodeBase64`, for the UTF-8 form of a text. */
export function encodeText(text: string, into: Buffer, start: number): number {
  const bytesMax = 3 * text.length;
  if (scratch.length < bytesMax) scratch = Buffer.alloc(bytesMax);
  return encodeShort(scratch, scratch.write(text), into, start);
}

/** Encodes the first bytes of `data`. */
function encodeShort(data: Uint8Array, length: number, into: Buffer, start: number): number {
  const rest = length % 3;
  const whole = length - rest;
  let end = start;
  const put = (digit: number) => {
    into[end++] = letters[digit & 63] ?? 0;
  };
  for (let index = 0; index < whole; index += 3) {
    const group = ((data[index] ?? 0) << 16) | ((data[index + 1] ?? 0) << 8) | (data[index + 2] ?? 0);
    put(group >> 18);
    put(group >> 12);
    put(group >> 6);
    put(group);
  }
  if (rest === 0) return end;
  const group = ((data[whole] ?? 0) << 16) | (rest === 2 ? (data[whole + 1] ?? 0) << 8 : 0);
  put(group >> 18);
  put(group >> 12);
  if (rest === 2) put(group >> 6);
  else into[end++] = padding;
  into[end++] = padding;
  return end;
}

/** Decodes bytes that `isBase64` has accepted. */
export function decodeBase64(bytes: Buffer, start: number, end: number): Buffer {
  if (end - start >= nativeBytesMin) return Buffer.from(bytes.toString("latin1", start, end), "base64");
  const decoded = Buffer.allocUnsafe(((end - start) / 4) * 3);
  return decoded.subarray(0, decodeInto(decoded, bytes, start, end));
}

/** Reused, because opening a log decodes the keys of millions of records. */
let scratch = Buffer.alloc(8192);

/** Decodes text that `isBase64` has accepted. Undefined when it is not UTF-8. */
export function decodeText(bytes: Buffer, start: number, end: number): string | undefined {
  if (scratch.length < end - start) scratch = Buffer.alloc(end - start);
  const length = decodeInto(scratch, bytes, start, end);
  const text = scratch.toString("utf8", 0, length);
  // The key itself may contain the replacement character.
  const isExact = !text.includes("\ufffd") || Buffer.from(text).equals(scratch.subarray(0, length));
  return isExact ? text : undefined;
}

/** Returns the number of bytes. `into` must have room for three bytes for each four, also those that padding stands for. */
function decodeInto(into: Buffer, bytes: Buffer, start: number, end: number): number {
  let length = 0;
  for (let index = start; index < end; index += 4) {
    const group =
      (digit(bytes, index) << 18) |
      (digit(bytes, index + 1) << 12) |
      (digit(bytes, index + 2) << 6) |
      digit(bytes, index + 3);
    into[length] = group >> 16;
    into[length + 1] = group >> 8;
    into[length + 2] = group;
    length += 3;
  }
  return length > 0 ? length - padsBefore(bytes, end) : 0;
}

/** Value of a digit. For padding any value will do: it only affects bytes that are cut off. */
function digit(bytes: Buffer, index: number): number {
  return (digits[bytes[index] ?? 0] ?? 0) & 63;
}

function padsBefore(bytes: Uint8Array, end: number): number {
  return bytes[end - 1] !== padding ? 0 : bytes[end - 2] !== padding ? 1 : 2;
}
