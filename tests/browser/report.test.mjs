// The report in a real browser: sorting, filtering, the item browser, links, themes, hostile text.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { data, open } from "./pages.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");
let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

// One page, whose silence is checked at the end.
async function using(name, options, body) {
  const { page, heard, close } = await open(browser, name, options);
  try {
    await body(page);
    assert.deepEqual(heard, [], "the page is silent and asks for nothing");
    assert.equal(await page.evaluate(() => window.hacked), undefined);
  } finally {
    await close();
  }
}
const texts = (page, selector) => page.$$eval(selector, (all) => all.filter((e) => !e.closest("[hidden]")).map((e) => e.textContent.trim()));
// The list after a change: its status says a number again.
const items = async (page) => {
  await page.waitForTimeout(250);
  await page.waitForFunction(() => /^[\d,]+ items?|^No item/.test(document.getElementById("items-status").textContent));
  const status = await page.textContent("#items-status");
  return status.startsWith("No") ? 0 : Number(status.split(" ")[0].replaceAll(",", ""));
};

test("tables sort by any column, and the third click restores the order", () => using("small", {}, async (page) => {
  const table = "#language-table-1-invented-bench";
  const heading = page.locator(`${table} thead button`).nth(1);
  const column = () => page.$$eval(`${table} tbody.rows tr`, (rows) => rows.map((r) => r.cells[1].dataset.v).filter(Boolean).map(Number));
  const before = await column();
  const sorted = (sign) => [...before].sort((a, b) => sign * (a - b));
  await heading.click();
  assert.equal(await page.getAttribute(`${table} thead th:nth-child(2)`, "aria-sort"), "descending");
  assert.deepEqual(await column(), sorted(-1));
  await heading.press("Enter");
  assert.deepEqual(await column(), sorted(1));
  await heading.click();
  assert.deepEqual(await column(), before);
  assert.equal(await page.getAttribute(`${table} thead th:nth-child(2)`, "aria-sort"), null);
}));

test("numbers that are no estimates sort as well, the smallest p first", () => using("small", {}, async (page) => {
  const table = "#comparisons-1-invented-bench";
  const heading = page.locator(`${table} thead th`, { hasText: /^p$/ });
  const column = () => page.$$eval(`${table} tbody.rows tr`, (rows) => rows.map((r) => Number(r.cells[3].dataset.v)));
  const before = await column();
  assert.ok(before.length > 1 && before.every((p) => p > 0 && p <= 1), before.join());
  await heading.locator("button").click();
  assert.equal(await heading.getAttribute("aria-sort"), "ascending");
  assert.deepEqual(await column(), [...before].sort((a, b) => a - b));
  await heading.locator("button").click();
  assert.deepEqual(await column(), [...before].sort((a, b) => b - a));
}));

test("the caption of a wide table stays while its columns are scrolled", () => using("small", { viewport: { width: 390, height: 844 } }, async (page) => {
  const frame = page.locator(".table:has(#comparisons-1-invented-bench)");
  const caption = frame.locator("caption > span");
  const left = async () => (await caption.boundingBox()).x;
  const before = await left();
  const { x, width } = await caption.boundingBox();
  assert.ok(x >= 0 && x + width <= 390, `${x} + ${width}`);
  await frame.evaluate((e) => { e.scrollLeft = 200; });
  assert.ok(await frame.evaluate((e) => e.scrollLeft) > 100);
  assert.ok(Math.abs(await left() - before) < 2);
}));

test("the filter hides a language in tables, figures, comparison and items", () => using("small", {}, async (page) => {
  const all = await items(page);
  await page.click(".filter > summary");
  await page.fill("[data-filter=lang] input[type=search]", "german");
  await page.uncheck("[data-filter=lang] label:not([hidden]) input");
  assert.match(await page.textContent(".filter .active"), /1 language hidden/);
  assert.equal(await page.isVisible("#language-table-1-invented-bench tr[data-lang=deu_Latn]"), false);
  assert.ok(await page.locator(".plot g.dim[data-lang=deu_Latn]").count() > 0);
  assert.ok(await items(page) < all);
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "SUMMARY");
  assert.ok(!(await texts(page, "#comparison-table tbody.rows th")).some((name) => name.startsWith("German")));
}));

