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
  for (let i = 0; i < 3; i += 1) {
    const { page, heard, close } = await open(browser, "large");
    tries.push(await page.evaluate(() => window.readyAfter));
    if (i === 2) await answers(t, page);
    assert.deepEqual(heard, []);
    await close();
  }
  const best = Math.min(...tries);
  t.diagnostic(`ready after ${tries.map((ms) => Math.round(ms)).join(", ")} ms; load ${loadavg()[0].toFixed(1)} on ${cpus().length} processors`);
  // On a machine that others use as well, waiting for a processor is not the page's doing.
  const allowance = Math.max(1, loadavg()[0] / cpus().length);
  assert.ok(best <= READY_MS * allowance, `ready after ${Math.round(best)} ms`);
});

async function answers(t, page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
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
}
