import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BadLine, type Line, parseObject, readLines } from "../../src/cli/transfer/json-lines.ts";

async function linesOf(pieces: readonly string[], from?: { number: number; start: number }): Promise<Line[]> {
  async function* source() {
    for (const piece of pieces) yield new TextEncoder().encode(piece);
  }
  const lines: Line[] = [];
  for await (const some of readLines(source(), from)) lines.push(...some);
  return lines;
}

describe("reading lines", () => {
  const content = "one\n\nthrée\r\nfour";

  it("finds the same lines and positions however the file is split into chunks", async () => {
    const bytes = new TextEncoder().encode(content);
    const whole = await linesOf([content]);
    assert.deepEqual(
      whole.map(({ number, start, end }) => [number, start, end]),
      [
        [1, 0, 4],
        [2, 4, 5],
        [3, 5, 13],
        [4, 13, bytes.length],
      ],
    );
    const shown = (lines: readonly Line[]) =>
      lines.map((line) => ({ ...line, bytes: new TextDecoder().decode(line.bytes) }));
    assert.deepEqual(
      shown(whole).map((line) => line.bytes),
      ["one", "", "thrée\r", "four"],
    );
    assert.deepEqual(shown(await linesOf([...content])), shown(whole));
  });

  it("does not keep a line that is too long, and continues after it", async () => {
    async function* source() {
      yield new TextEncoder().encode("one\n");
      for (let megabytes = 0; megabytes < 130; megabytes++) yield new Uint8Array(1024 * 1024).fill(120);
      yield new TextEncoder().encode("\nthree");
    }
    const lines: Line[] = [];
    for await (const some of readLines(source())) lines.push(...some);
    const [one, two, three] = lines;
    assert.deepEqual([one?.isTooLong, two?.isTooLong, three?.isTooLong], [false, true, false]);
    assert.deepEqual([two?.number, two?.bytes.length], [2, 0]);
    assert.deepEqual([three?.start, three?.end], [4 + 130 * 1024 * 1024 + 1, 4 + 130 * 1024 * 1024 + 6]);
    assert.throws(() => two && parseObject(two, []), /it is longer than 134217728 bytes/);
  });

  it("continues from a position", async () => {
    const [line] = await linesOf(["four"], { number: 4, start: 13 });
    assert.deepEqual([line?.number, line?.start, line?.end], [4, 13, 17]);
    assert.deepEqual(await linesOf([], { number: 4, start: 13 }), []);
  });
});

describe("a line of JSON", () => {
  const parse = (bytes: Uint8Array) => parseObject({ bytes, isTooLong: false }, ["a"]);
  const of = (text: string) => parse(new TextEncoder().encode(text));

  it("is an object of known fields, or blank", () => {
    assert.deepEqual(of('{"a": 1}\r'), { a: 1 });
    assert.equal(of("  \r"), undefined);
  });

  it("is nothing else", () => {
    for (const text of ["{", "[]", "null", "1", '{"b":1}']) assert.throws(() => of(text), BadLine, text);
    assert.throws(() => parse(Uint8Array.of(0x22, 0xff, 0x22)), /it is not UTF-8/);
  });

  it("cannot control the terminal that its error is shown on", () => {
    const controls = /\p{Cc}/u;
    for (const text of ["\u001b[2J\u0007x", '{"\u009b2J": 1}'])
      assert.throws(
        () => of(text),
        (error: Error) => !controls.test(error.message),
        text,
      );
  });
});
