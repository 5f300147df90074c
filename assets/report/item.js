// One item: what it says, chosen and rejected side by side, and what the runs make of it.
{
  const { make, one, fixed, count } = rmbench;
  // Longer texts are cut until the reader asks for all.
  const LONG = 4000;
  // Control characters, and direction marks that reach beyond their word: shown, not obeyed.
  const DISTURBING = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
  const code = (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;

  const pieces = (text) => {
    const found = [];
    let from = 0;
    for (const match of text.matchAll(DISTURBING)) {
      found.push(text.slice(from, match.index), make("span", { class: "control" }, code(match[0])));
      from = match.index + 1;
    }
    found.push(text.slice(from));
    return found;
  };

  // Each line takes its direction from its own first letter; the language picks the font.
  const words = (text, lang) => {
    const box = make("div", { class: "words", dir: "auto", lang: lang.tag, tabindex: "0", role: "group", "aria-label": "Text" });
    if (text.length <= LONG) {
      box.append(...pieces(text));
      return [box];
    }
    // Not through the middle of a character.
    const end = /[\ud800-\udbff]/.test(text[LONG - 1]) ? LONG - 1 : LONG;
    box.append(...pieces(text.slice(0, end)), "…");
    const more = make("button", { type: "button", class: "more" }, `Show all ${count(text.length)} characters`);
    more.addEventListener("click", () => { box.replaceChildren(...pieces(text)); more.remove(); box.focus(); });
    return [box, more];
  };

  const decimals = (run) => {
    const { step } = rmbench.index().runs[run];
    // A margin is off by a step at most.
    return step > 0 ? Math.max(0, Math.min(3, Math.floor(-Math.log10(2 * step)))) : 3;
  };
  const reward = (run, value) => (Number.isNaN(value) ? "—" : fixed(value, decimals(run)));

  // Runs and what they gave: where there are several responses, the ones that decide.
  const table = async (i, runs) => {
    const { index, keys, outcomes } = await load();
    const several = keys.chosen[i] > 1 || keys.rejected[i] > 1;
    const middle = keys.offset[i] + keys.chosen[i];
    const heads = ["Run", "Outcome", several ? "Lowest chosen" : "Chosen", several ? "Highest rejected" : "Rejected", "Margin"];
    const head = make("tr", {}, ...heads.map((text, at) => make("th", { scope: "col", class: at > 1 ? "num" : "" }, text)));
    const rows = await Promise.all(runs.map(async ([run, label]) => {
      const rewards = await rmbench.rewards(run);
      const chosen = Math.min(...rewards.subarray(keys.offset[i], middle));
      const rejected = Math.max(...rewards.subarray(middle, keys.offset[i + 1]));
      const outcome = outcomes[run * index.n + i];
      const name = make("th", { scope: "row" }, label ? make("span", { class: "which" }, label) : null, make("bdi", {}, index.runs[run].name));
      return make("tr", {}, name,
        make("td", {}, rmbench.mark(outcome), ` ${rmbench.outcomeWord(outcome)}`),
        ...[chosen, rejected, chosen - rejected].map((value) => make("td", { class: "num" }, reward(run, value))));
    }));
    return make("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Rewards of this item" },
      make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
  };

  const load = async () => {
    const [keys, ids, outcomes] = await Promise.all([rmbench.keys(), rmbench.ids(), rmbench.outcomes()]);
    return { index: rmbench.index(), keys, ids, outcomes };
  };

  const said = async (i) => {
    const { index, keys } = await load();
    if (keys.block[i] === 0) {
      const why = index.textBlocks === 0
        ? "This report was made without item texts; `rmbench report --items` puts them in."
        : "The text of this item is not in the page.";
      return [make("p", { class: "note" }, why)];
    }
    const [prompt, responses] = (await rmbench.texts(keys.block[i] - 1))[keys.place[i]];
    const lang = index.langs[keys.lang[i]];
    const turns = prompt.map(([role, text]) => make("div", { class: "turn" }, make("h4", {}, role === "user" ? "Prompt" : role), ...words(text, lang)));
    const side = (name, from, to) => make("div", { class: `side ${name.toLowerCase()}` },
      ...responses.slice(from, to).map((text, at) => make("div", { class: "response" },
        make("h4", {}, to - from > 1 ? `${name} ${at + 1} of ${to - from}` : name,
          make("span", { class: "length" }, ` ${count(Array.from(text).length)} characters`)),
        ...words(text, lang))));
    return [...turns, make("div", { class: "sides" },
      side("Chosen", 0, keys.chosen[i]), side("Rejected", keys.chosen[i], responses.length))];
  };

  // `#item/BENCHMARK/SUBSET/LANGUAGE/ID`, each part percent-encoded.
  rmbench.linkOf = async (i) => {
    const { index, keys, ids } = await load();
    const parts = [index.benchmarks[keys.benchmark[i]], index.subsets[keys.subset[i]], index.langs[keys.lang[i]].code, ids[i]];
    return `#item/${parts.map(encodeURIComponent).join("/")}`;
  };
  // The item that a link names; −1 where there is none such.
  rmbench.itemOf = async (hash) => {
    if (!hash.startsWith("#item/")) return -1;
    let parts;
    try { parts = hash.slice(6).split("/").map(decodeURIComponent); } catch { return -1; }
    const { index, keys, ids } = await load();
    const benchmark = index.benchmarks.indexOf(parts[0]);
    const subset = index.subsets.indexOf(parts[1]);
    const lang = index.langs.findIndex((l) => l.code === parts[2]);
    for (let i = 0; i < index.n; i += 1) {
      if (ids[i] === parts[3] && keys.lang[i] === lang && keys.subset[i] === subset && keys.benchmark[i] === benchmark) return i;
    }
    return -1;
  };

  const copy = async (button, link) => {
    const address = new URL(link, location.href).href;
    try {
      await navigator.clipboard.writeText(address);
      button.textContent = "Copied";
    } catch {
      // Without leave to use the clipboard the reader copies it themselves.
      const field = make("input", { class: "address", readonly: true, "aria-label": "Link to this item" });
      field.value = address;
      button.replaceWith(field);
      field.select();
    }
  };

  let latest = 0;
  rmbench.openItem = async (i) => {
    latest += 1;
    const mine = latest;
    const panel = one("item");
    const { index, keys, ids } = await load();
    const { a, b } = rmbench.choice;
    const link = await rmbench.linkOf(i);
    const lang = index.langs[keys.lang[i]];
    const several = index.runs.length > 1;
    const pair = several ? [[a, "A"], [b, "B"]] : [[a, ""]];
    const [texts, rewards] = await Promise.all([said(i), table(i, pair)]);
    // Another item was opened meanwhile.
    if (mine !== latest) return;
    const copying = make("button", { type: "button" }, "Copy link");
    copying.addEventListener("click", () => copy(copying, link));
    const step = (label, by) => {
      const button = make("button", { type: "button" }, label);
      button.addEventListener("click", () => rmbench.list.step(by));
      return button;
    };
    const native = lang.native && lang.native !== lang.name ? make("bdi", { class: "native", lang: lang.tag, dir: lang.dir }, lang.native) : null;
    const rest = make("details", { class: "fold" }, make("summary", {}, `All ${index.runs.length} runs`));
    rest.addEventListener("toggle", async () => {
      if (rest.open && rest.childElementCount === 1) rest.append(await table(i, index.runs.map((_, run) => [run, ""])));
    });
    panel.replaceChildren(
      make("div", { class: "head" },
        make("h3", {}, make("bdi", {}, ids[i])),
        make("div", { class: "acts" }, step("Previous", -1), step("Next", 1), copying)),
      make("p", { class: "where" }, make("bdi", {}, index.benchmarks[keys.benchmark[i]]), " · ",
        make("bdi", {}, index.subsets[keys.subset[i]]), " · ", lang.name, " ", native),
      ...texts, rewards, ...(index.runs.length > 2 ? [rest] : []));
    panel.dataset.link = link;
  };
}
