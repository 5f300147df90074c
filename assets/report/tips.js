// Values of figures at once and beside the pointer, in place of the browser's slow titles; touch works, too.
{
  const { make } = rmbench;
  const tip = make("div", { class: "tip", hidden: true });
  document.body.append(tip);
  let group = null;
  let title = null;

  // The title goes back where it was, for readers of the document.
  const leave = () => {
    if (group) group.prepend(title);
    group = null;
    tip.hidden = true;
  };
  const place = (event) => {
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 8));
    const above = event.clientY - height - 12;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 4 ? above : event.clientY + 18}px`;
  };
  document.addEventListener("pointerover", (event) => {
    const next = event.target.closest?.(".plot g");
    if (next === group) return;
    leave();
    const found = next?.querySelector(":scope > title");
    if (!found) return;
    group = next;
    title = found;
    title.remove();
    tip.textContent = title.textContent;
    tip.hidden = false;
    place(event);
  });
  document.addEventListener("pointermove", (event) => { if (group) place(event); });
  document.addEventListener("scroll", leave, { passive: true, capture: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") leave(); });
}
