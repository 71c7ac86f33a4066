import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { splitWords } from "../../src/cli/completion/shell-words.ts";

const accepted: readonly [string, readonly string[]][] = [
  ["", []],
  ["   \t ", []],
  ["put a b", ["put", "a", "b"]],
  ["  put\ta   b  ", ["put", "a", "b"]],
  [`put 'a b' "c d"`, ["put", "a b", "c d"]],
  [`put '' ""`, ["put", "", ""]],
  [`it'"'s "a'b"'c"d'`, [`it"s`, `a'bc"d`]],
  [String.raw`'a\nb'`, ["a\\nb"]],
  [String.raw`"a\nb" a\tb a\\b a\"b \'`, ["a\nb", "a\tb", "a\\b", 'a"b', "'"]],
  [String.raw`a\ b`, ["a b"]],
  [String.raw`"\u{1F600}" \u{e9}`, ["😀", "é"]],
  [String.raw`\q\u \u{} \u{x} \u{0000e9}`, ["qu", "u{}", "u{x}", "é"]],
  [`"${"x".repeat(1_500_000)}" ${"\\u{".repeat(100_000)}`, ["x".repeat(1_500_000), "u{".repeat(100_000)]],
  ["schlüssel 日本語 😀", ["schlüssel", "日本語", "😀"]],
  ["a\\😀b", ["a😀b"]],
];

const refused: readonly [string, string][] = [
  ['put "a', 'a " is not closed'],
  ["put 'a", "a ' is not closed"],
  [String.raw`put "a\"`, 'a " is not closed'],
  ["put a\\", "a backslash ends the line"],
  [String.raw`put \u{110000}`, String.raw`\u{110000} is not a character`],
  [String.raw`put "\u{D800}"`, String.raw`\u{D800} is not a character`],
];

describe("shell words", () => {
  for (const [line, words] of accepted) {
    it(`splits ${JSON.stringify(line).slice(0, 100)}`, () => assert.deepEqual(splitWords(line), words));
  }

  for (const [line, message] of refused) {
    it(`refuses ${JSON.stringify(line)}`, () => {
      assert.throws(() => splitWords(line), { name: "SyntaxError", message });
    });
  }
});
