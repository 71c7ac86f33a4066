// runtimes: node
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const pages = ["README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith(".md"),
);

const cluster = await startEmbeddedCluster();
after(() => cluster.close());

/** Runs a program of the README as it stands there, but on our cluster. */
async function run(program: string): Promise<string> {
  const [first, second] = cluster.routers.map(({ address }) => address);
  const ours = program.replace("127.0.0.1:1926", `${first}`).replace("127.0.0.1:1927", `${second}`);
  const args = ["--input-type=module-typescript", "--eval", ours];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, timeout: 30_000 });
  return stdout;
}

test("the programs of the README do what it says", { timeout: 60_000 }, async () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [client = "", generated = "", ...others] = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(
    ([, program]) => program ?? "",
  );
  assert.equal(others.length, 0);
  const seats = "{hall 1}/seat 7 taken\n{hall 1}/seat 8 taken\n";
  assert.equal(await run(client), `hello, world\n${seats}`);
  assert.match(await run(generated), /^hello \d+n\n$/);
});

test("every link of the documentation leads somewhere", () => {
  const broken: string[] = [];
  for (const page of pages) {
    for (const [, target = ""] of textOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (!target.includes("://") && !leadsSomewhere(page, target)) broken.push(`${page}: ${target}`);
    }
  }
  assert.deepEqual(broken, []);
});

function leadsSomewhere(page: string, target: string): boolean {
  const [path = "", heading] = target.split("#");
  const file = path === "" ? page : join(dirname(page), path);
  if (!existsSync(join(root, file))) return false;
  return heading === undefined || headingsOf(file).includes(heading);
}

/** The names under which GitHub links to the headings of a page. */
function headingsOf(page: string): string[] {
  return [...textOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** Without code, which may look like a link. */
function textOf(page: string): string {
  return readFileSync(join(root, page), "utf8").replace(/```[\s\S]*?```|`[^`\n]*`/g, "");
}
