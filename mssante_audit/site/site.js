// Searches the index of the site's first page; follows the script of tables, whose functions it uses. Everything shown
// is set as text, never as HTML.
const form = document.getElementById("recherche");
if (form) {
  const SHOWN = 40;
  const index = JSON.parse(document.getElementById("index").textContent);
  const box = form.querySelector("input");
  const status = document.getElementById("trouve");
  const list = document.getElementById("resultats");
  const plural = (n, one, many) =>
    ((LANGUAGE === "fr" ? n < 2 : n === 1) ? one : many).replace("{n} ", `${n.toLocaleString(LANGUAGE)}\u00a0`);
  const findings = (n) => n < 0 ? tr("entrée de test, mise à part")
    : n ? plural(n, tr("{n} constat"), tr("{n} constats")) : tr("aucun constat");
  const entries = [
    ...index.operators.map(([name, id, page, n, ...others]) => ({
      name, note: `${id ? `${id} – ` : ""}${findings(n)}`, page, text: folded([name, id, ...others].join(" ")),
    })),
    ...index.domains.flatMap(([name, ...bearers]) => {
      const found = [];
      for (let i = 0; i < bearers.length; i += 3) {
        const [operator, , page] = index.operators[bearers[i]];
        const anchor = bearers[i + 2] || `d-${name}`;
        found.push({
          name, note: `${operator} – ${findings(bearers[i + 1])}`, page: `${page}#${encodeURIComponent(anchor)}`,
          text: folded(name), domain: true,
        });
      }
      return found;
    }),
  ];
  const rank = (entry, wanted) => entry.text === wanted ? 0 : entry.text.startsWith(wanted) ? 1 : 2;
  const search = () => {
    const typed = box.value.trim().replace(/^.*@/, "");
    const wanted = folded(typed);
    const words = wanted.split(" ");
    const found = wanted.length < 2 ? [] : entries
      .filter((entry) => words.every((word) => entry.text.includes(word)))
      .sort((a, b) => rank(a, wanted) - rank(b, wanted) || collate(a.name, b.name));
    list.replaceChildren(...found.slice(0, SHOWN).map((entry) =>
      element("li", {},
        element("a", { href: entry.page }, element("bdi", {}, entry.name)),
        " ",
        element("small", {}, element("bdi", {}, entry.note)))));
    const absent = typed.includes(".") && !found.some((entry) => entry.domain && entry.text === wanted)
      ? tr(" Aucun domaine de la liste ne porte exactement ce nom.") : "";
    status.textContent = wanted.length < 2 ? "" :
      `${found.length ? plural(found.length, tr("{n} résultat"), tr("{n} résultats")) : tr("Aucun résultat")}`
      + `${found.length > SHOWN ? tr(", dont les {shown} premiers", { shown: SHOWN }) : ""}.${absent}`;
  };
  form.hidden = false;
  document.getElementById("sans-script").hidden = true;
  box.addEventListener("input", search);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("a")?.focus();
  });
  search();
}
