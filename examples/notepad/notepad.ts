// A page that reads and writes notes straight from the browser, without a server of its own.
//
//   npm start                                   (in another terminal)
//   npx bun examples/notepad/index.html
//
// Then open http://localhost:3000. Another router than http://127.0.0.1:1926 is named in the page's address:
// http://localhost:3000/?router=http://HOST:PORT
//
// A note is saved only if it is still what was loaded: nobody overwrites what he has not seen.

import { KvClient, KvError } from "kvlab";

const router = new URLSearchParams(location.search).get("router") ?? "http://127.0.0.1:1926";
const client = new KvClient({ routers: router });

const name = find<HTMLInputElement>("[name=name]");
const text = find<HTMLTextAreaElement>("[name=text]");
const status = find("[role=status]");

/** Of the note that is shown; undefined when it is new. */
let revision: number | undefined;

find("[name=load]").addEventListener("click", () => act(loadNote));
name.addEventListener("change", () => act(loadNote));
find("[name=remove]").addEventListener("click", () => act(removeNote));
find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  act(saveNote);
});
act(loadNote);

async function loadNote(): Promise<string> {
  const entry = await client.get(key());
  revision = entry?.revision;
  text.value = entry?.text() ?? "";
  return entry === undefined ? "This note is new" : `Loaded revision ${entry.revision}`;
}

async function saveNote(): Promise<string> {
  const condition = revision === undefined ? { ifAbsent: true } : { ifRevision: revision };
  const written = await client.put(key(), text.value, condition);
  revision = written.revision;
  return `Saved as revision ${revision}`;
}

async function removeNote(): Promise<string> {
  if (revision === undefined) return "This note is new";
  await client.delete(key(), { ifRevision: revision });
  revision = undefined;
  text.value = "";
  return "Deleted";
}

async function act(action: () => Promise<string>): Promise<void> {
  try {
    status.textContent = await action();
  } catch (error) {
    const { code, message } = KvError.from(error);
    status.textContent =
      code === "condition-failed" ? "Somebody has changed this note meanwhile: load it anew" : message;
  }
}

function key(): string {
  return `notes/${encodeURIComponent(name.value)}`;
}

function find<E extends Element>(selector: string): E {
  const found = document.querySelector<E>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}
