// A web server on Bun that keeps notes in kvlab. A note's revision is its ETag, so that nobody overwrites what he has
// not seen, however many of these servers run.
//
//   npm start                                   (in another terminal)
//   npx bun examples/bun-server.ts
//   curl -i -X PUT -d milk localhost:3000/notes/shopping
//   curl -i localhost:3000/notes/shopping
//   curl -i -X PUT -H 'if-match: "1"' -d 'milk, eggs' localhost:3000/notes/shopping
//
// The last one answers 412 unless "1" is the ETag that the others have shown.

import process from "node:process";
import { KvClient, KvError } from "kvlab";

const client = new KvClient({ routers: (process.env.KVLAB_ROUTERS ?? "127.0.0.1:1926").split(",") });

/** What Bun serves. */
export default { port: Number(process.env.PORT ?? 3000), fetch: answer };

async function answer(request: Request): Promise<Response> {
  const [, name] = /^\/notes\/([^/]+)$/.exec(new URL(request.url).pathname) ?? [];
  if (name === undefined) return new Response("there are only /notes/NAME\n", { status: 404 });
  try {
    return await answerFor(`notes/${name}`, request);
  } catch (error) {
    return failure(error);
  }
}

async function answerFor(key: string, request: Request): Promise<Response> {
  // Whoever has gone away waits for nothing any more.
  const { method, headers, signal } = request;
  switch (method) {
    case "GET": {
      const entry = await client.get(key, { signal });
      if (entry === undefined) return new Response("no such note\n", { status: 404 });
      return new Response(entry.text(), { headers: { etag: etagOf(entry.revision) } });
    }
    case "PUT": {
      const { revision } = await client.put(key, await request.text(), { ...conditionOf(headers), signal });
      return new Response(null, { status: 204, headers: { etag: etagOf(revision) } });
    }
    case "DELETE": {
      const deleted = await client.delete(key, { ...conditionOf(headers), signal });
      return new Response(null, { status: deleted === undefined ? 404 : 204 });
    }
    default:
      return new Response(null, { status: 405, headers: { allow: "GET, PUT, DELETE" } });
  }
}

/** `If-Match: "7"` and `If-None-Match: *` (RFC 9110, 13.1) as conditions on the key. */
function conditionOf(headers: Headers): { ifRevision?: number; ifAbsent?: boolean } {
  if (headers.get("if-none-match") === "*") return { ifAbsent: true };
  const match = headers.get("if-match");
  return match === null ? {} : { ifRevision: Number(match.replaceAll('"', "")) };
}

function failure(error: unknown): Response {
  const { code, message, revision } = KvError.from(error);
  switch (code) {
    case "condition-failed": {
      const headers: HeadersInit = revision === undefined ? {} : { etag: etagOf(revision) };
      return new Response(`${message}\n`, { status: 412, headers });
    }
    case "invalid":
      return new Response(`${message}\n`, { status: 400 });
    case "outcome-unknown":
      return new Response(`${message}\n`, { status: 504 });
    default:
      return new Response(`${message}\n`, { status: 503 });
  }
}

function etagOf(revision: number): string {
  return `"${revision}"`;
}
