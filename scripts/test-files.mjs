import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { root } from "./packages.mjs";
import { runCommand } from "./run-command.mjs";
import { withTemporaryFolder } from "./temporary-folder.mjs";

const LIMIT_SECONDS = 400;

/**
 * What starts no process, opens no port and has no hooks outside of its suites: of each of these folders, with all below
 * it, the files run together in one process. A runtime takes longer to start, and to load what they all import, than
 * most of them take.
 */
const together = /^tests\/(?:agent|cluster\/[^/]+|simulation\/checks|bench|checker|common|settings)(?=\/)/;

/** What keeps a core busy from its start to its end. All else waits for half of its time. */
const computing = /^tests\/(?:simulation|checker|cluster\/storage)\//;

/** How each runtime runs test files in one process and writes its JUnit report. */
const runtimes = {
  // By itself Bun gives a hook 5 s, which is not enough to start servers; the others give any time.
  bun: (files, report) => [
    "bun",
    [
      "test",
      ...files.map((file) => `./${file}`),
      ...["--timeout=120000", "--reporter=junit", `--reporter-outfile=${report}`],
    ],
  ],
  node: (files, report) => [
    "node",
    [
      ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
      ...["--test-reporter=junit", `--test-reporter-destination=${report}`],
      "scripts/import-tests.mjs",
      ...files,
    ],
  ],
  // Types have been checked once for all runtimes.
  deno: (files, report) => ["deno", ["test", "-A", "--no-check", `--junit-path=${report}`, ...files]],
};

export const runtimeNames = Object.keys(runtimes);

/**
 * Node.js keeps here what it makes of each TypeScript file, as Bun and Deno do by themselves in places of their own: a
 * server or `kvlab` then starts in less than half the time. Entries are found by a file's content, so none is ever old.
 */
const compileCache = join(root, "node_modules", ".cache", "node-compile-cache");

/**
 * All test files: `{ file, runtimes, alone, computes, group }`. What is special about one is said in comments that begin
 * its first lines: `// runtimes: node, bun` when it does not run on all of them; `// alone: why` when no other test file
 * may run at the same time; `// apart: why` when it needs a process of its own though it is in a folder whose files run
 * together. Files of one `group` run in one process.
 */
export function testFiles() {
  const paths = readdirSync(join(root, "tests"), { recursive: true }).map(String);
  const files = paths.filter((path) => path.endsWith(".test.ts")).sort();
  return files.map((path) => {
    const file = `tests/${path.split(sep).join("/")}`;
    const [head] = readFileSync(join(root, file), "utf8").split(/^(?!\/\/)/m, 1);
    const named = /^\/\/ runtimes: (.+)$/m.exec(head)?.[1].split(/,\s*/) ?? runtimeNames;
    const unknown = named.filter((name) => !runtimeNames.includes(name));
    if (unknown.length > 0) throw new Error(`${file} names unknown runtimes: ${unknown.join(", ")}`);
    const alone = /^\/\/ alone: /m.test(head);
    const apart = alone || /^\/\/ apart: /m.test(head);
    const group = (!apart && together.exec(file)?.[0]) || file;
    return { file, runtimes: named, alone, computes: computing.test(file), group };
  });
}

/** Runs test files in one process of one runtime: `{ passed, failed, skipped, output, seconds }`. */
export function runTestFiles(runtime, files) {
  return withTemporaryFolder("kvlab-test", async (folder) => {
    const path = join(folder, "report.xml");
    const [command, args] = runtimes[runtime](files, path);
    const result = await runCommand(command, args, {
      limitSeconds: LIMIT_SECONDS,
      // Folders of a test that is killed are gone with ours.
      env: { NODE_COMPILE_CACHE: compileCache, TMPDIR: folder },
    });
    const report = readReport(path);
    const counts = countTests(report);
    const silent = filesWithoutTests(files, report, counts);
    // A crash outside of every test leaves no failed test behind.
    const unseen = !result.ok && counts.failed + silent.length === 0 ? 1 : 0;
    const output = [result.output, ...silent.map((file) => `${file} ran no test.\n`)].join("\n");
    return { ...counts, failed: counts.failed + silent.length + unseen, output, seconds: result.seconds };
  });
}

/** Files of which the report has no test: there is none, or the process ended, or was ended, before. */
function filesWithoutTests(files, report, { passed, failed, skipped }) {
  if (passed + failed + skipped === 0) return files;
  // Of a lone file, the tests may be in a file that it imports.
  return files.length === 1 ? [] : files.filter((file) => !report.includes(`${file}"`));
}

function readReport(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Counts the tests of a JUnit report. Deno lists suites among the tests, as `suite` beside `suite > test`. */
function countTests(report) {
  const testcase = /<testcase((?:\s+\w+="[^"]*")*)\s*(?:\/>|>([\s\S]*?)<\/testcase>)/g;
  const cases = [...report.matchAll(testcase)].map(([, attributes, body = ""]) => ({
    name: /\sname="([^"]*)"/.exec(attributes)?.[1] ?? "",
    outcome: /<(?:failure|error)\b/.test(body) ? "failed" : /<skipped\b/.test(body) ? "skipped" : "passed",
  }));
  const isSuite = ({ name }) => cases.some((other) => other.name.startsWith(`${name} &gt; `));
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const each of cases) if (!isSuite(each)) counts[each.outcome]++;
  return counts;
}
