// runtimes: node
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Page } from "playwright-core";
import { launchChromium } from "../support/chromium.ts";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";
import { startExample } from "./example-process.ts";

const cluster = await startEmbeddedCluster();
const router = encodeURIComponent(`http://${cluster.routers[0]?.address}`);
const sites = {
  notepad: startExample("examples/notepad/notepad.ts", { PORT: "0", NODE_ENV: "production" }),
  todo: startExample("examples/todo/todo.ts", { PORT: "0", NODE_ENV: "production" }),
};
const browser = await launchChromium();
after(async () => {
  await browser.close();
  await Promise.all(Object.values(sites).map((site) => site.kill()));
  await cluster.close();
});
const windows = await browser.newContext();

/** Another window of the same browser with the page of an example. */
async function open(site: keyof typeof sites): Promise<Page> {
  const [url] = await sites[site].says(/http:\/\/localhost:\d+\//);
  const page = await windows.newPage();
  await page.goto(`${url}?router=${router}`);
  return page;
}

/** The texts of the list, in its order, those that are done in brackets, once they are as wanted. */
async function shows(page: Page, wanted: string[]): Promise<void> {
  await page.waitForFunction(
    (expected) => {
      const shown = [...document.querySelectorAll("li")].map((item) => {
        const text = item.querySelector("label")?.textContent;
        return item.querySelector("input")?.checked ? `(${text})` : text;
      });
      return JSON.stringify(shown) === expected;
    },
    JSON.stringify(wanted),
    { timeout: 20_000 },
  );
}

test("what is done in one window of the todo list is seen in the others", { timeout: 60_000 }, async () => {
  const [one, two] = [await open("todo"), await open("todo")];
  for (const page of [one, two]) await page.getByText("Live", { exact: true }).waitFor();
  for (const text of ["buy milk", "write a poem"]) {
    await one.getByPlaceholder("What is to be done?").fill(text);
    await one.getByRole("button", { name: "Add" }).click();
    await one.getByText(text).waitFor();
  }
  await shows(two, ["buy milk", "write a poem"]);
  await two.getByLabel("buy milk").check();
  await shows(one, ["(buy milk)", "write a poem"]);
  await one.getByRole("listitem").filter({ hasText: "poem" }).getByRole("button", { name: "Delete" }).click();
  await shows(two, ["(buy milk)"]);
  const late = await open("todo");
  await shows(late, ["(buy milk)"]);
  for (const page of [one, two, late]) await page.close();
});

test("of two windows of the notepad, the second to save the same note is refused", {
  timeout: 60_000,
}, async () => {
  const [one, two] = [await open("notepad"), await open("notepad")];
  const says = (page: Page, text: string | RegExp) => page.getByRole("status").getByText(text).waitFor();
  const save = async (page: Page, text: string) => {
    await page.getByLabel("Text").fill(text);
    await page.getByRole("button", { name: "Save" }).click();
  };
  for (const page of [one, two]) await says(page, "This note is new");
  await save(one, "milk");
  await says(one, /^Saved as revision \d+$/);
  await save(two, "bread");
  await says(two, "Somebody has changed this note meanwhile: load it anew");
  await two.getByRole("button", { name: "Load" }).click();
  await says(two, /^Loaded revision \d+$/);
  assert.equal(await two.getByLabel("Text").inputValue(), "milk");
  await save(two, "milk and bread");
  await says(two, /^Saved as revision \d+$/);
  await save(one, "milk again");
  await says(one, "Somebody has changed this note meanwhile: load it anew");
  await two.getByRole("button", { name: "Delete" }).click();
  await says(two, "Deleted");
  await one.getByRole("button", { name: "Load" }).click();
  await says(one, "This note is new");
});
