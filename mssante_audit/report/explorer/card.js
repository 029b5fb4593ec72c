// What is known of one domain, and whom to ask for what. Everything is set as text, never as HTML.

const listOf = (items) => element("ul", { className: "plain" }, ...items.map((item) => element("li", {}, ...[item].flat())));
const contacts = (title, places) => element("p", {}, `${title}${words.colon}`,
  ...(places.length ? places.flatMap((at, k) => [k ? " | " : "", bdi(texts[at])]) : [data.contacts ? words.no_contact : words.withheld]));
const requests = (row) => {
  const findings = rows.findings[row].map((at) => data.findings[at]).filter(([, , asks]) => asks);
  const operator = new Set(), manager = new Set();
  for (const [code, , , , , , , remedy, doubt] of findings) {
    const unsure = texts[doubt] && ` (${say("doubt", { what: texts[doubt] })})`;
    (rules[code][1] ? manager : operator).add(texts[remedy] + unsure);
  }
  // What stops mail where no finding says so: the causes have what to do about them.
  const decided = new Set(findings.map(([code]) => rules[code][2]));
  const unsaid = reasonsOf(row, [1, 2]).filter(([check]) => !decided.has(check));
  if ([1, 2].includes(facetOf.arrives.column[row]) && !["dns", "mail", "tls"].some((check) => decided.has(check))) {
    unsaid.push(...whys[rows.why[row]].receives.map((code) => ["receives", code]));
  }
  for (const [, code] of unsaid) if (!rules[code] && codes[code][1]) operator.add(codes[code][1]);
  return [[...operator], [...manager]];
};
const findingOf = ([code, severity, , observed, expected, since, domains, , doubt]) => {
  const at = facetOf.severity.values.indexOf(severity);
  const more = [texts[expected] && say("expected", { what: texts[expected] }), texts[since] && say("since", { day: day(texts[since]) }),
    domains > 1 && count("shared", domains), texts[doubt] && say("doubt", { what: texts[doubt] })].filter(Boolean);
  return [element("b", {}, rules[code][0]), ` (${words.values.severity[at]})`, element("br"), bdi(texts[observed]),
    ...(more.length ? [element("small", {}, bdi(more.join(words.semicolon)))] : [])];
};
const certificates = (row) => {
  const listed = rows.certificates[row].map(([cn, igc]) => [`${words.listed}${words.colon}`, bdi(texts[cn]), texts[igc] ? ` (${texts[igc]})` : ""]);
  const presented = (data.presented[row] ?? []).map(([host, name, until, left]) => [`${say("presented", { host: texts[host] })}${words.colon}`,
    bdi(say("until", { name: texts[name], day: day(texts[until]) })), ` (${count(left < 0 ? "ended" : "ends", Math.abs(left))})`]);
  return [listOf([...listed, ...presented]), ...(presented.length ? [] : [element("p", { className: "note" }, words.unseen)])];
};
const story = (row) => {
  const { lists, rows: stories } = data.history, events = stories[row];
  const seen = texts[rows.observed[row]], method = texts[rows.method[row]];
  const dns = seen ? say("asked", { day: day(seen), method: words.methods[method] ?? method }) : words.never;
  const moves = (data.moves[row] ?? []).map(([host, at, kind, order, spare]) => bdi(say("moved", { host: texts[host], day: day(texts[at]),
    kind: words.moves[texts[kind]], order: words.orders[texts[order]] ?? "", left: count(spare < 0 ? "late" : "spare", Math.abs(spare)) })));
  if (!lists.length) return listOf([words.no_history, ...moves, dns]);
  if (!events) return listOf([words.unlisted, ...moves, dns]);
  const [first, ...steps] = events;
  const changes = steps.map(([at, bits]) => say("changed", { day: day(lists[at]),
    what: Object.values(words.changes).filter((_, bit) => bits & 1 << bit).join(", ") }));
  return listOf([say(first ? "listed_since" : "listed_before", { day: day(lists[first]) }),
    ...(changes.length ? changes : [words.no_changes]), ...moves, dns]);
};
const answered = (axis, at, ...content) => {
  const node = element("p", { className: axis }, mark(at), ...content);
  node.dataset[axis] = facetOf[axis].values[at];
  return node;
};
const drawCard = () => {
  const card = $("card"), row = place.get(view.domain);
  $("explorer").classList.toggle("open", row !== undefined);
  card.hidden = row === undefined;
  if (row === undefined) return card.replaceChildren();
  const why = whys[rows.why[row]], arrives = facetOf.arrives.column[row], order = facetOf.order.column[row];
  const close = element("button", { type: "button" }, words.close);
  close.addEventListener("click", () => show(""));
  const owners = rows.owners[row].map(([id, name]) => {
    const [page, dossier] = data.pages[texts[id]] ?? [];
    const link = (href, text) => href ? [" · ", element("a", { href }, text)] : [];
    return element("p", {}, element("b", {}, bdi(texts[name] || words.no_operator)), texts[id] ? ` (${texts[id]})` : "",
      ...link(page, words.page), ...link(dossier, words.dossier));
  });
  const [ofOperator, ofManager] = requests(row);
  const n = rows.boxes[row];
  const partly = !order && Object.keys(data.checks).some((key) => facetOf[key].column[row] === 3) ? words.partly : "";
  const dl = element("dl");
  for (const [key, name] of Object.entries(data.checks)) {
    const kind = facetOf[key].column[row], causes = (why[key] ?? []).map((code) => codes[code][0]).join(words.semicolon);
    dl.append(element("dt", {}, mark(kind), ` ${name}`), element("dd", {}, `${words.values.check[kind]}${causes ? `${words.colon}${causes}` : ""}`));
  }
  const findings = rows.findings[row].map((at) => data.findings[at]);
  const [todo, rest] = [findings.filter((finding) => finding[2]), findings.filter((finding) => !finding[2])];
  const head = (text) => element("h3", {}, text);
  card.replaceChildren(close,
    element("h2", { tabIndex: -1 }, bdi(rows.domain[row])),
    element("p", { className: "note" }, bdi(rows.description[row])),
    element("p", { className: "note" }, n === null ? words.mailboxes_unknown : count("boxes", n), " · ",
      facetOf.department.names[facetOf.department.column[row]]),
    answered("arrives", arrives, ` ${data.receiving[facetOf.arrives.values[arrives]]}`,
      arrives && why.receives ? ` ${why.receives.map((code) => codes[code][0]).join(words.semicolon)}.` : ""),
    answered("order", order, ` ${words.titles.order}${words.colon}${words.values.order[order]}${partly}`),
    head(words.call), ...owners, contacts(words.support, rows.support_contact[row]), contacts(words.project, rows.project_contact[row]),
    head(words.ask), ...(ofOperator.length || ofManager.length ? [] : [element("p", {}, words.nothing)]),
    ...(ofOperator.length ? [element("div", { className: "ask" }, listOf(ofOperator.map(bdi)))] : []),
    ...(ofManager.length ? [element("p", {}, words.ask_manager), element("div", { className: "ask" }, listOf(ofManager.map(bdi)))] : []),
    head(words.checks), dl,
    head(words.found), ...(todo.length ? [listOf(todo.map(findingOf))] : [element("p", {}, words.no_findings)]),
    ...(rest.length ? [element("details", {}, element("summary", {}, count("infos", rest.length)), listOf(rest.map(findingOf)))] : []),
    head(words.certificates), ...certificates(row), head(words.history), story(row));
};
const show = (name) => {
  const before = view.domain;
  view.domain = name;
  drawCard();
  drawRows();
  remember(true);
  if (name) { $("card").scrollTop = 0; $("card").querySelector("h2").focus(); return; }
  const at = matching.slice(view.start, view.start + ROWS).indexOf(place.get(before));
  (at >= 0 ? $("rows").rows[at].querySelector("button") : $("q")).focus();
};
