// Many folds in a row (one for each run) become a choice of one. Without script they stay folds.
{
  const { all, make } = rmbench;
  const MANY = 7;

  const choose = (folds) => {
    const select = make("select");
    folds.forEach((fold, at) => select.append(make("option", { value: String(at) }, fold.querySelector("summary").textContent)));
    const show = (at) => {
      select.value = String(at);
      folds.forEach((fold, other) => { fold.hidden = other !== at; });
      folds[at].open = true;
    };
    select.addEventListener("change", () => show(Number(select.value)));
    // A link may unfold one that is not chosen.
    folds.forEach((fold, at) => fold.addEventListener("toggle", () => { if (fold.open && fold.hidden) show(at); }));
    folds.forEach((fold) => fold.classList.add("chosen-fold"));
    folds[0].before(make("div", { class: "controls" }, make("label", {}, "Show", select)));
    show(Math.max(0, folds.findIndex((fold) => fold.open)));
    folds.forEach((fold) => { if (fold.hidden) fold.open = false; });
  };

  for (const parent of new Set(all("main details.fold").map((fold) => fold.parentElement))) {
    let run = [];
    for (const child of [...parent.children, null]) {
      if (child && child.matches("details.fold")) { run.push(child); continue; }
      if (run.length >= MANY) choose(run);
      run = [];
    }
  }
}
