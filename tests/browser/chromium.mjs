// The browser of the tests: Debian's chromium, or the one that RMBENCH_CHROMIUM names.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export async function launch() {
  const executablePath = process.env.RMBENCH_CHROMIUM || known.find((path) => existsSync(path));
  if (!executablePath) throw new Error("no chromium: run tools/browser.sh, or set RMBENCH_CHROMIUM");
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"] });
}
