import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FrameReader } from "../../../src/zookeeper/wire/frame-reader.ts";
import { JuteReader, JuteWriter, ProtocolError } from "../../../src/zookeeper/wire/jute.ts";

const readerOf = (writer: JuteWriter) => new JuteReader(writer.packet().subarray(4));

describe("jute", () => {
  it("is big-endian, with lengths before the content", () => {
    const packet = new JuteWriter().int(-2).long(1n).bool(true).string("é").bytes(Uint8Array.of(9)).packet();
    assert.equal(
      packet.toString("hex"),
      "00000018" + "fffffffe" + "0000000000000001" + "01" + "00000002c3a9" + "0000000109",
    );
  });

  it("reads what was written", () => {
    const fields = fc.record({
      int: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      long: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      bool: fc.boolean(),
      string: fc.string({ unit: "grapheme", maxLength: 2000 }),
      bytes: fc.uint8Array({ maxLength: 2000 }),
      list: fc.array(fc.string()),
    });
    fc.assert(
      fc.property(fields, ({ int, long, bool, string, bytes, list }) => {
        const writer = new JuteWriter().int(int).long(long).bool(bool).string(string).bytes(bytes);
        const reader = readerOf(writer.list(list, (value) => writer.string(value)));
        assert.equal(reader.int(), int);
        assert.equal(reader.long(), long);
        assert.equal(reader.bool(), bool);
        assert.equal(reader.string(), string);
        assert.deepEqual(reader.bytes(), bytes);
        assert.deepEqual(
          reader.list(() => reader.string()),
          list,
        );
        assert.equal(reader.remaining, 0);
      }),
    );
  });

  it("reads an absent field as empty", () => {
    const reader = readerOf(new JuteWriter().int(-1).int(-1).int(-1));
    assert.equal(reader.bytes().length, 0);
    assert.equal(reader.string(), "");
    assert.deepEqual(
      reader.list(() => 1),
      [],
    );
  });

  it("refuses to read past the end", () => {
    const reads: ((reader: JuteReader) => unknown)[] = [
      (reader) => reader.long(),
      (reader) => reader.bytes(),
      (reader) => reader.string(),
      (reader) => reader.list(() => reader.int()),
    ];
    for (const read of reads) assert.throws(() => read(readerOf(new JuteWriter().int(1000))), ProtocolError);
    assert.throws(() => readerOf(new JuteWriter()).bool(), ProtocolError);
    assert.throws(() => readerOf(new JuteWriter()).int(), ProtocolError);
  });

  it("gives bytes that do not change with the packet", () => {
    const packet = new JuteWriter().bytes(Uint8Array.of(1, 2, 3)).packet();
    const bytes = new JuteReader(packet.subarray(4)).bytes();
    packet.fill(0);
    assert.deepEqual(bytes, Uint8Array.of(1, 2, 3));
  });
});

describe("packets", () => {
  it("are found however the stream is split", () => {
    const streams = fc.record({
      packets: fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }),
      cuts: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
    });
    fc.assert(
      fc.property(streams, ({ packets, cuts }) => {
        const writers = packets.map((packet) =>
          packet.reduce((writer, byte) => writer.bool(byte > 127), new JuteWriter()),
        );
        const frames = writers.map((writer) => writer.packet());
        const stream = Buffer.concat(frames);
        const reader = new FrameReader();
        const found: Buffer[] = [];
        for (let start = 0, turn = 0; start < stream.length; turn++) {
          const end = start + (cuts[turn % cuts.length] ?? 1);
          reader.push(stream.subarray(start, end));
          start = end;
          for (let frame = reader.next(); frame !== undefined; frame = reader.next()) found.push(frame);
        }
        assert.deepEqual(
          found.map((frame) => frame.toString("hex")),
          frames.map((frame) => frame.subarray(4).toString("hex")),
        );
      }),
    );
  });

  it("must have a possible length", () => {
    for (const length of [[0xff, 0xff, 0xff, 0xff], [0x7f, 0, 0, 0], [...Buffer.from("HTTP")]]) {
      const reader = new FrameReader();
      reader.push(Buffer.from(length));
      assert.throws(() => reader.next(), ProtocolError);
    }
  });
});
