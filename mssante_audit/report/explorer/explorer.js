// Shows what is looked at, and takes what is asked: summary, filters, rows, file, the page's own address. Everything
// shown is set as text, never as HTML.

const address = () => [
  ["q", [view.q], view.q],
  ...facets.map((facet) => [facet.key, [...facet.on].map((at) => facet.values[at]), facet.on.size]),
  ["sort", [view.sort], view.sort],
  ["map", [view.map], view.map !== "tiles"],
  ["shade", [view.shade], view.shade !== "share"],
  ["domain", [view.domain], view.domain],
].filter(([, , there]) => there).map(([key, values]) => `${key}=${values.map(encodeURIComponent).join(",")}`).join("&");
// What a link says is no data of ours: nothing in it hides, nor turns the line around.
const visible = (text) => text.replace(/[\p{C}\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
let strange = [];
const readAddress = () => {
  const plain = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
  const asked = location.search.slice(1).replaceAll("+", " ");  // by the form of the index
  const given = location.href.includes("#") ? location.hash.slice(1) : asked;
  const parameters = new Map(given.split("&").map((part) => {
    const [key, ...rest] = part.split("=");
    return [key, rest.join("=").split(",").map(plain)];
  }));
  const parameter = (key, allowed) => { const value = parameters.get(key)?.join(",") ?? ""; return !allowed || allowed.includes(value) ? value : ""; };
  strange = [];
  for (const facet of facets) {
    const wanted = (parameters.get(facet.key) ?? []).map((value) => [value, facet.values.indexOf(value)]);
    facet.on = new Set(wanted.filter(([, at]) => at >= 0).map(([, at]) => at));
    strange.push(...wanted.filter(([, at]) => at < 0).map(([value]) => value));
  }
  const sorts = ["domain", "operator", "boxes"];
  view.q = parameter("q").slice(0, 200);
  view.sort = parameter("sort", [...sorts, ...sorts.map((key) => `-${key}`)]);
  view.map = parameter("map", ["outlines"]) || "tiles";
  view.shade = parameter("shade", ["number"]) || "share";
  view.domain = parameter("domain");
  if (view.domain && !place.has(view.domain)) { strange.push(view.domain); view.domain = ""; }
  view.start = 0;
};
let timer = 0;
const remember = (step) => {
  const write = () => {
    try {
      history[step ? "pushState" : "replaceState"](null, "", `#${address()}`);
    } catch { /* in a notebook the page has no address of its own */ }
  };
  clearTimeout(timer);
  if (step) write(); else timer = setTimeout(write, 150);  // browsers allow some 200 in half a minute
};

const bar = (numbers, whole) => {
  const most = whole ?? numbers.reduce((a, b) => a + b, 0);
  const node = element("span", { className: "parts" }, ...numbers.flatMap((n, kind) => {
    if (!n) return [];
    const part = element("i", { className: KINDS[kind] });
    part.style.width = `${100 * n / most}%`;
    return [part];
  }));
  node.setAttribute("aria-hidden", "true");
  return node;
};

const counted = (axis, numbers) => numbers.map((n, kind) => {
  const shown = element("b", {}, number(n));
  shown.dataset[axis] = facetOf[axis].values[kind];
  return element("li", {}, mark(kind), shown, ` ${answer(axis, kind, n)}`);
});
const drawSummary = () => {
  const other = data.question === "arrives" ? "order" : "arrives";
  const numbers = [0, 0, 0, 0], others = [0, 0, 0, 0];
  for (const row of matching) { numbers[asked[row]]++; others[facetOf[other].column[row]]++; }
  const of = matching.length === size ? "" : say("of", { n: number(size) });
  const sum = boxes === null || !matching.length ? "" : `, ${count("boxes", boxes)}`;
  const typed = view.q.trim().replace(/^.*@/, "").toLowerCase();
  const exact = typed.includes(".") && !place.has(typed) ? ` ${words.exact}` : "";
  const lost = strange.length ? ` ${say("strange", { what: visible(strange.join(", ").slice(0, 200)) })}` : "";
  $("status").textContent = (matching.length && whole ? count("domains", matching.length) + of + sum + "." : words.none) + exact + lost;
  $("parts").replaceChildren(...bar(numbers).childNodes);
  $("key").replaceChildren(...counted(data.question, numbers));
  $("other").replaceChildren(...counted(other, others));
  const chips = facets.flatMap((facet) => [...facet.on].map((at) => chip(facet, at)));
  if (chips.length) chips.push(push(words.clear, () => { for (const facet of facets) facet.on.clear(); }));
  $("chips").replaceChildren(...chips.map((node) => element("li", {}, node)));
};
const push = (text, act) => {
  const node = element("button", { type: "button" }, text);
  node.addEventListener("click", () => { act(); changed(); $("q").focus(); });
  return node;
};
const chip = (facet, at) => {
  const node = push(bdi(`${facet.title}${words.colon}${facet.names[at]} ✕`), () => facet.on.delete(at));
  node.setAttribute("aria-label", say("without", { what: `${facet.title}${words.colon}${facet.names[at]}` }));
  return node;
};

// A line a value: made once, then only its number, bar and place change.
const line = (facet, at) => {
  const box = element("input", { type: "checkbox" });
  box.addEventListener("change", () => { if (box.checked) facet.on.add(at); else facet.on.delete(at); changed(); });
  const name = facet.check ? element("span", { className: "sr" }, facet.names[at]) : element("span", {}, bdi(facet.names[at]));
  if (facet.marked) name.prepend(mark(at));
  const n = element("span");
  const node = element("label", {}, box, ...(facet.check ? [mark(at)] : []), name, n);
  if (facet.check) node.title = facet.names[at];
  return { node, box, n, at };
};
const panel = (facet) => {
  const box = element("div");
  facet.check = Boolean(data.checks[facet.key]);
  facet.lines = facet.values.map(() => null);
  facet.bars = ["region", "operator"].includes(facet.key);
  facet.box = facet.check ? element("fieldset", { className: "facet check" }, element("legend", {}, element("span", {}, facet.title)))
    : element("fieldset", { className: "facet" }, element("legend", {}, facet.title), box);
  facet.list = facet.check ? facet.box : box;
  if (facet.key === "department") facet.box.classList.add("scroll");
  if (facet.key === "operator") {
    facet.more = element("button", { type: "button" });
    facet.more.addEventListener("click", () => { facet.whole = !facet.whole; drawFacets(); });
    facet.box.append(facet.more);
  }
  return facet.box;
};
const drawFacets = () => {
  const held = document.activeElement;
  for (const facet of facets) {
    const numbers = countsOf(facet), many = facet.values.map((_, at) => total(numbers, at));
    let shown = [...facet.values.keys()];
    if (!facet.check && !facet.marked) shown = shown.filter((at) => many[at] || facet.on.has(at));
    if (facet.bars) shown.sort((a, b) => many[b] - many[a] || a - b);
    if (facet.more) {
      facet.more.hidden = shown.length <= OPERATORS;
      facet.more.textContent = facet.whole ? words.fewer : say("all", { n: number(shown.length) });
      const first = new Set(shown.slice(0, facet.whole ? MOST : OPERATORS));
      shown = shown.filter((at) => first.has(at) || facet.on.has(at));
    }
    const most = Math.max(1, ...shown.map((at) => many[at]));
    const lines = shown.map((at) => {
      const label = facet.lines[at] ??= line(facet, at);
      label.box.checked = facet.on.has(at);
      label.n.textContent = number(many[at]);
      return label;
    });
    if (facet.bars) {
      for (const { node, at } of lines) {
        node.querySelector(".parts")?.remove();
        node.append(bar(Array.from(numbers.subarray(4 * at, 4 * at + 4)), most));
      }
    }
    const wanted = lines.map(({ node }) => node);
    const there = [...facet.list.children].filter((child) => child.localName === "label");
    if (wanted.length !== there.length || wanted.some((node, at) => node !== there[at])) {
      there.forEach((node) => node.remove());
      facet.list.append(...wanted);
    }
  }
  if (held !== document.activeElement && held.isConnected) held.focus();  // a line that moved
};

const reasonsOf = (row, kinds) => Object.keys(data.checks).flatMap((key) => kinds.includes(facetOf[key].column[row])
  ? (whys[rows.why[row]][key] ?? []).map((code) => [key, code]) : []);
const reasons = (row, kinds = [1, 2]) => reasonsOf(row, kinds).map(([key, code], at, all) =>
  `${all[at - 1]?.[0] === key ? "" : data.checks[key] + words.colon}${codes[code][0]}`);
const drawRows = () => {
  const shown = matching.slice(view.start, view.start + ROWS);
  $("rows").replaceChildren(...shown.map((row) => {
    const open = element("button", { type: "button" }, bdi(rows.domain[row]));
    open.addEventListener("click", () => show(rows.domain[row]));
    const hidden = element("span", { className: "sr" }, ` ${words.values[data.question][asked[row]]}`);
    const n = rows.boxes[row];
    const node = element("tr", {},
      element("td", {}, mark(asked[row]), open, hidden, element("small", {}, bdi(rows.description[row]))),
      element("td", {}, bdi(facetOf.operator.names[facetOf.operator.column[row]]),
        element("small", {}, bdi(facetOf.department.names[facetOf.department.column[row]]))),
      element("td", {}, reasons(row).join(words.semicolon)),
      element("td", { className: "number" }, ...(n === null ? [] : [number(n), element("span", { className: "unit" }, ` ${words.unit}`)])));
    if (rows.domain[row] === view.domain) node.setAttribute("aria-current", "true");
    return node;
  }));
  const last = Math.min(view.start + ROWS, matching.length);
  $("span").textContent = (whole ? "" : words.nearest) + (matching.length ? say("pages", { from: number(view.start + 1), to: number(last), all: number(matching.length) }) : "");
  $("previous").disabled = view.start === 0;
  $("next").disabled = last >= matching.length;
  $("csv").disabled = !matching.length;
  for (const button of document.querySelectorAll("[data-sort]")) {
    const sign = { [button.dataset.sort]: "ascending", [`-${button.dataset.sort}`]: "descending" }[view.sort];
    if (sign) button.parentElement.setAttribute("aria-sort", sign); else button.parentElement.removeAttribute("aria-sort");
  }
};
const table = () => {
  const verdicts = facets.filter((facet) => !["region", "department", "operator"].includes(facet.key));
  const code = (facet, row) => facet.values[facet.column[row]];
  const head = ["domain", "description", "operator_id", "operator", "department", "region", "mailboxes",
    ...verdicts.map((facet) => facet.key), "reasons", "support_contact", "project_contact"];
  const lines = matching.map((row) => [rows.domain[row], rows.description[row], code(facetOf.operator, row),
    facetOf.operator.names[facetOf.operator.column[row]], code(facetOf.department, row), code(facetOf.region, row),
    rows.boxes[row] ?? "", ...verdicts.map((facet) => code(facet, row)), reasons(row, [1, 2, 3]).join(words.semicolon),
    rows.support_contact[row].map((at) => texts[at]).join(" | "), rows.project_contact[row].map((at) => texts[at]).join(" | ")]);
  return [head, ...lines].map((cells) => cells.map((cell) => quoted(String(cell))).join(",")).join("\n");
};

const draw = () => { search(); drawSummary(); drawFacets(); drawMap(); drawRows(); };
const changed = () => { view.start = 0; strange = []; draw(); remember(false); };
const restore = () => {
  readAddress();
  $("q").value = view.q;
  $("map").value = view.map;
  $("shade").value = view.shade;
  draw();
  drawCard();
};
$("q").addEventListener("input", () => { view.q = $("q").value; changed(); });
$("q").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && matching.length && view.q.trim()) { event.preventDefault(); show(rows.domain[matching[0]]); }
});
for (const key of ["map", "shade"]) {
  $(key).addEventListener("change", () => { view[key] = $(key).value; drawMap(); remember(false); });
}
for (const button of document.querySelectorAll("[data-sort]")) {
  button.addEventListener("click", () => {
    const key = button.dataset.sort;
    view.sort = view.sort === key ? `-${key}` : view.sort === `-${key}` ? "" : key;
    changed();
  });
}
$("previous").addEventListener("click", () => { view.start = Math.max(0, view.start - ROWS); drawRows(); });
$("next").addEventListener("click", () => { view.start += ROWS; drawRows(); });
$("csv").addEventListener("click", () => {
  const file = URL.createObjectURL(new Blob([`\ufeff${table()}\n`], { type: "text/csv" }));
  element("a", { href: file, download: "explorer.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(file), 60_000);
});
$("link").addEventListener("click", async () => {
  const link = `${location.href.split("#")[0]}#${address()}`;
  try {
    await navigator.clipboard.writeText(link);
    $("status").textContent = words.copied;
  } catch {
    $("status").textContent = say("copy", { link });
  }
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && view.domain) show(""); });
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("contenu").focus(); });
addEventListener("popstate", restore);

$("facets").append(...facets.map(panel));
buildMaps();
$("results").classList.toggle("unboxed", rows.boxes.every((n) => n === null));
$("filters").open = matchMedia("(min-width: 60.01rem)").matches;
restore();
$("waiting").hidden = true;
$("explorer").hidden = false;
