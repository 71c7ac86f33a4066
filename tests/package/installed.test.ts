// runtimes: node
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { build } from "esbuild";
import { openPage } from "../support/chromium.ts";
import { freeRange } from "../support/free-ports.ts";
import { until } from "../support/until.ts";
import { startZooKeeper } from "../support/zookeeper.ts";
import { installPackage, oldestNode, root } from "./installed-package.ts";
import { startCommand } from "./start-command.ts";

const timeout = 180_000;
const oldest = await oldestNode();
const program = await installPackage();
const zookeeper = await startZooKeeper();
const [routerport, dataport] = [await freeRange(3), await freeRange(4)];
// The command is a file of the package: on the oldest Node.js, as where Bun is unknown.
const cluster = startCommand(
  "npx",
  ["kvlab", "dev", `--routerport=${routerport}`, `--dataport=${dataport}`],
  program.folder,
  oldest,
);
after(async () => {
  await Promise.all([cluster.end(), zookeeper.close()]);
  program.remove();
});
await cluster.says("kvlab is running.");

/** The first program on a page of ours. */
function programOf(page: string, language: string): string {
  const text = readFileSync(join(root, page), "utf8");
  return new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1] ?? "";
}

// Word for word, but for the ports: those of the README may be taken.
const ours = programOf("README.md", "ts")
  .replace("127.0.0.1:1926", `127.0.0.1:${routerport}`)
  .replace("127.0.0.1:1927", `127.0.0.1:${routerport + 1}`);
const prints = "hello, world\n{hall 1}/seat 7 taken\n{hall 1}/seat 8 taken\n";
program.write("main.ts", ours);
program.write("servers.ts", programOf("docs/package.md", "js"));
const example = readFileSync(join(root, "examples/zookeeper/lock.ts"), "utf8");
program.write("lock.ts", example.replaceAll("127.0.0.1:2181", zookeeper.connectString));

for (const [name, command, args, path] of [
  ["the oldest Node.js that it allows", "node", [], oldest],
  ["Node.js", "node", [], undefined],
  ["Bun", "bun", [], undefined],
  ["Deno", "deno", ["run", "-A"], undefined],
] as const) {
  test(`the README's program, that with servers and a lock on ZooKeeper run with the installed package on ${name}`, {
    timeout,
  }, async () => {
    const run = (file: string) => program.run(command, [...args, file], path);
    assert.equal((await run("main.ts")).stdout, prints);
    assert.equal((await run("servers.ts")).stdout, "hello\n");
    assert.match((await run("lock.ts")).stdout, /\nsomebody has done step 3\nsomebody has given it back\n$/);
  });
}

test("the README's program runs in a page that a bundler made with the installed package", {
  timeout,
}, async () => {
  const { outputFiles } = await build({
    absWorkingDir: program.folder,
    entryPoints: ["main.ts"],
    bundle: true,
    format: "esm",
    write: false,
  });
  const script = outputFiles[0]?.text ?? "";
  assert.doesNotMatch(script, /node:/, "what only Node.js has is not in it");
  let printed = "";
  const page = await openPage(script, (line) => {
    printed += `${line}\n`;
  });
  try {
    await until("the page has printed all", 30_000, () => printed.length >= prints.length);
  } finally {
    await page.close();
  }
  assert.equal(printed, prints);
});

test("npx kvlab --help and kvlab status work where only Node.js is", { timeout }, async () => {
  const { stdout: help } = await program.run("npx", ["kvlab", "--help"], oldest);
  assert.match(help, /\n {2}kvlab router {2,}Runs a router\.\n/);
  const args = ["kvlab", "status", `--router=127.0.0.1:${routerport}`, "--json"];
  const { groups } = JSON.parse((await program.run("npx", args, oldest)).stdout);
  assert.deepEqual(
    groups.map(({ name }: { name: string }) => name),
    ["zdata1", "zdata2"],
  );
});

test("the installed command has its version, licences and settings, and no warning of the runtime", {
  timeout,
}, async () => {
  const manifest = JSON.parse(readFileSync(join(program.folder, "node_modules/kvlab/package.json"), "utf8"));
  for (const [args, start] of [
    [["--version"], `kvlab ${manifest.version}\n`],
    [["licenses"], "MIT License\n"],
    [["data", "--help"], "Runs a data node: "],
  ] as const) {
    const { stdout, stderr } = await program.run("npx", ["kvlab", ...args], oldest);
    assert.equal(stdout.slice(0, start.length), start);
    assert.equal(stderr, "");
  }
});

test("buf takes the schema from the installed package", { timeout }, async () => {
  const args = ["build", "node_modules/kvlab/proto", "--output=-#format=json"];
  const { file } = JSON.parse((await program.run("buf", args)).stdout);
  const names = file.map(({ name }: { name: string }) => name);
  assert.ok(names.includes("kvlab/v1/data.proto"), names.join(", "));
});

/** Of a program that is compiled with all checks, those of declarations too. */
const strictest = {
  target: "ES2023",
  noEmit: true,
  strict: true,
  skipLibCheck: false,
  exactOptionalPropertyTypes: true,
  verbatimModuleSyntax: true,
  isolatedDeclarations: true,
  declaration: true,
};

for (const [name, files, options] of [
  ["nodenext, with servers", ["main.ts", "servers.ts"], { module: "nodenext", types: ["node"] }],
  [
    "a bundler, for a browser",
    ["main.ts"],
    { module: "preserve", moduleResolution: "bundler", lib: ["ES2023", "DOM"], types: [] },
  ],
] as const) {
  test(`a program compiles with the package's declarations: ${name}`, { timeout }, async () => {
    const config = { compilerOptions: { ...strictest, ...options }, files };
    program.write("tsconfig.json", JSON.stringify(config));
    await program.run("tsc", ["-p", "tsconfig.json"]).catch(({ stdout }) => assert.fail(stdout));
  });
}