test("long tables are searched", () => using("small", {}, async (page) => {
  const field = page.getByLabel(/Find a row: Accuracy in percent/).first();
  await field.fill("czech");
  const rows = await texts(page, "#language-table-1-invented-bench tbody.rows tr th");
  assert.deepEqual(rows, ["Czech čeština"]);
  await field.fill("no such language");
  assert.match((await texts(page, "#language-table-1-invented-bench tbody.rows tr")).join(), /No row/);
}));

test("figures say their values at the pointer", () => using("small", {}, async (page) => {
  const mark = page.locator("#leaderboard-1-invented-bench svg.roomy g:has(> title)").first();
  const title = await mark.locator("> title").textContent();
  await mark.locator("circle").hover();
  assert.equal(await page.textContent(".tip"), title);
  assert.match(title, /\[\d+\.\d, \d+\.\d\], n = /);
  await page.mouse.move(0, 0);
  assert.equal(await page.isVisible(".tip"), false);
  assert.equal(await mark.locator("> title").textContent(), title);
}));

test("two runs are compared as their outcomes say", () => using("small", {}, async (page) => {
  const known = data("small");
  await page.selectOption("#compare-a", { index: 2 });
  await page.selectOption("#compare-b", { index: 0 });
  await page.waitForFunction(() => document.querySelector("#comparison-table caption").textContent.startsWith(`A is ${rmbench.index().runs[2].name}`));
  const [a, b] = [known.outcomes(2), known.outcomes(0)];
  const shared = known.source.map((_, i) => i).filter((i) => a[i] !== 0 && b[i] !== 0);
  const number = (is) => shared.filter(is).length;
  const [both, onlyA, onlyB, neither] = [
    number((i) => a[i] === 1 && b[i] === 1), number((i) => a[i] === 1 && b[i] !== 1),
    number((i) => a[i] !== 1 && b[i] === 1), number((i) => a[i] !== 1 && b[i] !== 1)];
  const row = await page.$$eval("#comparison-table tbody.pinned td", (cells) => cells.map((c) => c.textContent));
  const expected = [shared.length, both, onlyA, onlyB, neither].map((n) => n.toLocaleString("en-US"));
  assert.deepEqual(row.slice(1), expected);
  // The interval once more, from its definition.
  const n = shared.length;
  const mean = (onlyA - onlyB) / n;
  // Sums of each source, around the mean of its subset.
  const d = (i) => (a[i] === 1 ? 1 : 0) - (b[i] === 1 ? 1 : 0);
  let variance = 0;
  for (const subset of new Set(known.subset)) {
    const own = shared.filter((i) => known.subset[i] === subset);
    const center = own.reduce((sum, i) => sum + d(i), 0) / own.length;
    const sums = new Map();
    for (const i of own) sums.set(known.source[i], (sums.get(known.source[i]) ?? 0) + d(i) - center);
    variance += (sums.size / (sums.size - 1)) * [...sums.values()].reduce((sum, x) => sum + x * x, 0);
  }
  const clustered = variance / n ** 2;
  const effect = Math.max(1, clustered / (((onlyA + onlyB) / n - mean ** 2) / n));
  const [p, q] = [(onlyA + 1) / (n + 2), (onlyB + 1) / (n + 2)];
  const half = 1.959963985 * Math.sqrt(effect * (p + q - (p - q) ** 2) / (n + 2));
  const words = (x) => `${x > 0 ? "+" : "−"}${Math.abs(100 * x).toFixed(1)}`;
  assert.equal(row[0], `${words(mean)} [${words(p - q - half)}, ${words(p - q + half)}]`);
  // A number leads to its items.
  await page.click("#comparison-table tbody.pinned td:nth-child(5) button");
  assert.equal(await items(page), onlyA);
  assert.equal(await page.inputValue("#items-show"), "only-a");
}));

