// A worker on Node.js that does jobs out of kvlab, each of them once. Start as many as you like: a job belongs to whoever
// claims it, and when a worker dies, its claim expires and another takes the job.
//
//   npm start                                   (in another terminal)
//   node examples/node-worker.ts
//   npm run -s kvlab -- put 'jobs/{1}/todo' 'hello, world'
//   npm run -s kvlab -- get 'jobs/{1}/done'
//
// A job's keys have its number as their {tag}: so they are in one group, and a batch can change them together.

import { hostname } from "node:os";
import process from "node:process";
import { KvClient, KvError } from "kvlab";

/** A job that takes longer may be done a second time; but only one result is kept. */
const claimMs = 10_000;

const client = new KvClient({ routers: (process.env.KVLAB_ROUTERS ?? "127.0.0.1:1926").split(",") });
const worker = `${hostname()} ${process.pid}`;
const stopping = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopping.abort());

console.log(`worker ${worker} waits for jobs`);
try {
  for await (const id of jobs(stopping.signal)) await attempt(id);
} catch (error) {
  if (!stopping.signal.aborted) throw error;
} finally {
  client.close();
}

/** Jobs to try: what is there, and then what comes; nothing is missed in between. */
async function* jobs(signal: AbortSignal): AsyncGenerator<string> {
  for (;;) {
    const scan = client.scan({ prefix: "jobs/", keysOnly: true, signal });
    for await (const { key } of scan) if (partOf(key) === "todo") yield idOf(key);
    try {
      for await (const { type, key } of client.watch({ prefix: "jobs/", after: scan.watchToken, signal })) {
        // A new job; or one whose worker has given it up.
        if (partOf(key) === (type === "put" ? "todo" : "claim")) yield idOf(key);
      }
    } catch (error) {
      // We were busy for so long that the servers do not know any more what has happened since: look at everything.
      if (KvError.from(error).code !== "history-lost") throw error;
    }
  }
}

async function attempt(id: string): Promise<void> {
  const [todo, claim, done] = ["todo", "claim", "done"].map((part) => `jobs/{${id}}/${part}`) as [
    string,
    string,
    string,
  ];
  const job = await client.get(todo);
  if (job === undefined) return;
  const claimed = await unlessRefused(
    client.batch([
      { compare: todo, ifRevision: job.revision },
      { put: claim, value: worker, ifAbsent: true, ttlMs: claimMs },
    ]),
  );
  if (claimed === undefined) return;
  const result = work(job.text());
  const finished = await unlessRefused(
    client.batch([
      { delete: claim, ifRevision: claimed.revision },
      { delete: todo, ifRevision: job.revision },
      { put: done, value: result },
    ]),
  );
  console.log(finished ? `job ${id}: ${result}` : `job ${id}: took too long, and another worker has it`);
}

/** The job itself. */
function work(text: string): string {
  return text.toUpperCase();
}

/** What was written; undefined when a condition has refused it. */
async function unlessRefused<T>(write: Promise<T>): Promise<T | undefined> {
  try {
    return await write;
  } catch (error) {
    if (error instanceof KvError && error.code === "condition-failed") return undefined;
    throw error;
  }
}

function partOf(key: string): string | undefined {
  return key.split("/").at(-1);
}

function idOf(key: string): string {
  return /^jobs\/\{(.+)\}\//.exec(key)?.[1] ?? "";
}
