import assert from "node:assert/strict";
import { test } from "node:test";
import { ResidentPages } from "../../../../src/cluster/storage/disk/resident-pages.ts";

const page = 4096;

test("of the pages those are known that were read or written, wherever they are", () => {
  for (const start of [0, 31 * page, 32 * page, 40_000 * page, 2 ** 40]) {
    const pages = new ResidentPages();
    assert.equal(pages.has(start, 1), false);
    pages.mark(start + 10, page);
    assert.equal(pages.has(start, 2 * page), true);
    assert.equal(pages.has(start + page, page + 1), false);
    assert.equal(pages.has(start + 2 * page, 1), false);
    if (start > 0) assert.equal(pages.has(start - 1, 2), false);
  }
});

test("pages are forgotten when reads of them are slow, but not for some slow reads", () => {
  const pages = new ResidentPages();
  pages.mark(0, page);
  for (let read = 0; read < 1000; read++) pages.took(read % 100 === 0 ? 5000 : 0.005);
  assert.equal(pages.has(0, page), true);
  for (let read = 0; read < 10; read++) pages.took(5);
  assert.equal(pages.has(0, page), false);
  pages.mark(0, page);
  pages.took(5);
  assert.equal(pages.has(0, page), true);
});
