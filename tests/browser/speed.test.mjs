// 25 runs, 24 languages, 66,787 items with texts: how long until the page answers, and how fast it answers.
import assert from "node:assert/strict";
import { cpus, loadavg } from "node:os";
import { statSync } from "node:fs";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { open, path } from "./pages.mjs";

const READY_MS = 2000;
const ANSWER_MS = 500;
let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

// Milliseconds of processor time of the page's main thread.
const busy = async (session) => {
  const { metrics } = await session.send("Performance.getMetrics");
  return 1000 * metrics.find(({ name }) => name === "TaskDuration").value;
};

test("the largest benchmark is ready within two seconds and answers at once", async (t) => {
  t.diagnostic(`${(statSync(path("large")).size / 1e6).toFixed(1)} MB page`);
  const tries = [];
  for (let i = 0; i < 2; i += 1) {
    const { page, session, heard, close } = await open(browser, "large", { measured: true });
    tries.push({ clock: await page.evaluate(() => window.readyAfter), processor: await busy(session) });
    if (i === 1) await answers(t, page, session);
    assert.deepEqual(heard, []);
    await close();
  }
  const best = (key) => Math.min(...tries.map((measured) => measured[key]));
  const load = loadavg()[0];
  const words = (key) => tries.map((measured) => Math.round(measured[key])).join(", ");
  t.diagnostic(`ready after ${words("clock")} ms, of which ${words("processor")} ms of the main thread; load ${load.toFixed(1)} on ${cpus().length} processors`);
  assert.ok(best("processor") <= READY_MS, `${Math.round(best("processor"))} ms of work until the page is ready`);
  // On a machine that others use as well, waiting for a processor is not the page's doing.
  const allowance = Math.max(1, load / cpus().length);
  assert.ok(best("clock") <= READY_MS * allowance, `ready after ${Math.round(best("clock"))} ms`);
});

async function answers(t, page, session) {
  const timed = async (what, act) => {
    const before = await busy(session);
    await act();
    await page.waitForTimeout(400);
    const ms = (await busy(session)) - before;
    t.diagnostic(`${what}: ${Math.round(ms)} ms of the main thread`);
    assert.ok(ms <= ANSWER_MS, `${what} takes ${Math.round(ms)} ms`);
  };
  await timed("all items", () => page.selectOption("#items-show", "all"));
  await timed("end of the list", async () => { await page.focus("#items-list"); await page.keyboard.press("End"); });
  await timed("another pair of runs", () => page.selectOption("#compare-b", { index: 7 }));
  await timed("one language", () => page.selectOption("#items-lang", { index: 3 }));
  await timed("sorting", () => page.locator("#leaderboard-table-1-invented-bench thead button").nth(1).click());
  const began = Date.now();
  await page.selectOption("#items-lang", { index: 0 });
  await page.fill("#items-search", "needle6999.");
  await page.waitForFunction(() => /^\d+ items? of/.test(document.getElementById("items-status").textContent));
  t.diagnostic(`searching all texts: ${Date.now() - began} ms`);
  await page.setViewportSize({ width: 390, height: 844 });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
}
