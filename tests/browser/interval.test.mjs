// The comparison's interval covers the true difference as often as it says, with translations correlated.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

// The function itself, out of the page's script.
const source = readFileSync(new URL("../../assets/report/compare.js", import.meta.url), "utf8");
const body = source.slice(source.indexOf("const FEWEST"), source.indexOf("const empty"));
const pairedDifference = new Function(`const rmbench = {}; ${body} return rmbench.pairedDifference;`)();

// splitmix-like, the same on every machine; normal draws by Box and Muller.
let state = 1;
const uniform = () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return (state + 0.5) / 2 ** 32; };
const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());

// Items of one source share how easy they are, and how each run takes them.
function draw(sources, translations, lead) {
  const clusters = new Map();
  let [n, onlyA, onlyB] = [0, 0, 0];
  for (let source = 0; source < sources; source += 1) {
    const [ease, forA, forB] = [normal(), 0.6 * normal(), 0.6 * normal()];
    let sum = 0;
    for (let i = 0; i < translations; i += 1) {
      const item = ease + 0.7 * normal();
      const difference = (item + forA + normal() > -0.8 - lead) - (item + forB + normal() > -0.8);
      sum += difference;
      onlyA += difference > 0;
      onlyB += difference < 0;
      n += 1;
    }
    clusters.set(source, { sum, size: translations });
  }
  return { n, onlyA, onlyB, clusters };
}

for (const [sources, translations, lead] of [[200, 1, 0], [200, 1, 0.2], [100, 20, 0.1], [20, 10, 0.2]]) {
  test(`${sources} sources in ${translations} languages, lead ${lead}`, (t) => {
    const large = draw(300_000 / translations, translations, lead);
    const truth = (large.onlyA - large.onlyB) / large.n;
    const repeats = 1000;
    let covered = 0;
    for (let i = 0; i < repeats; i += 1) {
      const { low, high } = pairedDifference(draw(sources, translations, lead), 1.959964);
      covered += low <= truth && truth <= high;
    }
    t.diagnostic(`covers ${((100 * covered) / repeats).toFixed(1)} %`);
    // 95 % ± 3.5 standard errors of the simulation.
    assert.ok(covered >= 926 && covered <= 974, `${covered} of ${repeats}`);
  });
}
