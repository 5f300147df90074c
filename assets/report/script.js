// Sorting, filtering, theme. The page is complete without it.
"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // Theme: the reader's system decides until they do.
  const root = document.documentElement;
  const button = document.querySelector(".theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => { try { return localStorage.getItem("rmbench-theme"); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem("rmbench-theme", theme); } catch { /* private page */ } };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => { button.textContent = isDark() ? "Light theme" : "Dark theme"; };
  if (["dark", "light"].includes(remembered())) root.dataset.theme = remembered();
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    label();
  });
  system.addEventListener("change", label);
  label();
  document.querySelector(".tools").hidden = false;

  // Sorting: first click in the direction that puts the best first, third click restores the order.
  const value = (row, column, numeric) => {
    const cell = row.cells[column];
    if (!numeric) return cell.textContent;
    return "v" in cell.dataset ? Number(cell.dataset.v) : null;
  };
  const sort = (header) => {
    const table = header.closest("table");
    const body = table.tBodies[table.tBodies.length - 1];
    const column = header.cellIndex;
    const numeric = header.classList.contains("num");
    const first = numeric ? "descending" : "ascending";
    const second = numeric ? "ascending" : "descending";
    const now = header.getAttribute("aria-sort");
    const next = now === null ? first : now === first ? second : null;
    all("th[aria-sort]", table.tHead).forEach((th) => th.removeAttribute("aria-sort"));
    const rows = Array.from(body.rows);
    rows.forEach((row, i) => { if (!("order" in row.dataset)) row.dataset.order = i; });
    const compare = (a, b) => {
      if (next === null) return a.dataset.order - b.dataset.order;
      const x = value(a, column, numeric);
      const y = value(b, column, numeric);
      if (x === null || y === null) return (x === null) - (y === null);
      const order = numeric ? x - y : x.localeCompare(y);
      return next === "ascending" ? order : -order;
    };
    rows.sort(compare);
    body.append(...rows);
    if (next !== null) header.setAttribute("aria-sort", next);
  };
  document.addEventListener("click", (event) => {
    const header = event.target.closest("thead th button")?.parentElement;
    if (header) sort(header);
  });

  // Filtering: rows and columns disappear, marks in figures fade.
  const filter = document.querySelector(".filter");
  const hidden = { run: new Set(), lang: new Set() };
  const out = (element) => hidden.run.has(element.dataset.run) || hidden.lang.has(element.dataset.lang);
  const apply = () => {
    for (const table of all("main table")) {
      const heads = Array.from(table.tHead.rows[0].cells);
      const columns = heads.map((th) => hidden.run.has(th.dataset.run));
      const some = columns.some(Boolean) || "filtered" in table.dataset;
      if (some) {
        for (const row of all("tr", table)) {
          Array.from(row.cells).forEach((cell, i) => { if (cell.colSpan === 1) cell.hidden = columns[i]; });
        }
        table.dataset.filtered = "";
      }
      const body = table.tBodies[table.tBodies.length - 1];
      all("tr.nothing", body).forEach((row) => row.remove());
      const rows = Array.from(body.rows);
      rows.forEach((row) => { row.hidden = out(row); });
      if (rows.length > 0 && rows.every((row) => row.hidden)) {
        const row = body.insertRow();
        row.className = "nothing";
        const cell = row.insertCell();
        cell.colSpan = heads.length;
        cell.textContent = "The filter leaves no row.";
      }
    }
    for (const mark of all(".plot g[data-run], .plot g[data-lang]")) mark.classList.toggle("dim", out(mark));
    const words = [];
    for (const [kind, one, many] of [["run", "run", "runs"], ["lang", "language", "languages"]]) {
      const n = hidden[kind].size;
      if (n > 0) words.push(`${n} ${n === 1 ? one : many} hidden`);
    }
    filter.querySelector(".active").textContent = words.join(", ");
  };
  if (filter) {
    for (const set of all("fieldset", filter)) {
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
    }
    document.addEventListener("click", (event) => { if (!filter.contains(event.target)) filter.open = false; });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && filter.open) {
        filter.open = false;
        filter.querySelector("summary").focus();
      }
    });
  }

  // A link to something folded away unfolds it.
  const unfold = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let at = target.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();

  // The section being read is marked in the list.
  const links = new Map(all(".contents a").map((a) => [a.hash.slice(1), a]));
  if ("IntersectionObserver" in window) {
    const seen = new Set();
    const observer = new IntersectionObserver((entries) => {
      entries.forEach((entry) => { entry.isIntersecting ? seen.add(entry.target.id) : seen.delete(entry.target.id); });
      const current = all("main > section").find((section) => seen.has(section.id));
      links.forEach((a, id) => {
        if (current && id === current.id) a.setAttribute("aria-current", "true"); else a.removeAttribute("aria-current");
      });
    }, { rootMargin: "-10% 0px -70% 0px" });
    all("main > section").forEach((section) => observer.observe(section));
  }
})();
