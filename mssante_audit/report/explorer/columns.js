// The domains of a list as columns: unpacked, searched, filtered, counted. A row is its place in them; they come worst
// first. Follows the script of tables, whose functions it uses. What is looked at stands in `view`.
const $ = (id) => document.getElementById(id);
const lang = document.documentElement.lang;
const ROWS = 25, OPERATORS = 8, MOST = 300, SHADES = 6;
const KINDS = ["ok", "warn", "fail", "unknown"], MARKS = ["✔", "!", "✖", "?"];
const LIMITS = [5, 10, 25, 50];  // percent, between the shades of the map

const unpacked = async (text) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
};
const data = await unpacked($("data").textContent);
$("data").remove();
const { words, rows, texts, codes, whys, rules } = data;
const size = rows.domain.length;

const plurals = new Intl.PluralRules(lang);
const number = (n) => n.toLocaleString(lang);
const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const say = (key, values = {}) => filled(words[key], values);
const ofNumber = (forms, n) => forms[plurals.select(n) === "one" ? 0 : 1];
const count = (key, n) => filled(ofNumber(words[key], n), { n: number(n) });
const answer = (axis, kind, n) => ofNumber(words.answers[axis][kind], n);
const dates = new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, { dateStyle: "long", timeZone: "UTC" });
const day = (text) => dates.format(new Date(text)).replace(/^1 /, lang === "fr" ? "1er " : "1 ");
const bdi = (text) => element("bdi", {}, text);
const mark = (kind) => {
  const node = element("span", { className: `mark ${KINDS[kind]}` }, MARKS[kind]);
  node.setAttribute("aria-hidden", "true");
  return node;
};

const facets = data.facets.map((facet) => {
  const ofValues = words.values[facet.key] ?? (data.checks[facet.key] ? words.values.check : null);
  const names = ofValues ?? facet.names.map((name) => name || (facet.key === "operator" ? words.no_operator : words.values.empty));
  const title = words.titles[facet.key] ?? data.checks[facet.key];
  return { ...facet, names, title, column: Uint32Array.from(facet.column), on: new Set(), marked: ofValues && facet.key !== "severity" };
});
const facetOf = Object.fromEntries(facets.map((facet) => [facet.key, facet]));
const asked = facetOf[data.question].column;  // what the page asks first, and colours by
const view = { q: "", sort: "", map: "tiles", shade: "share", domain: "", start: 0 };
const place = new Map(rows.domain.map((name, row) => [name, row]));

// Folded in one piece: a hundred thousand texts one by one take ten times as long.
const foldedAll = (all) => all.join("\n").normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()
  .replace(/œ/g, "oe").replace(/æ/g, "ae").replace(/[^\p{L}\p{N}\n]+/gu, " ").split("\n");
const whose = new Map([...new Set(rows.found_by)].map((at) => [at, folded(texts[at])]));
const foldedTexts = foldedAll(rows.domain.map((name, row) => `${name} ${rows.description[row]}`));
const ranked = indexed(rows.domain.map((name, row) => [name, foldedTexts[row], whose.get(rows.found_by[row])]), data.vocabulary, folded);
let asking = null, hits = null, whole = true;
const matches = () => {
  if (asking === view.q) return;
  asking = view.q;
  [hits, whole] = ranked(view.q);
};

const orders = new Map();
const order = () => {
  if (!view.sort) return null;
  if (!orders.has(view.sort)) {
    const [key, sign] = [view.sort.replace("-", ""), view.sort.startsWith("-") ? -1 : 1];
    const by = {
      boxes: rows.boxes.map((n) => n ?? -1),
      domain: rows.domain,
      operator: facetOf.operator.column,  // in order of name already
    }[key];
    const places = Uint32Array.from(rows.domain.keys());
    orders.set(view.sort, places.sort((a, b) => by[a] === by[b] ? a - b : by[a] < by[b] ? -sign : sign));
  }
  return orders.get(view.sort);
};

// Finds the rows, and counts for each value of each facet those that all other facets let through, by answer.
let matching = [], counts = [], boxes = null;
const search = () => {
  matches();
  const active = facets.filter((facet) => facet.on.size), places = order(), those = new Set(hits);
  counts = facets.map((facet) => new Uint32Array(4 * facet.values.length));
  matching = [];
  boxes = 0;
  for (const row of places?.filter((row) => !hits || those.has(row)) ?? hits ?? rows.domain.keys()) {
    let failed = null, many = false;
    for (const facet of active) {
      if (facet.on.has(facet.column[row])) continue;
      many = failed !== null;
      if (many) break;
      failed = facet;
    }
    if (many) continue;
    const kind = asked[row];
    if (failed) {
      counts[facets.indexOf(failed)][4 * failed.column[row] + kind]++;
      continue;
    }
    matching.push(row);
    boxes = boxes === null || rows.boxes[row] === null ? null : boxes + rows.boxes[row];
    for (let k = 0; k < facets.length; k++) counts[k][4 * facets[k].column[row] + kind]++;
  }
};
const countsOf = (facet) => counts[facets.indexOf(facet)];
const total = (numbers, at) => numbers[4 * at] + numbers[4 * at + 1] + numbers[4 * at + 2] + numbers[4 * at + 3];
