"""Which texts of a page are too pale to read (WCAG 2 AA), as a script for the browser."""

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
