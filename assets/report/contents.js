// Links into the page: what is folded away unfolds; the section being read is marked in the list.
{
  const { all } = rmbench;
  const named = () => {
    try { return document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return null; }
  };
  const unfold = () => {
    const target = location.hash.length > 1 && named();
    if (!target) return;
    for (let at = target.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();

  const links = new Map(all(".contents a").map((a) => [a.hash.slice(1), a]));
  const sections = all("main > section");
  const list = document.querySelector(".contents");
  const seen = new Set();
  const observer = new IntersectionObserver((entries) => {
    entries.forEach((entry) => { if (entry.isIntersecting) seen.add(entry.target.id); else seen.delete(entry.target.id); });
    const current = sections.find((section) => seen.has(section.id));
    if (!current) return;
    links.forEach((a, id) => {
      if (id === current.id) a.setAttribute("aria-current", "true"); else a.removeAttribute("aria-current");
    });
    // On a phone the list is one line that scrolls by itself.
    const a = links.get(current.id);
    if (a && list.scrollWidth > list.clientWidth) list.scrollLeft = a.offsetLeft - (list.clientWidth - a.offsetWidth) / 2;
  }, { rootMargin: "-10% 0px -70% 0px" });
  sections.forEach((section) => observer.observe(section));
}
