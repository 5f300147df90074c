// Screenshots of a report, to be looked at: light, dark, phone, print. Usage: node look.mjs REPORT.html DIRECTORY
import { mkdirSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import { launch } from "./chromium.mjs";

const [page, out] = process.argv.slice(2);
if (!page || !out) throw new Error("usage: node look.mjs REPORT.html DIRECTORY");
mkdirSync(out, { recursive: true });
const browser = await launch();
const views = [
  ["light", { colorScheme: "light", viewport: { width: 1280, height: 900 } }],
  ["dark", { colorScheme: "dark", viewport: { width: 1280, height: 900 } }],
  ["phone", { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 }],
];
for (const [name, options] of views) {
  const context = await browser.newContext(options);
  const tab = await context.newPage();
  await tab.goto(pathToFileURL(resolve(page)).href);
  await tab.waitForFunction(() => document.documentElement.dataset.ready === "yes", null, { timeout: 20000 }).catch(() => {});
  const sections = await tab.$$eval("main > section", (all) => all.map((s) => s.id));
  for (const [i, id] of ["", ...sections].entries()) {
    if (id) await tab.evaluate((id) => document.getElementById(id).scrollIntoView(), id);
    await tab.screenshot({ path: `${out}/${name}-${String(i).padStart(2, "0")}-${id || "top"}.png` });
  }
  if (name === "light") await tab.pdf({ path: `${out}/print.pdf`, preferCSSPageSize: true });
  await context.close();
}
await browser.close();
