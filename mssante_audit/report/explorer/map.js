// The map of départements, as tiles or outlines: each area says its numbers, colours by them and filters.

const named = new Map();  // those without domains too
const areas = { tiles: new Map(), outlines: new Map() };
const SVG = "http://www.w3.org/2000/svg";
const svg = (name, properties, ...children) => {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(properties)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};
const choose = (code) => {
  const at = facetOf.department.values.indexOf(code);
  if (at < 0) return;
  if (!facetOf.department.on.delete(at)) facetOf.department.on.add(at);
  changed();
};
const mapped = (kind, code, node) => {
  node.addEventListener("click", () => choose(code));
  node.tabIndex = -1;
  areas[kind].set(code, [...areas[kind].get(code) ?? [], node]);
  return node;
};
const outline = (code, path) => {
  const node = svg("path", { d: path, role: "button" }, svg("title", {}));
  return mapped("outlines", code, node);
};
const buildMaps = () => {
  const has = new Set(facetOf.department.values);
  for (const [code, [x, y, name]] of Object.entries(data.tiles)) {
    if (!has.has(code) && !data.outlines.mainland[code] && !data.outlines.overseas[code]) continue;
    const node = mapped("tiles", code, element("button", { type: "button" }, code));
    named.set(code, name);
    node.style.gridArea = `${y + 1} / ${x + 1}`;
    $("tiles").append(node);
  }
  const { box, mainland, overseas } = data.outlines;
  const hatch = svg("pattern", { id: "hatch", width: 8, height: 8, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("rect", { width: 8, height: 8, fill: "var(--paper)" }), svg("rect", { width: 3, height: 8, fill: "var(--muted)" }));
  const whole = Object.entries(mainland).map(([code, path]) => outline(code, path));
  // Around Paris once more, larger: four départements are too small to be hit.
  const near = ["75", "77", "78", "91", "92", "93", "94", "95"].map((code) => outline(code, mainland[code]));
  $("outlines").append(svg("svg", { viewBox: box }, svg("defs", {}, hatch), ...whole),
    svg("svg", { viewBox: "475 209 52 52" }, ...near),
    ...Object.entries(overseas).map(([code, area]) => svg("svg", { viewBox: area.box }, outline(code, area.path))));
  for (const kind of ["tiles", "outlines"]) {
    const all = [...$(kind).querySelectorAll("button, path")];
    all[0].tabIndex = 0;
    $(kind).addEventListener("keydown", (event) => walk(event, all));
  }
};
// One stop for Tab; arrows go to the nearest area that way.
const walk = (event, all) => {
  const from = all.indexOf(document.activeElement);
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (from >= 0 && (event.key === "Enter" || event.key === " ") && all[from].localName === "path") {
    all[from].dispatchEvent(new MouseEvent("click"));
  } else if (from < 0 || !way) {
    return;
  } else {
    const middle = (area) => { const b = area.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; };
    const [x, y] = middle(all[from]);
    const far = (area) => {
      const [dx, dy] = [middle(area)[0] - x, middle(area)[1] - y];
      const along = dx * way[0] + dy * way[1], aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
      return along > 2 ? along + 2 * aside : Infinity;
    };
    const to = all.reduce((best, area) => far(area) < far(best) ? area : best, all[from]);
    if (far(to) < Infinity) { all[from].tabIndex = -1; to.tabIndex = 0; to.focus(); }
  }
  event.preventDefault();
};
const shadeOf = (numbers, at, most) => {
  const many = total(numbers, at), known = many - numbers[4 * at + 3], bad = numbers[4 * at + 1] + numbers[4 * at + 2];
  if (!many) return "none";
  if (view.shade === "number") return `n${Math.floor(SHADES * Math.log(many) / Math.log(most + 1))}`;
  if (!known) return "unknown";
  const share = 100 * bad / known;
  return `s${bad ? 1 + LIMITS.filter((limit) => share > limit).length : 0}`;
};
const drawMap = () => {
  const facet = facetOf.department, numbers = countsOf(facet);
  const most = Math.max(1, ...facet.values.map((value, at) => value ? total(numbers, at) : 0));
  for (const kind of ["tiles", "outlines"]) {
    $(kind).hidden = view.map !== kind;
    if (view.map !== kind) continue;
    for (const [code, nodes] of areas[kind]) {
      const at = facet.values.indexOf(code), many = at < 0 ? 0 : total(numbers, at);
      const bad = many ? numbers[4 * at + 1] + numbers[4 * at + 2] : 0;
      const parts = many ? KINDS.map((_, k) => [k, numbers[4 * at + k]]).filter(([, n]) => n)
        .map(([k, n]) => `${number(n)} ${answer(data.question, k, n)}`).join(", ") : "";
      const label = `${named.get(code)}${words.colon}${count("domains", many)}${parts ? ` (${parts})` : ""}`;
      const shade = at < 0 ? "none" : shadeOf(numbers, at, most), pressed = String(facet.on.has(at));
      for (const area of nodes) {
        if (area.getAttribute("class") !== shade) area.setAttribute("class", shade);
        if (area.ariaPressed !== pressed) area.ariaPressed = pressed;
        if (area.ariaLabel === label) continue;
        area.ariaLabel = label;
        if (area.localName === "path") area.firstChild.textContent = label; else area.title = label;
      }
    }
  }
  $("credit").hidden = view.map !== "outlines";
  const edge = (shade) => Math.max(1, Math.ceil(Math.exp(shade * Math.log(most + 1) / SHADES) - 1e-9));
  const { legend } = words;
  const shades = view.shade === "number"
    ? [...Array(SHADES).keys()].filter((k) => edge(k) <= most && (k === SHADES - 1 || edge(k) < edge(k + 1)))
      .map((k) => [`n${k}`, filled(legend.from, { n: number(edge(k)) })])
    : [["s0", (0).toLocaleString(lang, { style: "percent" })], ...LIMITS.map((n, k) => [`s${k + 1}`, filled(legend.upto, { n })]),
      ["s5", filled(legend.over, { n: LIMITS.at(-1) })], ["unknown", legend.unknown]];
  $("legend").replaceChildren(...[...shades, ["none", legend.none]].map(([name, text]) =>
    element("li", {}, element("i", { className: name }), text)));
  const away = facet.values.indexOf("");
  $("nowhere").textContent = away >= 0 && total(numbers, away) ? say("nowhere", { n: number(total(numbers, away)) }) : "";
};
