/** Parses a whole number in the only notation that the format allows: decimal, without leading zeros. */
export function parseCount(text: string | undefined): number | undefined {
  if (text === undefined || !/^(0|[1-9]\d{0,15})$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** A checksum as the file has it: 8 hexadecimal digits. */
export function formatChecksum(checksum: number): string {
  return (checksum >>> 0).toString(16).padStart(8, "0");
}
