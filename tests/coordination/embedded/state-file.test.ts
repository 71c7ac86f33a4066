import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { systemClock } from "../../../src/common/clock.ts";
import { type Coordination, CoordinationError } from "../../../src/coordination/coordination.ts";
import { EmbeddedCoordination } from "../../../src/coordination/embedded/service.ts";
import { parseState } from "../../../src/coordination/embedded/state-lines.ts";
import type { Tree } from "../../../src/coordination/embedded/tree.ts";
import { bytes, recordingWatcher, rejectsWith, text } from "../../support/conformance/service.ts";

const nothing = new Uint8Array();

async function withFolder(body: (file: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kvlab-state-"));
  try {
    await body(join(folder, "state"), folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Runs a service on the file for as long as `body` takes. */
async function withService<T>(
  file: string,
  body: (session: Coordination, service: EmbeddedCoordination) => Promise<T>,
  onDiagnostic?: (message: string) => void,
): Promise<T> {
  const options = { clock: systemClock, file };
  const service = await EmbeddedCoordination.start(
    onDiagnostic === undefined ? options : { ...options, onDiagnostic },
  );
  try {
    return await body(await service.opener({ auth: "kvlab:secret" })(), service);
  } finally {
    await service.close();
  }
}

/** What a restart must keep, as text. */
function describeTree(tree: Tree): string {
  const lines = [...tree.persistent()].map(
    ([path, { data, czxid, version, childrenMade, writer, children }]) =>
      [path, text(data), czxid, version, childrenMade, writer, [...children].sort()].join(" "),
  );
  return lines.sort().join("\n");
}

interface History {
  readonly bytes: Buffer;
  /** Of the file as it was before the first operation. */
  readonly firstBytes: number;
  /** After each operation, once it was acknowledged: the length of the file, and what it holds. */
  readonly steps: readonly { readonly length: number; readonly tree: string }[];
}

/** Operations of all kinds, one after the other, and what the file had to hold after each. */
async function makeHistory(file: string): Promise<History> {
  return await withService(file, async (session) => {
    const steps: { length: number; tree: string }[] = [];
    const firstBytes = (await stat(file)).size;
    const note = async () => {
      const content = await readFile(file);
      steps.push({ length: content.length, tree: describeTree(parseState(content, file).tree) });
    };
    for (let i = 0; i < 10; i++) {
      await session.create(`/p${i}`, bytes(`value ${i}`), "persistent", i % 2 ? "open" : "creator-writes");
      await note();
      await session.create(`/p${i}/n-`, nothing, "persistent-sequential");
      await note();
      await session.create(`/p${i}/e`, bytes("gone with its session"), "ephemeral");
      await note();
      await session.set(`/p${i}`, bytes(`new value ${i}`), 0);
      await note();
      if (i > 0) {
        await session.delete(`/p${i - 1}/n-0000000000`, 0);
        await note();
      }
    }
    return { bytes: await readFile(file), firstBytes, steps };
  });
}

describe("the state file of the embedded coordination service", () => {
  it("lets a restart go on with all persistent znodes, and without the ephemeral ones", () =>
    withFolder(async (file) => {
      const before = await withService(file, async (session) => {
        await session.create("/a", bytes("1"), "persistent");
        await session.create("/a/b", bytes("2"), "persistent", "creator-writes");
        await session.set("/a", bytes("3"), 0);
        await session.create("/a/e", nothing, "ephemeral");
        await session.create("/a/n-", nothing, "ephemeral-sequential");
        return (await session.get("/a/b")).stat.czxid;
      });
      await withService(file, async (session, service) => {
        const { data, stat } = await session.get("/a");
        assert.deepEqual([text(data), stat.version], ["3", 1]);
        assert.deepEqual(await session.children("/a"), ["b"]);
        assert.equal((await session.get("/a/b")).stat.czxid, before);
        const stranger = await service.opener()();
        await rejectsWith(stranger.set("/a/b", nothing, 0), "NO_AUTH");
        assert.equal((await session.set("/a/b", nothing, 0)).version, 1);
      });
    }));

  it("never gives a czxid or the number of a sequential znode twice", () =>
    withFolder(async (file) => {
      const czxids: string[] = [];
      const paths: string[] = [];
      for (let life = 0; life < 5; life++) {
        await withService(file, async (session) => {
          await session.create("/last", nothing, "ephemeral");
          czxids.push((await session.get("/last")).stat.czxid);
          paths.push(await session.create("/n-", nothing, "ephemeral-sequential"));
          await session.delete("/last", 0);
        });
      }
      assert.equal(new Set(czxids).size, 5);
      assert.deepEqual(paths, [...new Set(paths)].sort());
      assert.deepEqual(
        czxids,
        czxids.toSorted((a, b) => Number(a) - Number(b)),
      );
    }));

  it("is on disk before anybody learns of a change", () =>
    withFolder(async (file) => {
      await withService(file, async (session, service) => {
        const other = await service.opener()();
        const onDisk = async () => parseState(await readFile(file), file).tree.find("/a") !== undefined;
        const { watcher, first } = recordingWatcher();
        await other.exists("/a", watcher);
        const seen = first.then(onDisk);
        const created = session.create("/a", nothing, "persistent").then(onDisk);
        const read = other.get("/a").then(onDisk);
        assert.deepEqual(await Promise.all([seen, created, read]), [true, true, true]);
      });
    }));

  it(
    "holds, cut at any byte, what was acknowledged before that byte and nothing else",
    { timeout: 60_000 },
    () =>
      withFolder(async (file) => {
        const history = await makeHistory(file);
        const empty = describeTree(parseState(history.bytes.subarray(0, history.firstBytes), file).tree);
        for (let length = history.firstBytes; length <= history.bytes.length; length++) {
          const { tree } = parseState(history.bytes.subarray(0, length), file);
          const expected = history.steps.findLast((step) => step.length <= length)?.tree ?? empty;
          assert.equal(describeTree(tree), expected, `cut after ${length} bytes`);
        }
        for (let length = 0; length < history.firstBytes; length++) {
          assert.throws(() => parseState(history.bytes.subarray(0, length), file), isDamage(file));
        }
      }),
  );

  it(
    "with any byte changed, is refused, or lacks only what has no good line after it",
    { timeout: 60_000 },
    () =>
      withFolder(async (file) => {
        const history = await makeHistory(file);
        // Where the end of the last line but one is changed, that line and the last are one.
        const trees = new Set(history.steps.slice(-3).map(({ tree }) => tree));
        const lastLine = history.bytes.lastIndexOf("\n", -2) + 1;
        for (let at = 0; at < history.bytes.length; at++) {
          const damaged = Buffer.from(history.bytes);
          damaged[at] = (damaged[at] ?? 0) ^ 1;
          if (at < lastLine - 1) assert.throws(() => parseState(damaged, file), isDamage(file), `byte ${at}`);
          else assert.ok(trees.has(describeTree(parseState(damaged, file).tree)), `byte ${at}`);
        }
      }),
  );

  it("goes on after an unfinished write at its end, and says so", () =>
    withFolder(async (file) => {
      await withService(file, (session) => session.create("/a", nothing, "persistent"));
      const whole = await readFile(file);
      await writeFile(file, Buffer.concat([whole, Buffer.from("0badc0de {")]));
      const diagnostics: string[] = [];
      const children = () =>
        withService(
          file,
          (session) => session.children("/"),
          (trouble) => diagnostics.push(trouble),
        );
      assert.deepEqual(await children(), ["a"]);
      assert.deepEqual(diagnostics, [`${file}: cut off an unfinished write of 10 bytes at the end`]);
      assert.deepEqual(await children(), ["a"]);
      assert.equal(diagnostics.length, 1);
    }));

  it("is refused, and left as it is, when it is damaged or something else", () =>
    withFolder(async (file) => {
      await withService(file, async (session) => {
        await session.create("/a", nothing, "persistent");
        await session.create("/b", nothing, "persistent");
      });
      const whole = await readFile(file, "utf8");
      const lines = whole.split("\n");
      const damaged = {
        "a line is missing": [...lines.slice(0, 2), ...lines.slice(3)].join("\n"),
        "a line is twice there": [...lines.slice(0, 3), ...lines.slice(2)].join("\n"),
        "it is empty": "",
        "it is something else": "hello\nworld\n",
      };
      for (const [what, content] of Object.entries(damaged)) {
        await writeFile(file, content);
        await assert.rejects(EmbeddedCoordination.start({ clock: systemClock, file }), isDamage(file), what);
        assert.equal(await readFile(file, "utf8"), content);
      }
    }));

  it("is made smaller when most of it is of no more use", { timeout: 30_000 }, () =>
    withFolder(async (file) => {
      const large = new Uint8Array(500_000);
      await withService(file, async (session) => {
        await session.create("/large", large, "persistent");
        for (let version = 0; version < 20; version++)
          await session.set("/large", large.fill(version), version);
        assert.ok((await stat(file)).size < 4_000_000);
      });
      await withService(file, async (session) => {
        const { data, stat } = await session.get("/large");
        assert.deepEqual([data.length, data[0], stat.version], [500_000, 19, 20]);
      });
    }),
  );

  it("is read again when it was made smaller while there were ephemeral znodes", { timeout: 30_000 }, () =>
    withFolder(async (file) => {
      const before = await withService(file, async (session) => {
        await session.create("/parent", nothing, "persistent");
        for (const name of ["closed", "deleted", "set"]) {
          await session.create(`/parent/${name}`, nothing, "ephemeral");
        }
        await session.create("/large", nothing, "persistent");
        const large = new Uint8Array(500_000);
        for (let version = 0; version < 4; version++) await session.set("/large", large, version);
        assert.ok((await stat(file)).size < 2_000_000, "it has been made smaller");
        await session.set("/parent/set", bytes("1"), 0);
        await session.delete("/parent/deleted", 0);
        await session.create("/last", nothing, "persistent");
        return Number((await session.get("/last")).stat.czxid);
      });
      await withService(file, async (session) => {
        assert.deepEqual((await session.children("/")).sort(), ["large", "last", "parent"]);
        assert.deepEqual(await session.children("/parent"), []);
        await session.create("/next", nothing, "persistent");
        assert.ok(Number((await session.get("/next")).stat.czxid) > before);
      });
    }),
  );

  it("ends the service when it cannot be written any more", () =>
    withFolder(async (file) => {
      await withService(file, async (session, service) => {
        const other = await service.opener()();
        const { watcher, told } = recordingWatcher();
        await other.exists("/b", watcher);
        await session.create("/a", new Uint8Array(900_000), "persistent");
        // It has grown enough to be replaced, which now fails.
        await mkdir(`${file}.new`);
        await assert.rejects(
          session.create("/b", nothing, "persistent"),
          (error) => CoordinationError.is(error, "SYSTEM") && error.message.includes(`cannot write ${file}`),
        );
        assert.deepEqual([session.state, other.state], ["expired", "expired"]);
        assert.deepEqual(told, ["session-lost /b"]);
        await rejectsWith(service.opener()(), "SYSTEM");
        await rejectsWith(other.get("/a"), "SESSION_EXPIRED");
      });
      await rm(`${file}.new`, { recursive: true });
      await withService(file, async (session) => assert.deepEqual(await session.children("/"), ["a"]));
    }));

  it("must lie in a directory that is there", () =>
    withFolder(async (_, folder) => {
      const file = join(folder, "missing", "state");
      await assert.rejects(EmbeddedCoordination.start({ clock: systemClock, file }), (error) => {
        assert.ok(CoordinationError.is(error, "SYSTEM"));
        assert.ok(error.message.startsWith(`cannot write ${file}: `));
        return true;
      });
    }));
});

function isDamage(file: string): (error: unknown) => boolean {
  return (error) =>
    CoordinationError.is(error, "SYSTEM") && /^: line \d+ is damaged: /.test(error.message.replace(file, ""));
}
