// Makes tables marked "sortable" sort, filter, page and give the rows shown as CSV. No library: DataTables weighs
// 600 kB, and a night leaves a thousand pages. The rows are there as HTML: without this script they can be read and
// printed all the same. Everything is set as text, never as HTML.
const tr = (text, values = {}) =>
  Object.entries(values).reduce((filled, [name, value]) => filled.replace(`{${name}}`, value), WORDS[text] ?? text);

const folded = (text) =>
  text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/œ/g, "oe").replace(/æ/g, "ae")
    .replace(/[^\p{L}\p{N}]+/gu, " ").trim();

const element = (name, properties, ...children) => {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
};

const collate = new Intl.Collator(LANGUAGE, { numeric: true }).compare;
// Numbers by their value, also as French writes them (1 234); then texts; what is empty last either way.
const compare = (a, b, sign) => {
  const [x, y] = [a, b].map((text) => text.trim() ? Number(text.replace(/[\u00a0\u202f]/g, "")) : NaN);
  return !a.trim() - !b.trim() || sign * (x - y || isNaN(x) - isNaN(y) || collate(a, b));
};

const textOf = (cell) => {
  const copy = cell.cloneNode(true);
  copy.querySelectorAll("[aria-hidden]").forEach((mark) => mark.remove());
  copy.querySelectorAll("br").forEach((line) => line.replaceWith(" "));
  return copy.textContent.replace(/\s+/g, " ").trim();
};

