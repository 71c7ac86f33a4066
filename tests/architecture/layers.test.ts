// runtimes: node
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "kvlab-layers-"));
after(() => rmSync(folder, { recursive: true }));

/** Each of these imports breaks a rule. */
const upward = [
  ["src/common/a.ts", "src/cluster/storage/b.ts"],
  ["src/coordination/a.ts", "src/cluster/metadata/b.ts"],
  ["src/coordination/embedded/a.ts", "src/cluster/storage/errors.ts"],
  ["src/coordination/wire/a.ts", "src/coordination/embedded/b.ts"],
  ["src/zookeeper/a.ts", "src/coordination/b.ts"],
  ["src/zookeeper/wire/a.ts", "src/coordination/errors.ts"],
  ["src/client/a.ts", "src/cluster/ring/placement.ts"],
  ["src/client/transport/a.ts", "src/cluster/storage/b.ts"],
  ["src/client/a.ts", "src/rpc/b.ts"],
  ["src/cluster/storage/a.ts", "src/cluster/replication/b.ts"],
  ["src/cluster/storage/write/a.ts", "src/cluster/metadata/b.ts"],
  ["src/cluster/metadata/a.ts", "src/cluster/membership/b.ts"],
  ["src/cluster/metadata/b.ts", "src/cluster/storage/store.ts"],
  ["src/cluster/ring/a.ts", "src/cluster/replication/b.ts"],
  ["src/cluster/ring/hash-ring.ts", "src/cluster/ring/placement.ts"],
  ["src/cluster/membership/a.ts", "src/cluster/replication/b.ts"],
  ["src/cluster/replication/d.ts", "src/cluster/kv/b.ts"],
  ["src/cluster/watch/b.ts", "src/cluster/kv/b.ts"],
  ["src/cluster/kv/a.ts", "src/cluster/node/b.ts"],
  ["src/cluster/replication/a.ts", "src/cluster/election/b.ts"],
  ["src/cluster/replication/c.ts", "src/cluster/node/b.ts"],
  ["src/cluster/watch/a.ts", "src/cluster/node/b.ts"],
  ["src/cluster/election/a.ts", "src/cluster/node/b.ts"],
  ["src/cluster/node/a.ts", "src/rpc/b.ts"],
  ["src/cluster/node/b.ts", "src/client/b.ts"],
  ["src/agent/a.ts", "src/cluster/node/b.ts"],
  ["src/agent/b.ts", "src/rpc/b.ts"],
  ["src/settings/a.ts", "src/server/b.ts"],
  ["src/rpc/a.ts", "src/rpc/port/b.ts"],
  ["src/rpc/b.ts", "src/settings/b.ts"],
  ["src/rpc/port/a.ts", "src/cluster/node/b.ts"],
  ["src/rpc/port/fast-path/a.ts", "src/rpc/kv/b.ts"],
  ["src/rpc/kv/a.ts", "src/server/b.ts"],
  ["src/rpc/internal/a.ts", "src/cli/b.ts"],
  ["src/server/a.ts", "src/cli/b.ts"],
  ["src/server/b.ts", "src/router.ts"],
  ["src/cli/a.ts", "src/server/b.ts"],
  ["src/cli/commands/a.ts", "src/cluster/node/b.ts"],
] as const;

/** Files that import each other. */
const cycles = {
  values: 'import { b } from "./NEXT"; export const a = () => b;',
  types: 'import type { B } from "./NEXT"; export type A = B;',
  reexports: 'export type { B } from "./NEXT";',
};

const allowed = [
  ["src/cluster/replication/allowed.ts", "src/cluster/storage/b.ts"],
  ["src/cluster/node/allowed.ts", "src/cluster/election/b.ts"],
  ["src/cluster/storage/write/allowed.ts", "src/cluster/storage/format/b.ts"],
  ["src/coordination/wire/allowed.ts", "src/zookeeper/wire/b.ts"],
  ["src/client/allowed.ts", "src/cluster/ring/hash-ring.ts"],
  ["src/client/transport/allowed.ts", "src/common/b.ts"],
  ["src/server/allowed.ts", "src/rpc/port/b.ts"],
  ["src/data.ts", "src/server/b.ts"],
] as const;

test("an import of a layer that is not below is found, of a type too", () => {
  const found = lint((write) => {
    for (const [from, to] of upward) write(from, `import type { B } from "${pathFrom(from, to)}";`);
    for (const [from, to] of allowed) write(from, `import type { B } from "${pathFrom(from, to)}";`);
  });
  const expected = new Set(upward.map(([from]) => `${from}: lint/style/noRestrictedImports`));
  assert.deepEqual(found, [...expected].sort());
});

test("a cycle of imports is found, of types and re-exports too", () => {
  const names = Object.keys(cycles).flatMap((kind) => [`src/common/${kind}-1.ts`, `src/common/${kind}-2.ts`]);
  const found = lint((write) => {
    for (const [kind, text] of Object.entries(cycles)) {
      write(`src/common/${kind}-1.ts`, text.replace("NEXT", `${kind}-2.ts`));
      write(`src/common/${kind}-2.ts`, text.replace("NEXT", `${kind}-1.ts`));
    }
  });
  assert.deepEqual(found, names.map((name) => `${name}: lint/suspicious/noImportCycles`).sort());
});

test("every folder of src has a rule", () => {
  const rules = readFileSync(join(root, "layers.jsonc"), "utf8");
  const folders = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, entry.parentPath));
  const without = [...new Set(folders)].filter((path) => {
    const parent = dirname(path);
    return path !== "src" && !rules.includes(`"${path}/*.ts"`) && !rules.includes(`"${parent}/*/*.ts"`);
  });
  assert.deepEqual(without, []);
});

/** What the linter finds wrong in a tree of files, as sorted lines `file: rule`. */
function lint(plant: (write: (file: string, text: string) => void) => void): string[] {
  rmSync(join(folder, "src"), { recursive: true, force: true });
  copyFileSync(join(root, "layers.jsonc"), join(folder, "layers.jsonc"));
  const config = { extends: ["./layers.jsonc"], linter: { rules: { preset: "none" } } };
  writeFileSync(join(folder, "biome.json"), JSON.stringify(config));
  plant((file, text) => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), `${text}\n`);
  });
  const args = ["lint", "--reporter=github", "--max-diagnostics=none", "src"];
  const { stdout } = spawnSync(join(root, "node_modules/.bin/biome"), args, {
    cwd: folder,
    encoding: "utf8",
  });
  const found = stdout.matchAll(/^::error title=([^,]+),file=[^,]*?(src\/[^,]+)/gm);
  return [...new Set([...found].map(([, rule, file]) => `${file}: ${rule}`))].sort();
}

function pathFrom(file: string, target: string): string {
  const path = relative(dirname(file), target);
  return path.startsWith(".") ? path : `./${path}`;
}
