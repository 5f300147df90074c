// Two runs item by item: who is right where, and whether the difference is more than chance.
{
  const { make, one, count, signed } = rmbench;
  const RIGHT = 1;
  // Fewer source items than this give no interval.
  const FEWEST = 10;

  // Paired difference of two shares, (only A − only B) / n, with Bonett and Price's adjusted Wald interval
  // (2012), times the design effect of source items: translations of one item are one cluster, and clusters
  // vary within their subset, as in the report's bootstrap.
  rmbench.pairedDifference = ({ n, onlyA, onlyB, clusters }, z) => {
    if (n === 0) return null;
    const point = (onlyA - onlyB) / n;
    const groups = clusters.size;
    if (groups < FEWEST) return { point, low: NaN, high: NaN };
    const strata = new Map();
    for (const { sum, size, stratum } of clusters.values()) {
      const all = strata.get(stratum) || { sum: 0, size: 0, groups: 0, squares: 0 };
      strata.set(stratum, { ...all, sum: all.sum + sum, size: all.size + size, groups: all.groups + 1 });
    }
    for (const { sum, size, stratum } of clusters.values()) {
      const all = strata.get(stratum);
      all.squares += (sum - size * all.sum / all.size) ** 2;
    }
    let squares = 0;
    for (const all of strata.values()) if (all.groups > 1) squares += (all.groups / (all.groups - 1)) * all.squares;
    const clustered = squares / (n * n);
    const independent = ((onlyA + onlyB) / n - point * point) / n;
    const effect = independent > 0 ? Math.max(1, clustered / independent) : 1;
    const a = (onlyA + 1) / (n + 2);
    const b = (onlyB + 1) / (n + 2);
    const half = z * Math.sqrt(effect * (a + b - (a - b) ** 2) / (n + 2));
    return { point, low: Math.max(-1, a - b - half), high: Math.min(1, a - b + half) };
  };

  const empty = () => ({ n: 0, both: 0, onlyA: 0, onlyB: 0, neither: 0, clusters: new Map() });
  const add = (cell, a, b, source, stratum) => {
    const difference = a - b;
    cell.n += 1;
    if (difference > 0) cell.onlyA += 1;
    else if (difference < 0) cell.onlyB += 1;
    else if (a > 0) cell.both += 1;
    else cell.neither += 1;
    const cluster = cell.clusters.get(source);
    if (cluster) { cluster.sum += difference; cluster.size += 1; } else cell.clusters.set(source, { sum: difference, size: 1, stratum });
  };

  // Counts over all items and by language or subset.
  rmbench.compared = async (a, b, by) => {
    const [keys, ofA, ofB] = await Promise.all([rmbench.keys(), rmbench.outcomesOf(a), rmbench.outcomesOf(b)]);
    const { n, langs } = rmbench.index();
    const groups = new Map();
    const all = empty();
    const out = langs.map((lang) => rmbench.hidden.lang.has(lang.code));
    for (let i = 0; i < n; i += 1) {
      if (ofA[i] === 0 || ofB[i] === 0 || out[keys.lang[i]]) continue;
      const group = keys[by][i];
      if (!groups.has(group)) groups.set(group, empty());
      const [rightA, rightB] = [ofA[i] === RIGHT ? 1 : 0, ofB[i] === RIGHT ? 1 : 0];
      const stratum = keys.benchmark[i] * 65536 + keys.subset[i];
      add(all, rightA, rightB, keys.source[i], stratum);
      add(groups.get(group), rightA, rightB, keys.source[i], stratum);
    }
    return { all, groups };
  };

  const head = (title, numeric, about) => make("th", { scope: "col", class: numeric ? "num" : "", title: about },
    make("button", { type: "button" }, make("span", {}, title)));

  const row = (name, cell, filter) => {
    const { z } = rmbench.index();
    const difference = rmbench.pairedDifference(cell, z);
    const link = (n, kind) => {
      if (n === 0) return "0";
      const button = make("button", { type: "button", class: "to-items" }, count(n));
      button.addEventListener("click", () => rmbench.showItems({ ...filter, show: kind }));
      return button;
    };
    const number = (n, kind) => make("td", { class: "num", data: { v: n } }, kind ? link(n, kind) : count(n));
    const shown = difference === null ? "—" : Number.isNaN(difference.low)
      ? [make("span", { class: "point" }, signed(100 * difference.point, 1)), " ", make("span", { class: "interval" }, "not enough data")]
      : [make("span", { class: difference.low > 0 || difference.high < 0 ? "point clear" : "point" }, signed(100 * difference.point, 1)), " ",
        make("span", { class: "interval" }, `[${signed(100 * difference.low, 1)}, ${signed(100 * difference.high, 1)}]`)];
    return make("tr", {}, make("th", { scope: "row" }, ...name),
      make("td", { class: "num", data: { v: difference === null ? "" : difference.point } }, ...[shown].flat()),
      number(cell.n), number(cell.both, "both"), number(cell.onlyA, "only-a"), number(cell.onlyB, "only-b"),
      number(cell.neither, "neither"));
  };

  rmbench.drawComparison = async () => {
    const place = one("compare-table");
    if (!place) return;
    const { a, b } = rmbench.choice;
    const by = one("compare-by").value;
    const { langs, subsets, runs } = rmbench.index();
    const { all, groups } = await rmbench.compared(a, b, by);
    const named = (group) => {
      if (by === "subset") return [make("bdi", {}, subsets[group])];
      const lang = langs[group];
      const native = lang.native && lang.native !== lang.name ? make("bdi", { class: "native", lang: lang.tag, dir: lang.dir }, lang.native) : null;
      return [make("span", { class: "lang" }, lang.name, " ", native)];
    };
    const order = Array.from(groups.keys()).sort((x, y) => x - y);
    const caption = make("caption", { id: "compare-caption" }, make("span", {}, "A is ", make("bdi", {}, make("strong", {}, runs[a].name)), ", B is ",
      make("bdi", {}, make("strong", {}, runs[b].name)), ". Differences in percentage points."));
    const heads = make("tr", {}, head(by === "lang" ? "Language" : "Subset", false), head("A − B", true, "Paired difference with its interval"),
      head("n", true, "Items for which both runs have an outcome"), head("Both right", true), head("Only A", true), head("Only B", true),
      head("Neither", true));
    const table = make("table", { id: "comparison-table" }, caption, make("thead", {}, heads),
      make("tbody", { class: "pinned" }, row(["All"], all, { lang: "", subset: "" })),
      make("tbody", { class: "rows" }, ...order.map((group) => row(named(group), groups.get(group),
        by === "lang" ? { lang: group, subset: "" } : { lang: "", subset: group }))));
    place.replaceChildren(make("div", { class: "table", tabindex: "0", role: "region", "aria-labelledby": "compare-caption" }, table));
  };
}
