import assert from "node:assert/strict";
import { describe, it } from "node:test";
import crc32 from "crc-32";
import { contentsOf, dbfile, deleting, openOn, plain, put, putting } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

/** An entry as the format says: CRC-32 of all of it but the checksum and the space before. */
function entry(key: string, value: string, commit: string, options = ""): string {
  const covered = `${key}\n${value}\n${commit}${options}`;
  const checksum = (crc32.str(covered) >>> 0).toString(16).padStart(8, "0");
  return `${key}\n${value}\n${commit} ${checksum}${options}\n`;
}

const first = entry("YQ==", "MQ==", "# 1.1");
const [a, b, c] = [
  entry("YQ==", "Mg==", "+ 1.2", " text=1"),
  entry("Yg==", "Mg==", "+ 1.2", " text=1 expires=77 prev=1"),
  entry("Yw==", "-", "# 1.2", " prev=1 id=req_1-A batch=3"),
];
const next = entry("ZA==", "MQ==", "# 1.3");

async function openText(text: string) {
  const disk = new SimulatedDisk();
  disk.place(dbfile, Buffer.from(text, "latin1"));
  return { disk, store: await openOn(disk) };
}

describe("a record of several changes", () => {
  const record = {
    epoch: 1,
    seq: 2,
    changes: [
      putting("a", "2"),
      putting("b", "2", { expiresMs: 77, previous: 1 }),
      deleting("c", { previous: 1 }),
    ],
    requestId: "req_1-A",
  };

  it("is written and read as the format says", async () => {
    const { disk, store } = await openText(first);
    await store.append([record]);
    await store.close();
    assert.equal(disk.contents(dbfile)?.toString("latin1"), first + a + b + c);
    const again = await openOn(disk);
    assert.deepEqual(plain(await again.read(1, 1000)), plain([record]));
    assert.deepEqual(
      await contentsOf(again),
      new Map([
        ["a", "2"],
        ["b", "2"],
      ]),
    );
    assert.deepEqual(await again.get("b"), {
      value: Buffer.from("2"),
      text: true,
      revision: 2,
      expiresMs: 77,
    });
    assert.equal(again.requestOf("req_1-A")?.seq, 2);
    await again.close();
  });

  it("whose end is missing is cut off as a whole", async () => {
    for (const text of [a, a + b, a + b + c.slice(0, -1)]) {
      const { disk, store } = await openText(first + text);
      assert.deepEqual(store.condition, { kind: "torn", line: 4, bytesCut: text.length });
      assert.deepEqual([...(await contentsOf(store))], [["a", "1"]]);
      await store.close();
      assert.equal(disk.contents(dbfile)?.toString("latin1"), first);
    }
  });

  const damaged: [string, string, string][] = [
    ["has lost an entry", first + a + c + next, "it is 2 of 3 changes of a batch"],
    ["has lost its last entry", first + a + b + next, "its batch has no end"],
    ["has lost all but its last entry", first + c + next, "it is 1 of 3 changes of a batch"],
    ["has one too many", first + a + b + b + c + next, "it is 4 of 3 changes of a batch"],
    ["has a bad entry", first + a + b.replace("Mg", "Mw") + c + next, "its checksum does not match"],
    [
      "holds one of another record",
      first + a + b.replace("1.2", "1.3") + c + next,
      "its checksum does not match",
    ],
    ["has a promise in it", `${first}${a}!promise 1 00000000\n${b}${c}${next}`, "its key is not base64"],
  ];
  for (const [name, text, reason] of damaged) {
    it(`that ${name} is damage as a whole`, async () => {
      const { store } = await openText(text);
      assert.deepEqual(store.condition, { kind: "damaged", line: 4, reason });
      assert.deepEqual([...(await contentsOf(store))], [["a", "1"]]);
      await store.close();
    });
  }

  const misfits: [string, string][] = [
    ["an id on a change before the last", `${entry("YQ==", "Mg==", "+ 1.1", " id=x")}`],
    ["text that is deleted", entry("YQ==", "-", "# 1.1", " text=1")],
    ["a deletion that expires", entry("YQ==", "-", "# 1.1", " expires=5")],
    ["an expiry with a value", entry("YQ==", "MQ==", "# 1.1", " kind=expire")],
    ["a record done for no request", entry("", "-", "# 1.1", " kind=done")],
    ["an epoch for a request", entry("", "-", "# 1.1", " kind=epoch id=x")],
  ];
  for (const [name, text] of misfits) {
    it(`does not hold ${name}`, async () => {
      const { store } = await openText(text + next);
      const { condition } = store;
      assert.equal(
        condition.kind === "damaged" && condition.reason,
        "its options do not fit its key and value",
      );
      await store.close();
    });
  }

  for (const option of ["expires=x", "prev=0", "id=a%20b", `id=${"x".repeat(65)}`, "batch=1", "kind=move"]) {
    it(`with ${option.slice(0, 12)} is a later version's`, async () => {
      await assert.rejects(openText(entry("YQ==", "MQ==", "# 1.1", ` ${option}`)), /a later version/);
    });
  }
});

describe("append", () => {
  const refused: [string, Parameters<typeof putting>[2], string?][] = [
    ["a request id of other characters", {}, "a b"],
    ["an empty request id", {}, ""],
    ["a request id of more than 64 characters", {}, "x".repeat(65)],
    ["a time that is no whole number", { expiresMs: 1.5 }],
    ["a negative previous revision", { previous: -1 }],
  ];
  for (const [name, more, requestId] of refused) {
    it(`refuses ${name}`, async () => {
      const { store } = await openText("");
      const changes = [putting("a", "1", more)];
      await assert.rejects(store.append([{ epoch: 1, seq: 1, changes, requestId }]), RangeError);
      assert.equal(store.last.seq, 0);
      await store.close();
    });
  }

  it("refuses a record that changes a key twice", async () => {
    const { store } = await openText("");
    const changes = [putting("a", "1"), deleting("a")];
    await assert.rejects(store.append([{ epoch: 1, seq: 1, changes }]), /changes a key twice/);
    await store.append([put(1, 1, "a", "1")]);
    await store.close();
  });
});

it("a damaged batch of many changes costs no more to look at than its bytes", async () => {
  const { disk, store } = await openText("");
  const changes = Array.from({ length: 20_000 }, (_, index) => putting(`key ${index}`, "x"));
  await store.append([{ epoch: 1, seq: 1, changes }, put(1, 2, "a", "1")]);
  await store.close();
  const place = disk.contents(dbfile)?.indexOf("batch=20000") ?? 0;
  disk.flip(dbfile, place, 1);
  let bytesRead = 0;
  disk.intercept = ({ kind }) => {
    if (kind === "read") bytesRead++;
  };
  const again = await openOn(disk);
  assert.equal(again.condition.kind, "damaged");
  assert.equal(again.keyCount, 0);
  assert.ok(bytesRead < 20, `${bytesRead} reads`);
  await again.close();
});
