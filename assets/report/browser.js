// Ties the controls of the comparison and of the item browser to one choice, and links to items.
{
  const { make, one, count } = rmbench;
  const root = document.documentElement;

  const fill = (select, options) => {
    if (select) select.replaceChildren(...options.map(([value, label]) => make("option", { value: String(value) }, label)));
  };
  const idle = () => new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve, 0)); });

  let open = -1;
  const refresh = async () => {
    const status = one("items-status");
    const searching = rmbench.choice.search.trim() !== "" && rmbench.index().textBlocks > 0;
    const order = await rmbench.chosen((share) => {
      if (searching) status.textContent = `Searching texts: ${Math.round(100 * share)} %`;
    });
    if (order === null) return;
    const index = rmbench.index();
    const { a, b } = rmbench.choice;
    const [keys, ids, ofA, ofB, tally] = await Promise.all(
      [rmbench.keys(), rmbench.ids(), rmbench.outcomesOf(a), rmbench.outcomesOf(b), rmbench.tally()]);
    rmbench.list.show(order, { index, keys, ids, a: ofA, b: ofB, tally }, open);
    const of = order.length === index.n ? "" : ` of ${count(index.n)}`;
    status.textContent = order.length === 0 ? "No item is like that." : `${rmbench.list.words()}${of}`;
  };

  const reflect = () => {
    const { a, b, show, lang, subset } = rmbench.choice;
    for (const [id, value] of [["run-a", a], ["run-b", b], ["compare-a", a], ["compare-b", b],
      ["items-show", show], ["items-lang", lang], ["items-subset", subset]]) {
      if (one(id)) one(id).value = String(value);
    }
  };

  const change = async (changes) => {
    Object.assign(rmbench.choice, changes);
    reflect();
    if ("a" in changes || "b" in changes) {
      await rmbench.drawComparison();
      if (open >= 0) rmbench.openItem(open);
    }
    await refresh();
  };

  rmbench.showItems = async (changes) => {
    one("items-search").value = "";
    await change({ search: "", ...changes });
    one("items").scrollIntoView();
    one("items-list").focus({ preventScroll: true });
  };

  const openItem = async (i, fromLink) => {
    open = i;
    await rmbench.openItem(i);
    const link = one("item").dataset.link;
    // A link to what is open, without a new entry in the reader's history.
    if (!fromLink) try { history.replaceState(null, "", link); } catch { /* some browsers refuse for files */ }
  };

  const follow = async () => {
    if (!location.hash.startsWith("#item/")) return;
    const i = await rmbench.itemOf(location.hash);
    if (i < 0) {
      one("items-status").textContent = "The link names an item that is not in this page.";
      one("items").scrollIntoView();
      return;
    }
    await openItem(i, true);
    rmbench.list.mark(i);
    one("item").scrollIntoView();
  };

  const wire = () => {
    const number = (id, key) => one(id)?.addEventListener("change", (event) => change({ [key]: Number(event.target.value) }));
    number("run-a", "a");
    number("run-b", "b");
    number("compare-a", "a");
    number("compare-b", "b");
    one("compare-swap")?.addEventListener("click", () => change({ a: rmbench.choice.b, b: rmbench.choice.a }));
    one("compare-by")?.addEventListener("change", () => rmbench.drawComparison());
    one("items-show").addEventListener("change", (event) => change({ show: event.target.value }));
    for (const key of ["lang", "subset"]) {
      one(`items-${key}`).addEventListener("change", (event) => {
        change({ [key]: event.target.value === "" ? "" : Number(event.target.value) });
      });
    }
    let typing = 0;
    one("items-search").addEventListener("input", (event) => {
      clearTimeout(typing);
      typing = setTimeout(() => change({ search: event.target.value }), 180);
    });
    rmbench.list.whenOpened((i) => openItem(i, false));
    rmbench.whenFiltered(() => { rmbench.drawComparison(); refresh(); });
    addEventListener("hashchange", follow);
  };

  const start = async () => {
    const index = rmbench.index();
    const runs = index.runs.map((run, at) => [at, run.name]);
    for (const id of ["run-a", "run-b", "compare-a", "compare-b"]) fill(one(id), runs);
    fill(one("items-show"), rmbench.kinds().map(([id, label]) => [id, label]));
    fill(one("items-lang"), [["", "all"], ...index.langs.map((lang, at) => [at, lang.name])]);
    fill(one("items-subset"), [["", "all"], ...index.subsets.map((subset, at) => [at, subset])]);
    const [a, b] = index.pair;
    Object.assign(rmbench.choice, { a: a ?? 0, b: b ?? a ?? 0, show: rmbench.kinds()[0][0] });
    reflect();
    wire();
    one("browser").hidden = false;
    if (one("comparison")) one("comparison").hidden = false;
    // Tables and figures first; the items follow.
    await idle();
    await Promise.all([refresh(), rmbench.drawComparison()]);
    await follow();
  };

  if (rmbench.hasItems()) {
    start().then(() => { root.dataset.ready = "yes"; }, (error) => {
      const note = one("items-failed");
      note.hidden = false;
      note.textContent = `The items cannot be shown: ${error.message}`;
      one("browser").hidden = true;
      root.dataset.ready = "failed";
    });
  } else {
    root.dataset.ready = "yes";
  }
}
