"""What a reader could not read or reach in the charts of a page, as a script for the browser.

It asks the browser where each text stands, how large and in which colour: nothing of how charts are made,
but that a mark is an element of the role ``img`` in ``.drawn``, and stands on the ground of the page.
"""

COLOURS = """
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const numbers = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const contrast = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };
  const paperOf = (e) => {
    for (; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
"""
CONTRAST = (
    f"""(root = "body") => {{{COLOURS}"""
    + """
  const pale = [];
  for (const e of document.querySelectorAll(`${root} *`)) {
    if (e.closest("script, style, .disabled") || !e.checkVisibility()) continue;
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const style = getComputedStyle(e);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (contrast(numbers(style.color), paperOf(e)) < (large ? 3 : 4.5)) pale.push(e.outerHTML.slice(0, 80));
  }
  return pale;
}"""
)

ILLEGIBLE = (
    f"""(paper) => {{{COLOURS}"""
    + """
  const CHARTS = "figure.chart, .counts, ul.severities";
  const bad = [];
  const holds = (b, x, y) => x >= b.left && x <= b.right && y >= b.top && y <= b.bottom;
  const ground = (e) => {
    const box = e.getBoundingClientRect();
    const centre = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
    const under = (shape) =>
      getComputedStyle(shape).fill !== "none" && holds(shape.getBoundingClientRect(), ...centre);
    const shapes = e.localName === "text" ? [...e.closest("svg").querySelectorAll("path")].filter(under) : [];
    return shapes.length ? numbers(getComputedStyle(shapes.at(-1)).fill) : paperOf(e);
  };
  const textsOf = (chart) => {
    const walker = document.createTreeWalker(chart, NodeFilter.SHOW_TEXT), found = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const holder = node.parentElement;
      if (!node.data.trim() || holder.closest("title, script, style, .tip")) continue;
      if (!holder.checkVisibility()) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      // The box of a line is taller than its letters: a tenth of it, above and below, is air.
      const boxes = [...range.getClientRects()].filter((b) => b.width > 0).map(
        ({ left, right, top, bottom, height }) =>
          ({ left, right, top: top + height / 10, bottom: bottom - height / 10 }));
      found.push({ text: node.data.trim(), holder, boxes });
    }
    return found;
  };
  const before = (a, b) => a.right <= b.left + 1 || a.bottom <= b.top + 1;
  const apart = (a, b) => before(a, b) || before(b, a);
  const inside = (a, b) =>
    a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
  const charts = [...document.querySelectorAll(CHARTS)].filter((e) => e.checkVisibility());
  for (const chart of charts) {
    const name = chart.querySelector(".title")?.textContent ?? chart.className;
    const say = (what, text) => bad.push(`${what}: ${text.slice(0, 60)} (${name.slice(0, 40)})`);
    const column = chart.getBoundingClientRect(), texts = textsOf(chart);
    if (column.right > document.documentElement.clientWidth) say("wider than the page", chart.className);
    texts.forEach(({ text, holder, boxes }, at) => {
      for (const other of texts.slice(at + 1)) {
        const meet = boxes.some((a) => other.boxes.some((b) => !apart(a, b)));
        if (meet) say("overprinted", `${text} / ${other.text}`);
      }
      if (!boxes.every((box) => inside(box, column))) say("out of its column", text);
      const svg = holder.closest("svg");
      const drawing = (svg ?? chart).getBoundingClientRect();
      if (!boxes.every((box) => inside(box, drawing))) say("out of its drawing", text);
      for (let e = holder; e !== chart.parentElement; e = e.parentElement) {
        const clips = getComputedStyle(e).overflowX !== "visible" && e.localName !== "svg";
        if (clips && !boxes.every((box) => inside(box, e.getBoundingClientRect()))) say("cut", text);
      }
      if (text.includes("…")) say("cut short", text);
      const style = getComputedStyle(holder);
      const scale = svg ? holder.getScreenCTM().d : 1;
      if (parseFloat(style.fontSize) * scale < 12) say(`only ${style.fontSize}`, text);
      const ink = numbers(svg ? style.fill : style.color), under = ground(holder);
      if (contrast(ink, under) < 4.5) say("pale", text);
      const black = ink.join() === (luminance(under) > 0.2 ? "0,0,0" : "255,255,255");
      if (paper && !black) say("not black on white", text);
    });
    const marks = [...chart.querySelectorAll("[role=img]")];
    const keys = new Set([...chart.querySelectorAll(".legend rect")].map((e) => e.getAttribute("class")));
    const styles = new Set(marks.map((e) => e.getAttribute("class")).filter(Boolean));
    if (chart.matches("figure.chart") && styles.size > 1) {
      for (const style of styles) if (!keys.has(style)) say("no legend", style);
    }
    for (const mark of marks) {
      const name = mark.querySelector(":scope > title")?.textContent ?? mark.getAttribute("aria-label") ?? "";
      if (!name.trim()) say("tells nothing", mark.outerHTML);
      if (mark.getAttribute("tabindex") === null) say("out of reach", name);
      const drawn = mark.querySelector(":scope > path, :scope > use, rect") ?? mark;
      const style = getComputedStyle(drawn), under = ground(chart);
      const colours = mark.closest("svg")
        ? [style.fill, style.stroke] : [style.backgroundColor, style.outlineColor];
      const seen = colours.filter((colour) => colour !== "none").map(numbers);
      if (!seen.some((colour) => contrast(colour, under) >= 3)) say("faint mark", name);
    }
  }
  return [charts.length, bad];
}"""
)
