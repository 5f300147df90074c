// Opening pages: every request, console message and error is kept, and none of them is allowed.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inflateSync } from "node:zlib";

const root = process.env.RMBENCH_BROWSER_PAGES;
if (!root) throw new Error("RMBENCH_BROWSER_PAGES names no directory: run `just test-browser`");

export const path = (name) => join(root, name, "report.html");
export const address = (name) => pathToFileURL(path(name)).href;

export async function open(browser, name, { hash = "", measured = false, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, offline: true, ...options });
  const page = await context.newPage();
  // Processor time of the page's main thread, from the beginning.
  const session = measured ? await context.newCDPSession(page) : null;
  await session?.send("Performance.enable", { timeDomain: "threadTicks" });
  const heard = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) heard.push(message.text()); });
  page.on("pageerror", (error) => heard.push(error.message));
  page.on("dialog", (dialog) => { heard.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => {
    const url = request.url();
    if (url.split("#")[0] !== address(name) && !url.startsWith("data:")) heard.push(`request: ${url}`);
  });
  // When the page says that it is ready, on its own clock.
  await page.addInitScript(() => {
    new MutationObserver((_, observer) => {
      if (!document.documentElement?.dataset.ready) return;
      window.readyAfter = performance.now();
      observer.disconnect();
    }).observe(document, { attributes: true, subtree: true, attributeFilter: ["data-ready"] });
  });
  await page.goto(address(name) + hash);
  await ready(page);
  return { page, session, heard, close: () => context.close() };
}

export async function ready(page) {
  await page.waitForFunction(() => document.documentElement.dataset.ready, null, { timeout: 30000 });
  const state = await page.evaluate(() => document.documentElement.dataset.ready);
  if (state !== "yes") throw new Error(await page.textContent("#items-failed"));
}

// The page's data, read without the page's script.
export function data(name) {
  const html = readFileSync(path(name), "utf8");
  const block = (id) => html.match(new RegExp(`<script [^>]*id="${id}"[^>]*>([^<]*)</script>`))[1];
  const bytes = (id) => inflateSync(Buffer.from(block(id), "base64"));
  const index = JSON.parse(block("data-index"));
  const n = index.n;
  const keys = bytes("data-keys");
  const column = (i) => Array.from({ length: n }, (_, at) => keys.readUInt16LE(4 * n + 2 * (i * n + at)));
  return {
    index,
    ids: JSON.parse(bytes("data-ids").toString("utf8")),
    source: Array.from({ length: n }, (_, at) => keys.readUInt32LE(4 * at)),
    subset: column(1),
    lang: column(2),
    outcomes: (run) => bytes("data-outcomes").subarray(run * n, (run + 1) * n),
  };
}
