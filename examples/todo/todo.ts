// A todo list that all who look at it see change at once.
//
//   npm start                                   (in another terminal)
//   npx bun examples/todo/index.html
//
// Then open http://localhost:3000, in two windows. Another router than http://127.0.0.1:1926 is named in the page's
// address: http://localhost:3000/?router=http://HOST:PORT
//
// Browsers keep no more than six connections to an address that speaks HTTP/1.1, which all windows share, and a watch
// takes one for each group: here two for a window. Behind a proxy that speaks HTTP/2 there may be any number of windows.
//
// The page shows what it is told by the watch, also of its own changes: so it never shows what is not so.

import { KvClient, KvError } from "kvlab";

interface Item {
  readonly text: string;
  readonly done: boolean;
}

interface Shown {
  readonly item: Item;
  readonly revision: number;
}

const router = new URLSearchParams(location.search).get("router") ?? "http://127.0.0.1:1926";
const client = new KvClient({ routers: router });
const prefix = "todo/";
const items = new Map<string, Shown>();

const list = find("ul");
const status = find("[role=status]");
const form = find<HTMLFormElement>("form");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = String(new FormData(form).get("text"));
  form.reset();
  // Keys in the order in which items were added; no two people make the same.
  const key = `${prefix}${new Date().toISOString()} ${crypto.randomUUID()}`;
  act(client.put(key, JSON.stringify({ text, done: false })));
});

await follow();

/** Shows what is there, and then each change. */
async function follow(): Promise<void> {
  for (;;) {
    try {
      items.clear();
      const scan = client.scan({ prefix });
      for await (const entry of scan) {
        items.set(entry.key, { item: JSON.parse(entry.text()), revision: entry.revision });
      }
      show();
      status.textContent = "Live";
      for await (const event of client.watch({ prefix, after: scan.watchToken })) {
        if (event.type !== "put") items.delete(event.key);
        else items.set(event.key, { item: JSON.parse(event.text()), revision: event.revision });
        show();
      }
    } catch (error) {
      status.textContent = `${KvError.from(error).message}. Trying again`;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}

function show(): void {
  const sorted = [...items].sort(([a], [b]) => (a < b ? -1 : 1));
  list.replaceChildren(...sorted.map(row));
}

function row([key, { item, revision }]: [string, Shown]): HTMLElement {
  const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: item.done });
  // Only what has been seen can be changed: whoever comes second is refused.
  box.addEventListener("change", () => {
    const changed = JSON.stringify({ ...item, done: box.checked });
    act(client.put(key, changed, { ifRevision: revision }));
  });
  const remove = Object.assign(document.createElement("button"), { textContent: "Delete" });
  remove.addEventListener("click", () => act(client.delete(key, { ifRevision: revision })));
  const label = document.createElement("label");
  label.append(box, item.text);
  const element = document.createElement("li");
  element.append(label, " ", remove);
  return element;
}

async function act(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    const { code, message } = KvError.from(error);
    status.textContent = code === "condition-failed" ? "Somebody else was faster" : message;
    // The box goes back to what is so.
    show();
  }
}

function find<E extends Element>(selector: string): E {
  const found = document.querySelector<E>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}
