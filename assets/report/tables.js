// Sorting: first click in the direction that puts the best first, third click restores the order.
// Long tables can be searched.
{
  const { all, make, hidden } = rmbench;
  // Tables with more rows than this get a search field.
  const LONG = 12;

  const value = (row, column, numeric) => {
    const cell = row.cells[column];
    if (!numeric) return cell.textContent;
    return "v" in cell.dataset ? Number(cell.dataset.v) : null;
  };
  const lastBody = (table) => table.tBodies[table.tBodies.length - 1];

  const sort = (header) => {
    const table = header.closest("table");
    const body = lastBody(table);
    const column = header.cellIndex;
    const numeric = header.classList.contains("num");
    const first = header.dataset.first ?? (numeric ? "descending" : "ascending");
    const second = first === "ascending" ? "descending" : "ascending";
    const now = header.getAttribute("aria-sort");
    const next = now === null ? first : now === first ? second : null;
    all("th[aria-sort]", table.tHead).forEach((th) => th.removeAttribute("aria-sort"));
    const rows = Array.from(body.rows).filter((row) => row.className !== "nothing");
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

  // Rows are shown where neither the filter nor the table's own search hides them.
  const isOut = (element) => hidden.run.has(element.dataset.run) || hidden.lang.has(element.dataset.lang);
  const refresh = (table) => {
    const heads = Array.from(table.tHead.rows[0].cells);
    const columns = heads.map((th) => hidden.run.has(th.dataset.run));
    if (columns.some(Boolean) || "filtered" in table.dataset) {
      for (const row of all("tr", table)) {
        Array.from(row.cells).forEach((cell, i) => { if (cell.colSpan === 1) cell.hidden = columns[i]; });
      }
      table.dataset.filtered = "";
    }
    const body = lastBody(table);
    all("tr.nothing", body).forEach((row) => row.remove());
    const wanted = table.dataset.wanted || "";
    const rows = Array.from(body.rows);
    let shown = 0;
    for (const row of rows) {
      row.hidden = isOut(row) || (wanted !== "" && !row.cells[0].textContent.toLowerCase().includes(wanted));
      shown += !row.hidden;
    }
    if (rows.length > 0 && shown === 0) {
      const row = body.insertRow();
      row.className = "nothing";
      const cell = row.insertCell();
      cell.colSpan = heads.length;
      cell.textContent = wanted === "" ? "The filter leaves no row." : "No row has that in its first column.";
    }
  };
  const tables = all("main table");
  rmbench.whenFiltered(() => tables.forEach(refresh));

  for (const table of tables) {
    if (lastBody(table).rows.length <= LONG) continue;
    const title = table.caption ? table.caption.textContent : "table";
    const field = make("input", { type: "search", placeholder: "Find a row", "aria-label": `Find a row: ${title}` });
    field.addEventListener("input", () => {
      table.dataset.wanted = field.value.trim().toLowerCase();
      refresh(table);
    });
    table.closest(".table").before(make("div", { class: "find" }, field));
  }
}
