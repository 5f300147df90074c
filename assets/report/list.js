// The list of items: only the rows in view exist, whatever the number of items.
{
  const { make, one, count } = rmbench;
  const list = one("items-list");
  const MARKS = ["—", "✓", "✗", "="];
  const WORDS = ["no outcome", "right", "wrong", "tie"];
  const CLASSES = ["none", "right", "wrong", "tie"];
  rmbench.outcomeWord = (code) => WORDS[code];
  rmbench.mark = (code) => make("span", { class: `mark ${CLASSES[code]}`, title: WORDS[code] }, MARKS[code]);

  if (list) {
    const state = { order: [], active: -1, data: null, opened: () => {} };
    const spacer = make("div", { class: "spacer", role: "presentation" });
    list.append(spacer);
    const rowHeight = () => parseFloat(getComputedStyle(list).getPropertyValue("--row")) || 36;

    const option = (at) => {
      const i = state.order[at];
      const { index, keys, ids, a, b, tally } = state.data;
      const lang = index.langs[keys.lang[i]];
      const subset = index.subsets[keys.subset[i]];
      const several = index.runs.length > 1;
      const marks = several ? [rmbench.mark(a[i]), rmbench.mark(b[i])] : [rmbench.mark(a[i])];
      const outcomes = several ? `A ${WORDS[a[i]]}, B ${WORDS[b[i]]}` : WORDS[a[i]];
      const row = make("div", {
        id: `option-${at}`, class: "option", role: "option", "aria-selected": String(at === state.active),
        "aria-setsize": String(state.order.length), "aria-posinset": String(at + 1),
        data: { at },
      },
      make("bdi", { class: "id" }, ids[i]),
      make("bdi", { class: "subset" }, subset),
      make("span", { class: "in" }, lang.name),
      make("span", { class: "marks", "aria-hidden": "true" }, ...marks),
      make("span", { class: "said" }, outcomes),
      several ? make("span", { class: "tally" }, `${tally.right[i]} of ${tally.known[i]}`) : null);
      row.style.transform = `translateY(${at * rowHeight()}px)`;
      return row;
    };

    const draw = () => {
      const height = rowHeight();
      const first = Math.max(0, Math.floor(list.scrollTop / height) - 6);
      const last = Math.min(state.order.length, Math.ceil((list.scrollTop + list.clientHeight) / height) + 6);
      const rows = [];
      for (let at = first; at < last; at += 1) rows.push(option(at));
      spacer.style.height = `${state.order.length * height}px`;
      spacer.replaceChildren(...rows);
      const isDrawn = state.active >= first && state.active < last;
      if (isDrawn) list.setAttribute("aria-activedescendant", `option-${state.active}`);
      else list.removeAttribute("aria-activedescendant");
    };
    let asked = false;
    const later = () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => { asked = false; if (state.data) draw(); });
    };
    list.addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);

    const reveal = (at) => {
      const height = rowHeight();
      if (at * height < list.scrollTop) list.scrollTop = at * height;
      const bottom = (at + 1) * height - list.clientHeight;
      if (bottom > list.scrollTop) list.scrollTop = bottom;
    };
    const activate = (at) => {
      if (state.order.length === 0) return;
      state.active = Math.max(0, Math.min(state.order.length - 1, at));
      reveal(state.active);
      draw();
      state.opened(state.order[state.active]);
    };
    list.addEventListener("click", (event) => {
      const row = event.target.closest(".option");
      if (row) activate(Number(row.dataset.at));
    });
    list.addEventListener("keydown", (event) => {
      const page = Math.max(1, Math.floor(list.clientHeight / rowHeight()) - 1);
      const moves = {
        ArrowDown: state.active + 1, ArrowUp: Math.max(0, state.active - 1), PageDown: state.active + page,
        PageUp: Math.max(0, state.active - page), Home: 0, End: state.order.length - 1,
      };
      if (!(event.key in moves) || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      activate(moves[event.key]);
    });

    rmbench.list = {
      // Shows other items; the one that is open stays marked where it is among them.
      show(order, data, open) {
        Object.assign(state, { order, data, active: order.indexOf(open) });
        list.scrollTop = 0;
        if (state.active >= 0) reveal(state.active);
        draw();
      },
      // Marks an item as open where it is in the list.
      mark(item) {
        state.active = state.order.indexOf(item);
        if (state.active >= 0) reveal(state.active);
        if (state.data) draw();
      },
      step: (by) => activate(state.active + by),
      whenOpened(listener) { state.opened = listener; },
      place: () => [state.active, state.order.length],
      words: () => `${count(state.order.length)} ${state.order.length === 1 ? "item" : "items"}`,
    };
  }
}
