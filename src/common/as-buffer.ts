/**
 * The same memory as a Buffer. One that is a Buffer already is returned as it is: to ask an array for its `buffer` costs
 * time and, in Bun, some 300 bytes for as long as the array lives.
 */
export function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