test("an interval is not made from too little", () => using("small", {}, async (page) => {
  const make = (n, onlyA, onlyB) => page.evaluate(([n, onlyA, onlyB]) => {
    const clusters = new Map(Array.from({ length: n }, (_, i) => [i, { sum: i < onlyA ? 1 : i < onlyA + onlyB ? -1 : 0, size: 1 }]));
    return rmbench.pairedDifference({ n, onlyA, onlyB, clusters }, 1.96);
  }, [n, onlyA, onlyB]);
  assert.equal(await make(0, 0, 0), null);
  assert.ok(Number.isNaN((await make(9, 3, 1)).low));
  const never = await make(100, 0, 0);
  assert.ok(never.point === 0 && never.low < -0.02 && never.high > 0.02, "no difference seen is not no difference");
}));

test("items: disagreements first, kinds, languages, keyboard", () => using("small", {}, async (page) => {
  const known = data("small");
  const [ra, rb] = known.index.pair;
  const [a, b] = [known.outcomes(ra), known.outcomes(rb)];
  const disagree = known.ids.filter((_, i) => a[i] !== 0 && b[i] !== 0 && (a[i] === 1) !== (b[i] === 1)).length;
  assert.equal(await items(page), disagree);
  const rows = await texts(page, ".option .said");
  assert.ok(rows.length > 8 && rows.length < 40, `${rows.length} rows exist`);
  assert.ok(rows.every((label) => /A right, B (wrong|tie)|A (wrong|tie), B right/.test(label)), rows[0]);
  await page.selectOption("#items-show", "all");
  assert.equal(await items(page), 1200);
  await page.selectOption("#items-lang", { label: "Arabic" });
  assert.equal(await items(page), 80);
  // By keyboard alone.
  await page.focus("#items-list");
  await page.keyboard.press("ArrowDown");
  await page.waitForSelector("#item h3");
  const first = await page.textContent("#item h3");
  await page.keyboard.press("End");
  await page.waitForFunction((first) => document.querySelector("#item h3").textContent !== first, first);
  assert.equal(await page.getAttribute(".option[aria-selected=true]", "aria-posinset"), "80");
  assert.equal(await page.getAttribute("#items-list", "aria-activedescendant"), "option-79");
  // Right to left by its own letters, in the font of its language.
  const box = await page.$eval(".chosen .words", (e) => ({ direction: getComputedStyle(e).direction, lang: e.lang }));
  assert.deepEqual(box, { direction: "rtl", lang: "ar-Arab" });
  await page.click("#item details summary");
  await page.waitForSelector("#item details table");
  assert.equal(await page.locator("#item details tbody tr").count(), 3);
}));

test("items are found by id and by text", () => using("small", {}, async (page) => {
  await page.selectOption("#items-show", "all");
  await page.fill("#items-search", "NEEDLE77.");
  assert.equal(await items(page), 1);
  await page.fill("#items-search", "item-00042");
  assert.equal(await items(page), 15, "one in every language");
  await page.fill("#items-search", "שלום");
  assert.equal(await items(page), 80);
  await page.fill("#items-search", "nowhere at all");
  assert.equal(await items(page), 0);
}));

test("a link opens its item, and is made by opening one", async () => {
  let link;
  await using("small", {}, async (page) => {
    await page.locator(".option").nth(3).click();
    await page.waitForFunction(() => location.hash.startsWith("#item/"));
    link = { hash: await page.evaluate(() => location.hash), title: await page.textContent("#item h3") };
  });
  await using("small", { hash: link.hash }, async (page) => {
    assert.equal(await page.textContent("#item h3"), link.title);
    assert.ok(await page.evaluate(() => document.getElementById("item").getBoundingClientRect().top < innerHeight));
  });
  await using("small", { hash: "#item/invented-bench/sums/deu_Latn/nobody" }, async (page) => {
    assert.match(await page.textContent("#items-status"), /not in this page/);
  });
  await using("small", { hash: "#item/%E0%A4%A" }, async (page) => {
    assert.match(await page.textContent("#items-status"), /not in this page/);
  });
});

test("a link is copied", () => using("small", { permissions: ["clipboard-read", "clipboard-write"] }, async (page) => {
  await page.locator(".option").first().click();
  await page.waitForSelector("#item h3");
  await page.getByRole("button", { name: "Copy link" }).click();
  await page.waitForSelector("#item .acts >> text=Copied");
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, await page.evaluate(() => location.href));
}));

