/** What a backslash and a letter mean, outside quotes and in double quotes; any other character means itself. */
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", 0: "\0" };

/**
 * Splits a line into words at white space. In '…' everything stands for itself; in "…" and outside of quotes, a
 * backslash escapes: \n \r \t \0, \u{1F600} for a code point, any other character for itself.
 * Errors: SyntaxError (a quote is not closed, a backslash ends the line, no such character).
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let rest = line;
  while (rest !== "") {
    const { taken, text } = takePart(rest);
    rest = rest.slice(taken);
    if (text !== undefined) {
      word = (word ?? "") + text;
    } else if (word !== undefined) {
      words.push(word);
      word = undefined;
    }
  }
  return word === undefined ? words : [...words, word];
}

/** The first part of a line and its length: white space (without text), a quoted part, an escape, or plain text. */
function takePart(line: string): { taken: number; text?: string } {
  const space = /^\s+/.exec(line);
  if (space) return { taken: space[0].length };

  const quote = line[0];
  if (quote === "'" || quote === '"') {
    const closed = quote === "'" ? /^'([^']*)'/.exec(line) : /^"((?:[^"\\]|\\.)*)"/su.exec(line);
    if (!closed) throw new SyntaxError(`a ${quote} is not closed`);
    const text = closed[1] ?? "";
    return { taken: closed[0].length, text: quote === "'" ? text : unescaped(text) };
  }

  const plain = /^(?:[^\s'"\\]|\\.)+/su.exec(line);
  if (!plain) throw new SyntaxError("a backslash ends the line");
  return { taken: plain[0].length, text: unescaped(plain[0]) };
}

function unescaped(text: string): string {
  return text.replace(/\\(?:u\{([\da-fA-F]+)\}|(.))/gsu, (whole, hex?: string, letter = "") => {
    if (hex === undefined) return ESCAPES[letter] ?? letter;
    const codePoint = Number.parseInt(hex, 16);
    // Half of a surrogate pair has no form in UTF-8.
    if (codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)) {
      throw new SyntaxError(`${whole} is not a character`);
    }
    return String.fromCodePoint(codePoint);
  });
}
