const zero = 48; // "0"

/** Parses a whole number in the only notation that the format allows: decimal, without leading zeros. */
export function parseCount(text: string | undefined): number | undefined {
  if (text === undefined || text === "" || text.length > 16) return undefined;
  let number = 0;
  for (let index = 0; index < text.length; index++) {
    const digit = text.charCodeAt(index) - zero;
    if (digit < 0 || digit > 9 || (digit === 0 && index === 0 && text.length > 1)) return undefined;
    number = 10 * number + digit;
  }
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Parses a list of two numbers each, `a:b,c:d`. */
export function parsePairs(text: string): [number, number][] | undefined {
  const pairs: [number, number][] = [];
  for (const part of text === "" ? [] : text.split(",")) {
    const [firstText, secondText, ...rest] = part.split(":");
    const first = parseCount(firstText);
    const second = parseCount(secondText);
    if (first === undefined || second === undefined || rest.length > 0) return undefined;
    pairs.push([first, second]);
  }
  return pairs;
}

/** A checksum as the file has it: 8 hexadecimal digits. */
export function formatChecksum(checksum: number): string {
  return (checksum >>> 0).toString(16).padStart(8, "0");
}
