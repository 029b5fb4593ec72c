// Shows what is looked at, and takes what is asked: summary, filters, rows, file, the page's own address. Everything
// shown is set as text, never as HTML.

const address = () => [
  ["q", [view.q], view.q],
  ...facets.map((one) => [one.key, [...one.on].map((at) => one.values[at]), one.on.size]),
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
  const told = new Map(given.split("&").map((part) => {
    const [key, ...rest] = part.split("=");
    return [key, rest.join("=").split(",").map(plain)];
  }));
  const one = (key, known) => { const value = told.get(key)?.join(",") ?? ""; return !known || known.includes(value) ? value : ""; };
  strange = [];
  for (const own of facets) {
    const wanted = (told.get(own.key) ?? []).map((value) => [value, own.values.indexOf(value)]);
    own.on = new Set(wanted.filter(([, at]) => at >= 0).map(([, at]) => at));
    strange.push(...wanted.filter(([, at]) => at < 0).map(([value]) => value));
  }
  const sorts = ["domain", "operator", "boxes"];
  view.q = one("q").slice(0, 200);
  view.sort = one("sort", [...sorts, ...sorts.map((key) => `-${key}`)]);
  view.map = one("map", ["outlines"]) || "tiles";
  view.shade = one("shade", ["number"]) || "share";
  view.domain = one("domain");
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
  const made = element("span", { className: "parts" }, ...numbers.flatMap((n, kind) => {
    if (!n) return [];
    const part = element("i", { className: KINDS[kind] });
    part.style.width = `${100 * n / most}%`;
    return [part];
  }));
  made.setAttribute("aria-hidden", "true");
  return made;
};

const counted = (axis, numbers) => numbers.map((n, kind) => {
  const shown = element("b", {}, number(n));
  shown.dataset[axis] = facet[axis].values[kind];
  return element("li", {}, mark(kind), shown, ` ${answer(axis, kind, n)}`);
});
const drawSummary = () => {
  const other = data.question === "arrives" ? "order" : "arrives";
  const numbers = [0, 0, 0, 0], others = [0, 0, 0, 0];
  for (const row of found) { numbers[asked[row]]++; others[facet[other].column[row]]++; }
  const of = found.length === size ? "" : say("of", { n: number(size) });
  const sum = boxes === null || !found.length ? "" : `, ${count("boxes", boxes)}`;
  const typed = view.q.trim().replace(/^.*@/, "").toLowerCase();
  const exact = typed.includes(".") && !place.has(typed) ? ` ${words.exact}` : "";
  const lost = strange.length ? ` ${say("strange", { what: visible(strange.join(", ").slice(0, 200)) })}` : "";
  $("status").textContent = (found.length && whole ? count("domains", found.length) + of + sum + "." : words.none) + exact + lost;
  $("parts").replaceChildren(...bar(numbers).childNodes);
  $("key").replaceChildren(...counted(data.question, numbers));
  $("other").replaceChildren(...counted(other, others));
  const chips = facets.flatMap((one) => [...one.on].map((at) => chip(one, at)));
  if (chips.length) chips.push(push(words.clear, () => { for (const one of facets) one.on.clear(); }));
  $("chips").replaceChildren(...chips.map((made) => element("li", {}, made)));
};
const push = (text, act) => {
  const made = element("button", { type: "button" }, text);
  made.addEventListener("click", () => { act(); changed(); $("q").focus(); });
  return made;
};
const chip = (one, at) => {
  const made = push(bdi(`${one.title}${words.colon}${one.names[at]} ✕`), () => one.on.delete(at));
  made.setAttribute("aria-label", say("without", { what: `${one.title}${words.colon}${one.names[at]}` }));
  return made;
};

