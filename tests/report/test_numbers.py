"""Every number of every lead, figure, caption and reading of the sample's reports, from the page's data.

A page's data are the rows of its files (CSV inside the page) and what its charts draw; what neither has is
taken from the frames. A sentence with a number that nothing here recomputes fails.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import pytest
from lxml import html as lxml_html
from pages import frame_in, page_of

import mssante_audit as ms
from mssante_audit.base.language import NARROW, NBSP, typeset
from mssante_audit.base.language import day as day_of
from mssante_audit.findings.registry import catalogue
from mssante_audit.report.tiles import tile_places
from mssante_audit.values.identifiers import DEPARTMENTS
from mssante_audit.verdicts.checks import RECEIVES

pytestmark = pytest.mark.usefixtures("sample_run")
REPORTS = (
    "overview", "certificates", "changes", "contacts_over_time", "declarations", "delegation_vs_redirection",
    "dn_consistency", "stale_contacts",
)  # fmt: skip


def plain(text):
    return " ".join(text.replace(f"{NARROW};", " ;").replace(NARROW, "").replace(NBSP, " ").split())


def share(n, whole):
    return plain(str(ms.percent(n, whole)))


@dataclass(frozen=True)
class Page:
    """A report, and what it was made of."""

    name: str
    root: lxml_html.HtmlElement
    space: ms.TrustSpace

    def csv(self, name):
        (link,) = self.root.xpath(f"//a[@download='{name}.csv']/@href")
        return frame_in(link, dtype={"operator_id": "str"})

    def drawn(self, title):
        """What a chart says that it draws, by name, in its order."""
        for figure in self.root.iter("figure"):
            if plain(figure.get("aria-label")) == title:
                alt = figure.xpath("div/@aria-label")[0]
                told = plain(alt).removesuffix(".").split(title, 1)[1].lstrip(". ")
                return [
                    (name, held) for name, _, held in (one.rpartition(" : ") for one in told.split(" ; "))
                ]
        raise LookupError(title)

    @property
    def lists(self):
        """What the chart of lists draws for each: its domains, then its events."""
        marks = [plain(text).rsplit(" : ", 1) for text in self.root.xpath("(//figure)[1]//title/text()")]
        drawn = [(name, int(n)) for name, n in marks]
        half = len(drawn) // 2
        return drawn[:half], drawn[half:]

    def counts(self, title):
        """How much a chart draws in all for each name."""
        held = Counter()
        for name, told in self.drawn(title):
            held[name] += sum(map(int, re.findall(r"(?<![\d,(])\d+(?![\d,]*%)(?! %)", told)))
        return held

    @cached_property
    def found(self):
        """The findings of the page, of all its files."""
        names = self.root.xpath("//a[contains(@download, '-table.csv')]/@download")
        return pd.concat([self.csv(name.removesuffix(".csv")) for name in names], ignore_index=True)

    @cached_property
    def todo(self):
        return self.found[(self.found["severity"] != "info") & (self.found["confidence"] != "hint")]

    @cached_property
    def grave(self):
        return self.todo[self.todo["severity"].isin(["critical", "error"])]

    def touched(self, found):
        """How many listed domains findings touch, by their rows (`evidence` is cut: by their fingerprint)."""
        every = ms.audit_all(self.space)
        return ms.touched(every[every["fingerprint"].isin(found["fingerprint"])], self.space.audited)

    @property
    def entries(self):
        return self.space.audited

    @property
    def whole(self):
        return self.entries["domain"].nunique()

    @cached_property
    def domains(self):
        return ms.domains(self.space)


@pytest.fixture(scope="module", params=REPORTS)
def page(request, sample_run, sample_space):
    return Page(request.param, page_of(sample_run, request.param), sample_space)


N, P = r"(\d+)", r"([\d,]+ ?%)"


def day(at):
    return day_of(at).replace(NBSP, " ")


def _spells(page):
    spells = ms.contact_spells(page.space.archive, page.space.as_of)
    return spells[spells["domain"].isin(page.space.entries["domain"])]


def unchanged(page, days):
    """The share of contacts that stay so long, in per cent, and how many were followed."""
    spells = _spells(page)
    read = ms.shares_after(ms.survival(spells["low"], spells["high"], spells["ended"]), [days])
    return (100 * read.loc[days, ["late", "low", "high"]]).round(), int(read.loc[days, "at_risk"])


def hosts_of(page, title, kind):
    first, n = next(iter(page.counts(title).items()))
    alone = ms.hosts(page.space, kind).groupby("domain")["host"].agg(set)
    return [first, n, share(n, page.whole), sum(hosts == {first} for hosts in alone)]


SERVER = rf"(\S+), porte {N} domaines \({P}\), dont {N} sans autre serveur : .*"


def overview(page):
    held = page.domains["receives"].value_counts()
    yes, *others = (int(held.get(answer, 0)) for answer in RECEIVES)
    text = (
        rf"{N} domaines sur {N} \({P}\) reçoivent le courrier en entier ; {N} à risque, {N} ne le reçoivent "
        rf"pas, "
        rf"{N} inconnu\."
    )
    yield text, [yes, page.whole, share(yes, page.whole), *others]
    first = page.csv("causes").iloc[0]
    text = rf"À traiter d’abord : .+ \({N} domaines, {N} boîtes\)\."
    yield text, [first["domains"], first["mailboxes"]]
    drawn = {
        name: Counter({kind: int(n) for n, kind in re.findall(r"(\d+) (crit|err|avert)\.", text)}).total()
        for name, text in page.drawn("Constats à traiter, par famille de règles et par gravité")
    }
    asks = ms.actionable(ms.audit_all(page.space))
    families = asks["rule"].map(lambda code: plain(typeset(catalogue()[code].family)))
    counts, grave = families.value_counts(), families[asks["severity"].isin(["critical", "error"])]
    assert drawn == {name: counts[name] for name in drawn}
    first = max(drawn, key=drawn.__getitem__)
    worst = next(name for name in drawn if sum(grave == name) == grave.value_counts().max())
    rest = counts.drop(list(drawn))
    text = (
        rf"« (.+) » compte le plus de constats à traiter : {N} sur {N}\. Erreurs et défauts "
        rf"critiques : {N} sur {N} dans « (.+) »\. Non dessinées : {N} autres familles, {N} constats\."
    )
    yield (
        text,
        [first, counts.max(), len(asks), sum(grave == worst), len(grave), worst, len(rest), rest.sum()],
    )
    drawn = page.counts("Nombre de domaines par opérateur")
    first, most = next(iter(drawn.items()))
    names = list(drawn)[:3]
    own = page.entries["operator"].isin(names)
    assert page.entries.loc[own].groupby("operator")["domain"].nunique().to_dict() == {
        n: drawn[n] for n in names
    }
    part = share(page.entries.loc[own, "domain"].nunique(), page.whole)
    text = (
        rf"Les {N} premiers opérateurs portent {P} des {N} domaines ; le premier, (.+), en porte {N} "
        rf"\({P}\)\."
    )
    yield text, [3, part, page.whole, first, most, share(most, page.whole)]
    drawn = page.counts("Domaines par département")
    top = ", ".join(f"{name} : {n}" for name, n in list(drawn.items())[:3])
    located = page.entries[page.entries["department"] != ""]
    shown = {
        f"{DEPARTMENTS[c]} ({c})": n for c, n in located.groupby("department")["domain"].nunique().items()
    }
    assert drawn == shown
    empty = len(tile_places().keys() - set(located["department"]))
    text = rf"En tête : (.+) ; {N} départements sans aucun domaine ; {N} domaine sans département connu\."
    yield text, [top, empty, page.whole - located["domain"].nunique()]
    found = ms.audit_all(page.space)
    text = rf"Chaque audit a eu les données qu’il lui faut\. {N} constats portent sur des noms .*"
    yield text, [int(((found["domains"] > 0) & ~found["domain"].isin(page.entries["domain"])).sum())]


def ages(page):
    dates, now = page.entries["updated_at"], pd.Timestamp(page.space.as_of)
    parts = [part for _, told in page.drawn("Lignes par mois de DateMAJ") for part in told.split(", ")]
    assert sum(int(part.split()[0]) for part in parts) == int((dates <= now).sum())
    old = int((dates <= now - pd.Timedelta(days=730)).sum())
    text = rf"{N} lignes sur {N} \({P}\) portent une date de plus de 2 ans(?: ; \d+ ligne.*)?\."
    yield text, [old, len(page.entries), share(old, len(page.entries))]
    dates = page.entries["updated_at"]
    times = Counter(dates.dropna().dt.strftime("%H:%M:%S"))
    (time, same), *_ = times.most_common(1)
    text = (
        rf".*Ici, {N} lignes portent une date postérieure à celle de la liste, et {N} lignes "
        rf"portent la même heure, (\S+)\. .*"
    )
    yield text, [int((dates > page.space.whitelist.generated_at).sum()), same, time]


def certificates(page):
    ends = page.csv("expiries").dropna(subset="falling")
    soon = ends[ends["days"].between(0, 59)]
    names = set(" ".join(soon["falling"]).split())
    over = set(" ".join(ends.loc[ends["days"] < 0, "falling"]).split())
    first = pd.Timestamp(soon["until"].min())
    days = [len(names), 60, f"{first.day} mars {first.year}", len(over)]
    text = (
        rf"{N} domaines perdent leur dernier certificat d’ici {N} jours, à partir du (.+)\. {N} "
        rf"domaine l’a déjà perdu\. "
        rf"{N} domaines sur {N} sont touchés par une erreur ou un défaut critique de certificat\."
    )
    yield text, [*days, page.touched(page.grave), page.whole]
    drawn = page.counts("Domaines sans autre certificat, par mois d’échéance")
    months = page.csv("months")
    own = (
        months.groupby(months["month"].str[3:] + months["month"].str[:2], sort=True)["domains"].sum().tolist()
    )
    assert own == list(drawn.values())  # one certificate a domain in the sample
    first, n = next(iter(drawn.items()))
    text = (
        rf"{N} domaines ont un certificat dont la fin est connue et que nul autre ne relaie ; {N} "
        rf"le perdent en (.+), le premier mois montré\."
    )
    yield text, [sum(own), n, first]
    served = page.csv("unseen")
    shown = page.root.xpath("//table[@id='unseen']/tbody/tr/td[1]")
    names = {plain(cell.text_content()) for cell in shown}
    assert names <= set(served["domain"])
    yield rf"{N} domaines dont un serveur n’a pas montré son certificat", [len(names)]
    yield rf"{N} noms à comparer, ce qui diffère est souligné", [len(page.csv("names"))]


def changes(page):
    events = page.csv("events")
    kept = events[events["Nature"].str.startswith("Domaines passés")]
    first = kept.sort_values("Domaines", ascending=False).iloc[0]
    start, end = (pd.Timestamp(first[name]) for name in ("Depuis celle du", "Liste du"))
    text = rf"(.+), entre le (.+) et le (.+)\. {N} autres événements sur la période\."
    yield text, [plain(first["Événement"]), day(start), day(end), len(events) - 1]
    sizes, events = page.lists
    told = page.csv("events")["Liste du"].map(lambda text: day(pd.Timestamp(text))).value_counts()
    assert {name: n for name, n in events if n} == told.to_dict()
    name, most = max(events, key=lambda one: one[1])
    first, last = sizes[0], sizes[-1]
    archive = page.space.archive
    tests = page.space.entries.query("is_audit_entry")["domain"]
    assert last[1] == len({*archive.rows(archive.snapshots[-1])["domain"]} - {*tests})
    text = (
        rf"{N} domaines dans la dernière liste, {N} dans celle du (.+) ; {N} événements en {N} "
        rf"listes, le plus \({N}\) dans celle du (.+)\."
    )
    yield text, [last[1], first[1], first[0], sum(n for _, n in events), len(sizes), most, name]
    yield rf"{N} événements, les derniers d’abord", [len(page.csv("events"))]
    moved = page.csv("moved")
    flows = (moved["before"] + " → " + moved["after"]).value_counts()
    text = rf"{N} domaines ont changé d’opérateur ; le plus grand flux, (.+), en porte {N}\."
    yield text, [len(moved), flows.index[0], flows.iloc[0]]
    touched = page.counts("Domaines touchés d’une liste à la suivante")
    shares = [n / size for n, (_, size) in zip(touched.values(), page.lists[0], strict=False)]
    text = rf"D’une liste à la suivante, {P} des domaines changent en moyenne, dates mises à part\."
    yield text, [share(round(1000 * sum(shares) / len(shares)), 1000)]
    known = page.counts("Domaines par mois d’apparition")
    history = page.space.archive.history
    last = history[history["last_seen"] == history["last_seen"].max()]
    tests = page.space.entries.loc[page.space.entries["is_audit_entry"], "domain"]
    text = rf"{N} domaines sur {N} sont apparus depuis que l’archive existe ; .*"
    yield text, [sum(known.values()), len({*last["domain"]} - {*tests})]
    yield rf"(\D+) : {N} changements?", []


def contacts_over_time(page):
    shares, followed = unchanged(page, 182)
    text = (
        rf"Après 6 mois, {N}% des contacts sont inchangés \(de {N} à {N}%, à 95% de confiance\) ; "
        rf"{N} contacts suivis aussi longtemps\. Au-delà \(1 an, 2 ans et 3 ans\), .*"
    )
    yield text, [*map(int, shares), followed]
    assert unchanged(page, 365)[1] < 20
    yield r"Une seule durée, au plus, est mesurée : .*", []
    groups = page.csv("lifetimes")
    known = groups.dropna(subset="Inchangés (%)")
    lowest = known.sort_values("Inchangés (%)", kind="stable").iloc[0]
    name = f"{lowest['Par']} : {lowest['Groupe']}"
    text = (
        rf"Après 6 mois, la part est de {N}% chez « (.+) », la plus basse ; {N} groupes assez suivis sur "
        rf"{N}\."
    )
    yield text, [int(lowest["Inchangés (%)"]), name, len(known), len(groups)]
    yield rf"{N} groupes, après 6 mois", [len(page.csv("lifetimes"))]


def declarations(page):
    counts = page.csv("statuses")["status"].value_counts()
    text = (
        rf"{N} domaine retiré reste dans la liste ; {N} domaines déclarés n’y sont pas, {N} "
        rf"domaines listés sont sans déclaration\."
    )
    yield text, [counts[name] for name in ("withdrawn-listed", "not-listed", "not-declared")]
    counts = page.csv("statuses")["status"].value_counts()
    drawn = page.counts("Domaines par statut")
    assert sorted(drawn.values()) == sorted(counts)
    fine = counts["as-declared"]
    text = rf"{N} domaines sur {N} \({P}\) sont listés comme déclaré\."
    yield text, [fine, counts.sum(), share(fine, counts.sum())]


def delegation(page):
    mail = page.csv("unobserved").groupby("receives")["mailboxes"].agg(["size", "sum"])
    order = ["yes", "degraded", "no", "unknown"]
    text = (
        rf"{N} domaines reçoivent les messages, {N} sont à risque, {N} ne les reçoivent pas, "
        rf"{N} est inconnu\. En boîtes publiées : {N}, {N}, {N} et {N}\."
    )
    yield text, [*mail["size"][order], *mail["sum"][order]]
    lost = page.csv("lost")
    assert page.csv("causes")["Domaines"].sum() == len(lost)
    yield rf"{N} domaines? où des messages se perdent ou peuvent se perdre", [len(lost)]
    text = rf"{N} domaines? dont on ne sait pas si les messages arrivent"
    yield text, [int((page.csv("unobserved")["receives"] == "unknown").sum())]
    drawn = page.counts("Domaines par méthode en service")
    declared = page.csv("methods-declared")
    assert declared["total"].sum() == sum(drawn.values()) == page.whole
    assert drawn == {name: declared[name].sum() for name in drawn}
    seen = sum(n for name, n in drawn.items() if name != "non observé")
    delegated = drawn["délégué"] + drawn["dans une zone déléguée"]
    redirected = drawn["redirigé"]
    text = rf"{N} \({P}\) des {N} domaines observés sont délégués, {N} \({P}\) redirigés\."
    yield text, [delegated, share(delegated, seen), seen, redirected, share(redirected, seen)]
    drawn = page.drawn("Domaines par opérateur et par méthode")
    mixed = sum(len(told.split(",")) > 1 for _, told in drawn)
    text = (
        rf"{N} opérateurs sur {N} emploient plusieurs méthodes\. "
        rf"Montrés : {N} opérateurs, les plus grands d’abord\."
    )
    yield text, [mixed, page.entries["operator_id"].nunique(), len(drawn)]
    yield f"Le premier serveur de noms, {SERVER}", hosts_of(page, "Domaines par serveur de noms", "NS")
    text = f"Le premier serveur de messagerie, {SERVER}"
    yield text, hosts_of(page, "Domaines par serveur de messagerie", "MX")


def gravest(page):
    n, first = page.touched(page.grave), page.root.xpath("string(//p[@class='lead']/strong[2])")
    worst = page.todo[page.todo["rule"].map(lambda code: plain(ms.title_of(code))) == plain(first)]
    assert worst["severity"].iloc[0] == page.grave["severity"].mode()[0]
    text = (
        rf"{N} domaines sur {N} \({P}\) sont touchés par une erreur ou un défaut critique\. "
        rf"Le plus grave : (.+), {N} constats?, {N} domaines?\."
    )
    yield text, [n, page.whole, share(n, page.whole), plain(first), len(worst), page.touched(worst)]


def rules(page):
    rules = page.todo["rule"].value_counts()
    titles = {plain(ms.title_of(code)): n for code, n in rules.items()}
    drawn = page.counts("Constats à traiter, par règle")
    assert {name: titles[name] for name in drawn} == drawn
    first = page.root.xpath("string(//figure[@aria-label='Constats à traiter, par règle']//figcaption/bdi)")
    assert drawn[plain(first)] == max(drawn.values())
    text = (
        rf"Des règles montrées, « (.+) » compte le plus de constats à traiter : {N} sur {N}\. "
        rf"{N} constats sont une "
        rf"erreur ou un défaut critique\. "
        rf"{N} règles se sont déclenchées, dont {N} sont montrées\."
    )
    yield text, [plain(first), max(drawn.values()), len(page.todo), len(page.grave), len(rules), len(drawn)]


def concentration(page):
    drawn = page.counts("Domaines sans autre certificat, par nom (CN)")
    many = {name: n for name, n in drawn.items() if n >= 50}
    first, most = next(iter(drawn.items()))
    text = (
        rf"{N} nom de certificat porte {N} domaines ou plus sans autre certificat, {P} des domaines en "
        rf"tout ; si le premier, (\S+), expire, {N} domaines tombent\."
    )
    yield text, [len(many), 50, share(sum(many.values()), page.whole), first, most]


def operators(page):
    named = page.todo.dropna(subset="operator_id")
    held = named.groupby("operator")["fingerprint"].size().sort_values(ascending=False)
    drawn = page.counts("Constats à traiter, par opérateur et par gravité")
    assert drawn == held.to_dict()
    share_shown = share(sum(drawn.values()), len(named))
    text = (
        rf"(.+) compte le plus de constats à traiter, {N} sur {N} ; les {N} premiers opérateurs sur {N}, "
        rf"montrés "
        rf"ici, en ont {P}\."
    )
    yield text, [next(iter(drawn)), held.max(), len(named), len(drawn), len(held), share_shown]


# The sentences of each report: a pattern, and what its groups are, recomputed.
SENTENCES = {
    "overview": (
        overview,
        ages,
    ),
    "stale_contacts": (
        ages,
        gravest,
        rules,
        operators,
    ),
    "certificates": (certificates,),
    "changes": (changes,),
    "contacts_over_time": (contacts_over_time,),
    "declarations": (declarations,),
    "delegation_vs_redirection": (
        delegation,
        rules,
    ),
    "dn_consistency": (
        gravest,
        rules,
        concentration,
    ),
}


def told(page):
    """The sentences of a page that have a number: leads, readings, captions, cautions and limits."""
    where = (
        "//p[@class='lead']|//figcaption|//p[@class='caution']|//p[@class='limits']|"
        "//table[not(@id='parameters')]/caption"
    )
    texts = [plain(one.text_content()) for one in page.root.xpath(where)]
    return [text for text in texts if re.search(r"\d", text)]


def test_every_number_of_every_sentence_is_that_of_the_pages_own_data(page):
    sentences = told(page)
    assert sentences
    recomputed = [pair for of in SENTENCES[page.name] for pair in of(page)]
    for text in sentences:
        rest = text
        while rest:
            held = [(match, values) for pattern, values in recomputed if (match := re.match(pattern, rest))]
            assert held, f"nothing recomputes: {rest}"
            match, wanted = held[0]
            if wanted:
                assert list(match.groups()) == [str(one) for one in wanted], rest
            rest = rest[match.end() :].strip()


def test_every_table_has_as_many_rows_as_it_says(page):
    links = page.root.xpath("//p[@class='csv']")
    assert links
    for one in links:
        text, hrefs = plain(one.text_content()), one.xpath("a[contains(@href, 'text/csv')]/@href")
        for href in hrefs:
            rows = len(frame_in(href))
            stated = re.search(r"Télécharger (?:les (\d+) lignes|la ligne)", text)
            assert int(stated[1] or 1) == rows
            if cut := re.match(r"(?:Les (\d+) premières lignes|La première ligne) sur (\d+)", text):
                assert int(cut[2]) == rows > int(cut[1] or 1)
    for table in page.root.xpath("//table[@data-rows]"):
        assert len(table.xpath("tbody/tr")) == int(table.get("data-rows"))
        caption = plain("".join(table.xpath("caption//text()")))
        if match := re.fullmatch(r"\D+ : (\d+) changements?", caption):
            assert int(match[1]) == len(page.csv(table.get("id")))


FIGURES = {
    "overview": lambda page: {
        "Domaines": [page.whole, len(page.entries)],
        "Opérateurs": [page.entries["operator_id"].nunique()],
        "Certificats": [page.entries["dn_key"].nunique(), page.entries["dn"].nunique()],
        "Départements": [len(page.counts("Domaines par département"))],
        "Âge de la liste": [(page.space.as_of - page.space.whitelist.generated_at).days, 2, 2026],
    },
    "certificates": lambda page: {
        "Domaines bientôt sans certificat": [int(_soon(page)["falling"].str.split().map(len).sum()), 60],
        "Boîtes publiées de ces domaines": [int(_soon(page)["mailboxes"].sum())],
        "Domaines touchés": [page.touched(page.todo), page.whole],
        "Domaines jamais vus": [(blind := _blind(page)), share(blind, page.whole)],
    },
    "changes": lambda page: {
        "Listes": [len(page.lists[0]), 1, 2025, 2, 2026],
        "Domaines ajoutés": [len(page.csv("added"))],
        "Domaines retirés": [len(page.csv("removed"))],
        "Changés d’opérateur": [len(page.csv("moved"))],
        "Événements": [len(page.csv("events"))],
        "Lignes redatées": [len(page.csv("restamped"))],
    },
    "contacts_over_time": lambda page: {
        "Contacts suivis": [int((of := _spells(page))["ended"].size)],
        "Contacts remplacés": [int(of["ended"].sum())],
        "Domaines": [of["domain"].nunique()],
        "Listes": [len(page.space.archive.until(page.space.as_of))],
    },
    "declarations": lambda page: {
        "Déclarations": [
            len(page.space.register.declarations),
            int(page.csv("statuses")["evidence"].notna().sum()),
        ],
        "Comme déclaré": [_status(page, "as-declared"), share(_status(page, "as-declared"), page.whole)],
        "Avec des écarts": [_status(page, "differs")],
        "Retirés, listés": [_status(page, "withdrawn-listed")],
        "Absents": [_status(page, "not-listed")],
    },
    "delegation_vs_redirection": lambda page: {
        name: [
            int((mail := page.csv("unobserved").query("receives == @kind"))["domain"].size),
            int(mail["mailboxes"].sum()),
        ]
        for kind, name in zip(
            ("yes", "degraded", "no", "unknown"),
            ("Reçoivent", "À risque", "Ne reçoivent pas", "Inconnus"),
            strict=True,
        )
    },
    "dn_consistency": lambda page: _figures_of_findings(page),
    "stale_contacts": lambda page: _figures_of_findings(page),
}


def _soon(page):
    ends = page.csv("expiries").dropna(subset="falling")
    return ends[ends["days"].between(0, 59)]


def _blind(page):
    served = page.csv("unseen")
    shown = page.root.xpath("//table[@id='unseen']/tbody/tr")
    keys = {tuple(plain(row[k].text_content()) for k in (0, 3)) for row in shown}
    pairs = zip(served["domain"], served["address"].fillna(""), strict=True)
    return page.whole - len({domain for domain, address in pairs if (domain, address) not in keys})


def _status(page, name):
    return int((page.csv("statuses")["status"] == name).sum())


def _figures_of_findings(page):
    reach = page.touched(page.todo)
    return {
        "À traiter": [len(page.todo), len(page.found)],
        "Domaines touchés": [reach, share(reach, page.whole), page.whole],
        "Opérateurs concernés": [page.todo["operator_id"].nunique(), page.entries["operator_id"].nunique()],
    }


def test_every_figure_is_that_of_the_pages_own_data(page):
    wanted = FIGURES[page.name](page)
    shown = {}
    for one in page.root.xpath("//dl[@class='figures']/div"):
        text = plain(" ".join(one.xpath("dd//text()")))
        if re.search(r"\d", text):
            name = plain(one.findtext("dt") or "")
            shown[name] = re.findall(r"[\d,]+ ?%|\d+", text)
    assert shown == {name: [str(value) for value in values] for name, values in wanted.items()}
