// Which items are shown, in which order. Disagreements come first, the widest first.
{
  const { hidden } = rmbench;
  const NONE = 0;
  const RIGHT = 1;
  const TIE = 3;

  // Kinds of items that the reader can ask for: what it takes, and by what they are sorted (highest first).
  const differ = (c, i) => (c.a[i] === RIGHT) !== (c.b[i] === RIGHT) && c.a[i] !== NONE && c.b[i] !== NONE;
  const some = (c, i) => c.a[i] !== NONE && c.b[i] !== NONE;
  const distance = (c, i) => Math.abs(c.marginA[i] / c.spreadA - c.marginB[i] / c.spreadB);
  const together = (c, i) => c.marginA[i] / c.spreadA + c.marginB[i] / c.spreadB;
  const TWO = [
    ["disagree", "A and B disagree", differ, distance],
    ["only-a", "only A is right", (c, i) => differ(c, i) && c.a[i] === RIGHT, distance],
    ["only-b", "only B is right", (c, i) => differ(c, i) && c.b[i] === RIGHT, distance],
    ["neither", "neither is right", (c, i) => some(c, i) && c.a[i] !== RIGHT && c.b[i] !== RIGHT, (c, i) => -together(c, i)],
    ["both", "both are right", (c, i) => c.a[i] === RIGHT && c.b[i] === RIGHT, (c, i) => -together(c, i)],
    ["ties", "a tie in A or B", (c, i) => c.a[i] === TIE || c.b[i] === TIE, distance],
    ["none", "no outcome in A or B", (c, i) => c.a[i] === NONE || c.b[i] === NONE, () => 0],
    ["all", "all items", () => true, (c, i) => (differ(c, i) ? 1e9 : 0) + distance(c, i)],
  ];
  const ONE = [
    ["wrong", "wrong", (c, i) => c.a[i] !== NONE && c.a[i] !== RIGHT, (c, i) => -c.marginA[i]],
    ["right", "right", (c, i) => c.a[i] === RIGHT, (c, i) => -c.marginA[i]],
    ["ties", "ties", (c, i) => c.a[i] === TIE, () => 0],
    ["none", "no outcome", (c, i) => c.a[i] === NONE, () => 0],
    ["all", "all items", () => true, (c, i) => -c.marginA[i]],
  ];
  rmbench.kinds = () => (rmbench.index().runs.length > 1 ? TWO : ONE);

  // What the reader has chosen; "" is no restriction.
  rmbench.choice = { a: 0, b: 0, show: "", lang: "", subset: "", search: "" };

  const outcomesOf = (outcomes, run) => {
    const { n } = rmbench.index();
    return outcomes.subarray(run * n, (run + 1) * n);
  };
  rmbench.outcomesOf = async (run) => outcomesOf(await rmbench.outcomes(), run);

  // How many runs are right about each item, and how many have an outcome.
  let tally = null;
  rmbench.tally = async () => {
    if (tally) return tally;
    const outcomes = await rmbench.outcomes();
    const { n, runs } = rmbench.index();
    tally = { right: new Uint16Array(n), known: new Uint16Array(n) };
    for (let run = 0; run < runs.length; run += 1) {
      const own = outcomesOf(outcomes, run);
      for (let i = 0; i < n; i += 1) {
        if (own[i] !== NONE) tally.known[i] += 1;
        if (own[i] === RIGHT) tally.right[i] += 1;
      }
    }
    return tally;
  };

  // Items whose id, subset or language has the words.
  const named = async (words) => {
    const { n, subsets, langs } = rmbench.index();
    const [keys, ids] = await Promise.all([rmbench.keys(), rmbench.ids()]);
    const has = (text) => text.toLowerCase().includes(words);
    const inSubset = subsets.map(has);
    const inLang = langs.map((lang) => has(`${lang.name} ${lang.native || ""} ${lang.code}`));
    const found = new Uint8Array(n);
    for (let i = 0; i < n; i += 1) {
      found[i] = inSubset[keys.subset[i]] || inLang[keys.lang[i]] || ids[i].toLowerCase().includes(words) ? 1 : 0;
    }
    return found;
  };

  // Adds the items whose text has the words, block by block; stops when the search is no longer wanted.
  const inTexts = async (words, found, isWanted, progress) => {
    const { n, textBlocks } = rmbench.index();
    const keys = await rmbench.keys();
    const members = Array.from({ length: textBlocks }, () => []);
    for (let i = 0; i < n; i += 1) if (keys.block[i] > 0) members[keys.block[i] - 1].push(i);
    for (let block = 0; block < textBlocks; block += 1) {
      const texts = await rmbench.textsOnce(block);
      if (!isWanted()) return;
      for (const i of members[block]) {
        const [prompt, responses] = texts[keys.place[i]];
        const has = (text) => text.toLowerCase().includes(words);
        if (prompt.some(([, text]) => has(text)) || responses.some(has)) found[i] = 1;
      }
      progress((block + 1) / textBlocks);
    }
  };

  // The items of a choice, in order, or null where a later choice has overtaken this one.
  let latest = 0;
  rmbench.chosen = async (progress) => {
    latest += 1;
    const mine = latest;
    const isWanted = () => mine === latest;
    const { n, runs, langs } = rmbench.index();
    const { a, b, show, lang, subset, search } = rmbench.choice;
    const kinds = rmbench.kinds();
    const [, , takes, rank] = kinds.find(([id]) => id === show) || kinds[0];
    const [keys, outcomes] = await Promise.all([rmbench.keys(), rmbench.outcomes()]);
    const [marginA, marginB] = await Promise.all([rmbench.margins(a), rmbench.margins(b)]);
    const context = {
      a: outcomesOf(outcomes, a), b: outcomesOf(outcomes, b), marginA, marginB,
      spreadA: runs[a].spread || 1, spreadB: runs[b].spread || 1,
    };
    const words = search.trim().toLowerCase();
    let found = null;
    if (words !== "") {
      found = await named(words);
      await inTexts(words, found, isWanted, progress);
    }
    if (!isWanted()) return null;
    const out = langs.map((l) => hidden.lang.has(l.code));
    const order = [];
    const ranks = new Float64Array(n);
    for (let i = 0; i < n; i += 1) {
      if (out[keys.lang[i]] || (found && !found[i])) continue;
      if ((lang !== "" && keys.lang[i] !== lang) || (subset !== "" && keys.subset[i] !== subset)) continue;
      if (!takes(context, i)) continue;
      const value = rank(context, i);
      ranks[i] = Number.isNaN(value) ? -Infinity : value;
      order.push(i);
    }
    order.sort((x, y) => ranks[y] - ranks[x] || x - y);
    return order;
  };
}