// A line a value: made once, then only its number, bar and place change.
const line = (one, at) => {
  const box = element("input", { type: "checkbox" });
  box.addEventListener("change", () => { if (box.checked) one.on.add(at); else one.on.delete(at); changed(); });
  const name = one.check ? element("span", { className: "sr" }, one.names[at]) : element("span", {}, bdi(one.names[at]));
  if (one.marked) name.prepend(mark(at));
  const n = element("span");
  const made = element("label", {}, box, ...(one.check ? [mark(at)] : []), name, n);
  if (one.check) made.title = one.names[at];
  return { made, box, n, at };
};
const panel = (one) => {
  const box = element("div");
  one.check = Boolean(data.checks[one.key]);
  one.lines = one.values.map(() => null);
  one.bars = ["region", "operator"].includes(one.key);
  one.box = one.check ? element("fieldset", { className: "facet check" }, element("legend", {}, element("span", {}, one.title)))
    : element("fieldset", { className: "facet" }, element("legend", {}, one.title), box);
  one.list = one.check ? one.box : box;
  if (one.key === "department") one.box.classList.add("scroll");
  if (one.key === "operator") {
    one.more = element("button", { type: "button" });
    one.more.addEventListener("click", () => { one.whole = !one.whole; drawFacets(); });
    one.box.append(one.more);
  }
  return one.box;
};
const drawFacets = () => {
  const held = document.activeElement;
  for (const one of facets) {
    const own = countsOf(one), many = one.values.map((_, at) => total(own, at));
    let shown = [...one.values.keys()];
    if (!one.check && !one.marked) shown = shown.filter((at) => many[at] || one.on.has(at));
    if (one.bars) shown.sort((a, b) => many[b] - many[a] || a - b);
    if (one.more) {
      one.more.hidden = shown.length <= OPERATORS;
      one.more.textContent = one.whole ? words.fewer : say("all", { n: number(shown.length) });
      const first = new Set(shown.slice(0, one.whole ? MOST : OPERATORS));
      shown = shown.filter((at) => first.has(at) || one.on.has(at));
    }
    const most = Math.max(1, ...shown.map((at) => many[at]));
    const lines = shown.map((at) => {
      const own = one.lines[at] ??= line(one, at);
      own.box.checked = one.on.has(at);
      own.n.textContent = number(many[at]);
      return own;
    });
    if (one.bars) {
      for (const { made, at } of lines) {
        made.querySelector(".parts")?.remove();
        made.append(bar(Array.from(own.subarray(4 * at, 4 * at + 4)), most));
      }
    }
    const wanted = lines.map(({ made }) => made);
    const there = [...one.list.children].filter((child) => child.localName === "label");
    if (wanted.length !== there.length || wanted.some((made, at) => made !== there[at])) {
      there.forEach((made) => made.remove());
      one.list.append(...wanted);
    }
  }
  if (held !== document.activeElement && held.isConnected) held.focus();  // a line that moved
};

const reasonsOf = (row, kinds) => Object.keys(data.checks).flatMap((key) => kinds.includes(facet[key].column[row])
  ? (whys[rows.why[row]][key] ?? []).map((code) => [key, code]) : []);
const reasons = (row, kinds = [1, 2]) => reasonsOf(row, kinds).map(([key, code], at, all) =>
  `${all[at - 1]?.[0] === key ? "" : data.checks[key] + words.colon}${codes[code][0]}`);
const drawRows = () => {
  const shown = found.slice(view.start, view.start + ROWS);
  $("rows").replaceChildren(...shown.map((row) => {
    const open = element("button", { type: "button" }, bdi(rows.domain[row]));
    open.addEventListener("click", () => show(rows.domain[row]));
    const told = element("span", { className: "sr" }, ` ${words.values[data.question][asked[row]]}`);
    const n = rows.boxes[row];
    const made = element("tr", {},
      element("td", {}, mark(asked[row]), open, told, element("small", {}, bdi(rows.description[row]))),
      element("td", {}, bdi(facet.operator.names[facet.operator.column[row]]),
        element("small", {}, bdi(facet.department.names[facet.department.column[row]]))),
      element("td", {}, reasons(row).join(words.semicolon)),
      element("td", { className: "number" }, ...(n === null ? [] : [number(n), element("span", { className: "unit" }, ` ${words.unit}`)])));
    if (rows.domain[row] === view.domain) made.setAttribute("aria-current", "true");
    return made;
  }));
  const last = Math.min(view.start + ROWS, found.length);
  $("span").textContent = (whole ? "" : words.nearest) + (found.length ? say("pages", { from: number(view.start + 1), to: number(last), all: number(found.length) }) : "");
  $("previous").disabled = view.start === 0;
  $("next").disabled = last >= found.length;
  $("csv").disabled = !found.length;
  for (const button of document.querySelectorAll("[data-sort]")) {
    const sign = { [button.dataset.sort]: "ascending", [`-${button.dataset.sort}`]: "descending" }[view.sort];
    if (sign) button.parentElement.setAttribute("aria-sort", sign); else button.parentElement.removeAttribute("aria-sort");
  }
};
const table = () => {
  const verdicts = facets.filter((one) => !["region", "department", "operator"].includes(one.key));
  const code = (one, row) => one.values[one.column[row]];
  const head = ["domain", "description", "operator_id", "operator", "department", "region", "mailboxes",
    ...verdicts.map((one) => one.key), "reasons", "support_contact", "project_contact"];
  const lines = found.map((row) => [rows.domain[row], rows.description[row], code(facet.operator, row),
    facet.operator.names[facet.operator.column[row]], code(facet.department, row), code(facet.region, row),
    rows.boxes[row] ?? "", ...verdicts.map((one) => code(one, row)), reasons(row, [1, 2, 3]).join(words.semicolon),
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
  if (event.key === "Enter" && found.length && view.q.trim()) { event.preventDefault(); show(rows.domain[found[0]]); }
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
