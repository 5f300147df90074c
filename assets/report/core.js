// Script of rmbench reports: parts in order, each a block of its own. The page is complete without it,
// except for the items. Text from data enters by textContent only.
"use strict";
const rmbench = {};
{
  rmbench.all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  rmbench.one = (id) => document.getElementById(id);

  // An element with attributes and children; strings become text.
  rmbench.make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === undefined || value === null || value === false) continue;
      if (key === "data") Object.assign(element.dataset, value);
      else element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };

  const counts = new Intl.NumberFormat("en-US");
  rmbench.count = (n) => counts.format(n);
  // A true minus sign, as everywhere in the report.
  rmbench.fixed = (x, decimals) => {
    const text = Math.abs(x).toFixed(decimals);
    return x < 0 && Number(text) !== 0 ? `−${text}` : text;
  };
  rmbench.signed = (x, decimals) => {
    const text = rmbench.fixed(x, decimals);
    return x > 0 && Number(text) !== 0 ? `+${text}` : text;
  };

  // Which runs and languages the reader has hidden; parts that show either listen.
  rmbench.hidden = { run: new Set(), lang: new Set() };
  const listeners = [];
  rmbench.whenFiltered = (listener) => listeners.push(listener);
  rmbench.filtered = () => listeners.forEach((listener) => listener());
}