test("hostile items stay text", async () => {
  const id = "<script>window.hacked = 1</script>/\"'&";
  const hash = `#item/invented-bench/${encodeURIComponent("easy talk")}/eng_Latn/${encodeURIComponent(id)}`;
  await using("small", { hash }, async (page) => {
    assert.equal(await page.textContent("#item h3"), id);
    const said = await texts(page, "#item .words");
    assert.equal(said[0], "</script><script>window.hacked = 2</script>");
    assert.equal(said[1], '<img src=x onerror="window.hacked = 3"><svg onload="window.hacked = 4">');
    assert.equal(said[2], "before ⟨U+202E⟩reversed⟨U+202C⟩ after ⟨U+2066⟩isolated⟨U+2069⟩ ⟨U+0007⟩");
    assert.equal(await page.locator("#item img, #item svg, #item script").count(), 0);
  });
  await using("small", { hash: "#item/invented-bench/easy%20talk/arb_Arab/one%20long%20line" }, async (page) => {
    const words = page.locator("#item .words");
    assert.ok((await words.nth(0).textContent()).length < 4100);
    // The cut does not go through the middle of a character.
    assert.ok((await words.nth(1).textContent()).isWellFormed());
    await page.getByRole("button", { name: "Show all 100,000 characters" }).first().click();
    assert.equal((await words.nth(0).textContent()).length, 100_000);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  });
});

test("one run, and runs without texts, have items too", async () => {
  await using("single", {}, async (page) => {
    assert.equal(await page.locator("#compare").count(), 0);
    assert.ok(await items(page) > 0);
    const labels = await texts(page, ".option .said");
    assert.ok(labels.every((label) => /^(wrong|tie)$/.test(label)), labels[0]);
  });
  await using("no-texts", {}, async (page) => {
    await page.locator(".option").first().click();
    assert.match(await page.textContent("#item .note"), /made without item texts/);
    assert.match(await page.textContent("#items > p"), /rmbench report --items/);
  });
});

test("themes: the system's, the reader's, remembered", () => using("small", { colorScheme: "dark" }, async (page) => {
  const background = () => page.$eval("body", (e) => getComputedStyle(e).backgroundColor);
  assert.equal(await background(), "rgb(20, 23, 26)");
  await page.click(".theme");
  assert.equal(await background(), "rgb(252, 252, 250)");
  await page.reload();
  assert.equal(await background(), "rgb(252, 252, 250)");
  assert.equal(await page.textContent(".theme"), "Dark theme");
}));

test("paper has no controls, a phone no sideways scrolling", async () => {
  await using("small", {}, async (page) => {
    await page.emulateMedia({ media: "print" });
    assert.equal(await page.isVisible(".tools"), false);
    assert.equal(await page.isVisible("#browser .controls"), false);
    assert.ok(await page.isVisible("#language-table-1-invented-bench"));
  });
  for (const name of ["small", "hostile"]) {
    await using(name, { viewport: { width: 390, height: 844 } }, async (page) => {
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, name);
    });
  }
});

test("axe finds nothing, in light, in dark, on a phone", async () => {
  const views = [["small", {}], ["small", { colorScheme: "dark" }], ["small", { viewport: { width: 390, height: 844 } }],
    ["single", {}], ["hostile", {}], ["no-texts", {}]];
  for (const [name, options] of views) {
    await using(name, options, async (page) => {
      if (name !== "hostile") {
        await page.locator(".option").first().click();
        await page.waitForSelector("#item h3");
      }
      await page.evaluate(axe);
      // Dark differs in its colours only.
      const rules = options.colorScheme === "dark" ? { runOnly: ["color-contrast"] } : {};
      const found = await page.evaluate(async (rules) => {
        const { violations } = await axe.run(document, { resultTypes: ["violations"], ...rules });
        return violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} (${n.failureSummary})`).join(" | ")}`);
      }, rules);
      assert.deepEqual(found, [], `${name} ${JSON.stringify(options)}`);
    });
  }
});
