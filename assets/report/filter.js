// Filtering by run and language: rows and columns disappear, marks in figures fade.
{
  const { all, hidden } = rmbench;
  const filter = document.querySelector(".filter");
  const isOut = (element) => hidden.run.has(element.dataset.run) || hidden.lang.has(element.dataset.lang);

  const apply = () => {
    for (const mark of all(".plot g[data-run], .plot g[data-lang]")) mark.classList.toggle("dim", isOut(mark));
    const words = [];
    for (const [kind, one, many] of [["run", "run", "runs"], ["lang", "language", "languages"]]) {
      const n = hidden[kind].size;
      if (n > 0) words.push(`${n} ${n === 1 ? one : many} hidden`);
    }
    filter.querySelector(".active").textContent = words.join(", ");
    rmbench.filtered();
  };

  const listen = (set) => {
    const kind = set.dataset.filter;
    const boxes = all("input[type=checkbox]", set);
    const read = () => {
      hidden[kind] = new Set(boxes.filter((box) => !box.checked).map((box) => box.value));
      apply();
    };
    // A browser may restore boxes on reload.
    if (boxes.some((box) => !box.checked)) read();
    set.addEventListener("change", (event) => { if (event.target.type === "checkbox") read(); });
    set.addEventListener("click", (event) => {
      const pick = event.target.dataset.pick;
      if (!pick) return;
      boxes.forEach((box) => { if (!box.parentElement.hidden) box.checked = pick === "all"; });
      read();
    });
    set.querySelector("input[type=search]").addEventListener("input", (event) => {
      const wanted = event.target.value.trim().toLowerCase();
      boxes.forEach((box) => {
        box.parentElement.hidden = !`${box.parentElement.textContent} ${box.value}`.toLowerCase().includes(wanted);
      });
    });
  };

  if (filter) {
    all("fieldset", filter).forEach(listen);
    document.addEventListener("click", (event) => { if (!filter.contains(event.target)) filter.open = false; });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && filter.open) {
        filter.open = false;
        filter.querySelector("summary").focus();
      }
    });
  }
}
