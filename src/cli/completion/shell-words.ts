/**
 * The meaning of a backslash and a letter, outside quotes and in double quotes. Any other escaped character means
 * itself.
 */
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", 0: "\0" };

/**
 * Splits a line into shell words at white space. In '…' every character means itself. In "…" and outside of quotes a
 * backslash escapes: \n \r \t \0, \u{1F600} for a code point, any other character for itself. Errors: SyntaxError (a
 * quote is not closed, a backslash ends the line, the code point does not exist).
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < line.length; ) {
    const end = spaceEnd(line, at);
    if (end > at) {
      if (word !== undefined) words.push(word);
      word = undefined;
      at = end;
      continue;
    }
    const part = takePart(line, at);
    word = (word ?? "") + part.text;
    at = part.end;
  }
  return word === undefined ? words : [...words, word];
}

/** A part of a shell word, and where it ends. */
interface Part {
  readonly text: string;
  readonly end: number;
}

/** The part that begins at `at`: quoted text, or plain text up to a quote or white space. */
function takePart(line: string, at: number): Part {
  const quote = line[at];
  if (quote === "'") {
    const end = line.indexOf("'", at + 1);
    if (end < 0) throw new SyntaxError("a ' is not closed");
    return { text: line.slice(at + 1, end), end: end + 1 };
  }
  if (quote === '"') {
    const { text, end } = takeEscaped(line, at + 1, (char) => char === '"');
    if (end >= line.length) throw new SyntaxError('a " is not closed');
    return { text, end: end + 1 };
  }
  return takeEscaped(line, at, (char) => char === "'" || char === '"' || isSpace(char));
}

/**
 * Text with escapes, up to the first character that ends it. Parsed by hand: the regular expressions of some runtimes
 * fail on a long line.
 */
function takeEscaped(line: string, from: number, ends: (char: string) => boolean): Part {
  const pieces: string[] = [];
  let at = from;
  let plain = at;
  for (; at < line.length; at++) {
    const char = line.charAt(at);
    if (ends(char)) break;
    if (char !== "\\") continue;
    const escaped = takeEscape(line, at);
    pieces.push(line.slice(plain, at), escaped.text);
    plain = escaped.end;
    at = plain - 1;
  }
  return { text: pieces.join("") + line.slice(plain, at), end: at };
}

/** The longest escape, with some zeros. */
const escapeCharsMax = 16;

/** The escape whose backslash is at `at`. */
function takeEscape(line: string, at: number): Part {
  const codePoint = line.codePointAt(at + 1);
  if (codePoint === undefined) throw new SyntaxError("a backslash ends the line");
  const letter = String.fromCodePoint(codePoint);
  const [braced, hex] = /^\\u\{([\da-fA-F]+)\}/.exec(line.slice(at, at + escapeCharsMax)) ?? [];
  if (braced === undefined || hex === undefined) {
    return { text: ESCAPES[letter] ?? letter, end: at + 1 + letter.length };
  }
  const named = Number.parseInt(hex, 16);
  // Half of a surrogate pair cannot be encoded in UTF-8.
  if (named > 0x10ffff || (named >= 0xd800 && named <= 0xdfff)) {
    throw new SyntaxError(`${braced} is not a character`);
  }
  return { text: String.fromCodePoint(named), end: at + braced.length };
}

function spaceEnd(line: string, from: number): number {
  let at = from;
  while (at < line.length && isSpace(line.charAt(at))) at++;
  return at;
}

function isSpace(char: string): boolean {
  return /^\s$/.test(char);
}