// As mssante_audit.base.export.csv_text: a spreadsheet takes none of these for a formula.
const quoted = (text) => {
  let safe = text.replace(/(;[\s"']*)(?=[=+\-@＝＋－＠])/g, "$1'");
  if (/^[\s"']*[=+\-@＝＋－＠]/.test(safe) && !/^-\d+(?:[.,]\d+)?$/.test(safe)) safe = `'${safe}`;
  return /[",;\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
};

const upgrade = (table) => {
  table.classList.add("ready");
  const body = table.tBodies[0], headers = [...table.tHead.rows[0].cells];
  let rows = [...body.rows], matching = rows, start = 0, length = Infinity;
  if (rows.length < 2) return;
  let draw = () => body.append(...rows);

  table.tHead.rows[0].dataset.sort = tr("Trier :");
  headers.forEach((header, column) => {
    const button = element("button", { type: "button", className: "sort" }, ...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const sign = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const keys = new Map(rows.map((row) => [row, row.cells[column].dataset.key ?? textOf(row.cells[column])]));
      rows.sort((a, b) => compare(keys.get(a), keys.get(b), sign));
      start = 0;
      draw();
    });
  });
  const few = matchMedia("(max-width: 44rem)").matches ? 4 : 10;  // a phone shows cards
  if (rows.length <= few) return;

  const name = table.caption.textContent;
  const push = (text, label, act) => {
    const node = element("button", { type: "button", title: label, ariaLabel: label }, text);
    node.addEventListener("click", act);
    return node;
  };
  const texts = new Map(rows.map((row) => [row, folded([...row.cells].map(textOf).join(" "))]));
  const box = element("input", { type: "search", id: `${table.id}-filter` });
  const size = element("select", { id: `${table.id}-size` },
    ...[[few, few], [50, 50], [tr("toutes"), Infinity]].map(([text, value]) => element("option", { value }, text)));
  const status = element("span", { className: "shown", role: "status" });
  const back = push("‹", tr("Page précédente"), () => { start = Math.max(0, start - length); draw(); });
  const next = push("›", tr("Page suivante"), () => { start += length; draw(); });
  const pages = element("span", { className: "pages", role: "group", ariaLabel: tr("Pages : {name}", { name }) }, back, next);
  const save = push(tr("CSV des lignes trouvées"), tr("CSV des lignes trouvées : {name}", { name }), () => {
    const lines = [headers, ...matching.map((row) => [...row.cells])];
    const text = lines.map((cells) => cells.map((cell) => quoted(textOf(cell))).join(",")).join("\n");
    const file = URL.createObjectURL(new Blob([`\ufeff${text}\n`], { type: "text/csv" }));
    element("a", { href: file, download: `${table.id}-trouve.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(file), 60_000);
  });
  draw = () => {
    const words = folded(box.value).split(" ");
    matching = rows.filter((row) => words.every((word) => texts.get(row).includes(word)));
    const on = new Set(matching.slice(start, start + length));
    rows.forEach((row) => { row.hidden = !on.has(row); });
    body.append(...rows);
    const number = (n) => n.toLocaleString(LANGUAGE);
    const end = Math.min(start + length, matching.length);
    const shown = { from: number(start + 1), to: number(end), found: number(matching.length), all: number(rows.length) };
    status.textContent = matching.length ? tr("Lignes {from} à {to} sur {found}", shown)
      : tr("Aucune ligne ne correspond à la recherche.");
    if (matching.length < rows.length) status.textContent += tr(" (parmi {all})", shown);
    back.disabled = start === 0;
    next.disabled = end === matching.length;
    save.disabled = !matching.length;
  };
  const resize = () => { length = Number(size.value); start = 0; draw(); };
  box.addEventListener("input", () => { start = 0; draw(); });
  size.addEventListener("change", resize);
  table.before(element("div", { className: "tools" },
    element("label", {}, tr("Rechercher : "), box), element("label", {}, tr("Lignes : "), size), save));
  table.after(element("div", { className: "tools" }, status, pages));
  resize();
};

// Charts: one stop each, arrows go from mark to mark; that in focus says its number.
const CHART = ".drawn, .severities";
const chartOf = (mark) => mark.closest?.("[role=img]") && mark.closest(CHART);
const marksOf = (chart) => [...chart.querySelectorAll("[role=img]")];
const stop = (chart, at) => marksOf(chart).forEach((mark) => { mark.tabIndex = mark === at ? 0 : -1; });
const tip = element("div", { className: "tip", ariaHidden: true });
const tellMark = ({ target, type }) => {
  const mark = target.closest?.("[role=img]") ?? target, chart = chartOf(mark), title = mark.querySelector?.("title");
  tip.remove();
  if (!chart || title && type === "pointerover") return;  // it shows
  if (type === "focusin") stop(chart, mark);
  tip.textContent = title?.textContent ?? mark.ariaLabel;
  chart.append(tip);
  const box = mark.getBoundingClientRect(), all = chart.getBoundingClientRect();
  tip.style.top = `${box.bottom - all.top + 6}px`;
  tip.style.left = `${Math.max(0, Math.min(box.left - all.left, all.width - tip.offsetWidth))}px`;
};
const stepMark = (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key], chart = chartOf(event.target);
  if (event.key === "Escape") tip.remove();
  if (!chart || !step) return;
  const marks = marksOf(chart);
  marks[marks.indexOf(event.target) + step]?.focus();
  event.preventDefault();
};

// In JupyterLab tables come later, and all open notebooks share one page: the first that runs serves the others.
const upgradeAll = () => {
  document.querySelectorAll("table.sortable:not(.ready)").forEach(upgrade);
  document.querySelectorAll(`:is(${CHART}):not([data-stops])`).forEach((chart) => {
    chart.dataset.stops = "";
    stop(chart, marksOf(chart)[0]);
  });
  document.querySelectorAll("details.rest:not(.ready)").forEach((rest) => {
    rest.classList.add("ready");
    rest.open = !matchMedia("(max-width: 44rem)").matches;
  });
};
upgradeAll();
if (!window.mssanteTables) {
  window.mssanteTables = new MutationObserver(upgradeAll);
  window.mssanteTables.observe(document.documentElement, { childList: true, subtree: true });
  for (const way of ["focusin", "pointerover"]) document.addEventListener(way, tellMark);
  document.addEventListener("focusout", () => tip.remove());
  document.addEventListener("keydown", stepMark);
}
