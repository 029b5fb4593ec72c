"""Every number of every lead, figure, caption and reading of the sample's reports, from the page's data.

A page's data are the rows of its files (CSV inside the page) and what its charts draw; what neither has is
taken from the frames. Each sentence with a number is to be one of those put together here, where … stands for
anything.
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
from mssante_audit.report.charts import tile_places
from mssante_audit.values.identifiers import DEPARTMENTS
from mssante_audit.verdicts.checks import RECEIVES

pytestmark = pytest.mark.usefixtures("sample_run")


def plain(text):
    return " ".join(text.replace(f"{NARROW};", " ;").replace(NARROW, "").replace(NBSP, " ").split())


def share(n, whole):
    return plain(str(ms.percent(n, whole)))


@dataclass(frozen=True)
class Page:
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
                text = plain(alt).removesuffix(".").split(title, 1)[1].lstrip(". ")
                return [tuple(part.rpartition(" : ")[::2]) for part in text.split(" ; ")]
        raise LookupError(title)

    @property
    def lists(self):
        """What the chart of lists draws for each: its domains, then its events."""
        marks = [plain(text).rsplit(" : ", 1) for text in self.root.xpath("(//figure)[1]//title/text()")]
        drawn = [(name, int(n)) for name, n in marks]
        return drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]

    def counts(self, title):
        """How much a chart draws in all for each name."""
        held = Counter()
        for name, text in self.drawn(title):
            held[name] += sum(map(int, re.findall(r"(?<![\d,(])\d+(?![\d,]*%)(?! %)", text)))
        return held

    @cached_property
    def found(self):
        names = self.root.xpath("//a[contains(@download, '-table.csv')]/@download")
        return pd.concat([self.csv(name.removesuffix(".csv")) for name in names], ignore_index=True)

    @cached_property
    def todo(self):
        return self.found[(self.found["severity"] != "info") & (self.found["confidence"] != "hint")]

    @cached_property
    def grave(self):
        return self.todo[self.todo["severity"].isin(["critical", "error"])]

    def touched(self, findings):
        """How many listed domains findings touch, by their rows (`evidence` is cut: by their fingerprint)."""
        every = ms.audit_all(self.space)
        return ms.touched(every[every["fingerprint"].isin(findings["fingerprint"])], self.space.audited)

    @property
    def entries(self):
        return self.space.audited

    @property
    def whole(self):
        return self.entries["domain"].nunique()


def day(at):
    return day_of(at).replace(NBSP, " ")


def spells_of(page):
    spells = ms.contact_spells(page.space.archive, page.space.as_of)
    return spells[spells["domain"].isin(page.entries["domain"])]


def unchanged(page, days):
    """The share of contacts that stay so long, in per cent, and how many were followed."""
    spells = spells_of(page)
    read = ms.shares_after(ms.survival(spells["low"], spells["high"], spells["ended"]), [days])
    return (100 * read.loc[days, ["late", "low", "high"]]).round(), int(read.loc[days, "at_risk"])


def server(page, title, kind):
    first, n = next(iter(page.counts(title).items()))
    hosts = ms.hosts(page.space, kind).groupby("domain")["host"].agg(set)
    alone = sum(hosts_of == {first} for hosts_of in hosts)
    rest = "Chacun de ces domaines a un autre serveur."
    if alone:
        rest = f"{alone} domaine{'s n’ont' if alone > 1 else ' n’a'} pas d’autre serveur et …"
    return f"{first}, porte {n} domaines ({share(n, page.whole)}). {rest}"


def answer(page):
    held = ms.domains(page.space)["receives"].value_counts()
    yes, risky, no, unknown = (int(held.get(answer, 0)) for answer in RECEIVES)
    yield (
        f"{yes} domaines sur {page.whole} ({share(yes, page.whole)}) reçoivent le courrier en entier ; "
        f"{risky} à risque, {no} ne le reçoivent pas, {unknown} inconnu."
    )
    first = page.csv("causes").iloc[0]
    yield f"À traiter d’abord : … ({first['domains']} domaines, {first['mailboxes']} boîtes)."
    findings = ms.audit_all(page.space)
    others = int(((findings["domains"] > 0) & ~findings["domain"].isin(page.entries["domain"])).sum())
    yield f"{others} constats portent sur des noms …"


def families(page):
    drawn = {
        name: sum(int(n) for n in re.findall(r"(\d+) (?:crit|err|avert)\b", text))
        for name, text in page.drawn("Constats à traiter, par famille de règles et par gravité")
    }
    asks = ms.actionable(ms.audit_all(page.space))
    names = asks["rule"].map(lambda code: plain(typeset(catalogue()[code].family)))
    counts, grave = names.value_counts(), names[asks["severity"].isin(["critical", "error"])]
    assert drawn == {name: counts[name] for name in drawn}
    worst = next(name for name in drawn if sum(grave == name) == grave.value_counts().max())
    rest = counts.drop(list(drawn))
    yield (
        f"La famille qui compte le plus de constats à traiter ({counts.max()} sur {len(asks)}) : "
        f"{longest(drawn)}. Celle qui a le plus d’erreurs et de défauts critiques ({sum(grave == worst)} "
        f"sur {len(grave)}) : {worst}. Non dessinées : {len(rest)} autres familles, {rest.sum()} constats."
    )


def shares(page):
    drawn = page.counts("Nombre de domaines par opérateur")
    (first, most), *_ = drawn.items()
    names = list(drawn)[:3]
    rows = page.entries[page.entries["operator"].isin(names)]
    assert rows.groupby("operator")["domain"].nunique().to_dict() == {n: drawn[n] for n in names}
    yield (
        f"Les 3 premiers opérateurs portent {share(rows['domain'].nunique(), page.whole)} des {page.whole} "
        f"domaines ; le premier, {first}, en porte {most} ({share(most, page.whole)})."
    )


def departments(page):
    drawn = page.counts("Domaines par département")
    located = page.entries[page.entries["department"] != ""]
    held = located.groupby("department")["domain"].nunique()
    assert drawn == {f"{DEPARTMENTS[code]} ({code})": n for code, n in held.items()}
    top = ", ".join(f"{name} : {n}" for name, n in list(drawn.items())[:3])
    unknown = page.whole - located["domain"].nunique()
    yield (
        f"En tête : {top} ; {len(tile_places().keys() - {*held.index})} départements sans aucun domaine ; "
        f"{unknown} domaine sans département connu."
    )


def ages(page):
    dates, now, rows = page.entries["updated_at"], pd.Timestamp(page.space.as_of), len(page.entries)
    parts = [part for _, text in page.drawn("Lignes par mois de DateMAJ") for part in text.split(", ")]
    assert sum(int(part.split()[0]) for part in parts) == int((dates <= now).sum())
    old = int((dates <= now - pd.Timedelta(days=730)).sum())
    yield f"{old} lignes sur {rows} ({share(old, rows)}) portent une date de plus de 2 ans…."
    ((time, same),) = Counter(dates.dropna().dt.strftime("%H:%M:%S")).most_common(1)
    later = int((dates > page.space.whitelist.generated_at).sum())
    yield (
        f"…Ici, {later} lignes portent une date postérieure à celle de la liste, et {same} lignes portent la "
        f"même heure, {time}. …"
    )


def certificates(page):
    ends, soon = page.csv("expiries").dropna(subset="falling"), soon_over(page)
    names = set(" ".join(soon["falling"]).split())
    over = set(" ".join(ends.loc[ends["days"] < 0, "falling"]).split())
    yield (
        f"{len(names)} domaines perdent leur dernier certificat d’ici 60 jours, à partir du "
        f"{day(pd.Timestamp(soon['until'].min()))}. {len(over)} domaine l’a déjà perdu. "
        f"{page.touched(page.grave)} domaines sur {page.whole} sont touchés par une erreur ou un défaut "
        "critique de certificat."
    )
    drawn = page.counts("Domaines sans autre certificat, par mois d’échéance")
    months = page.csv("months")
    sums = months.groupby(months["month"].str[3:] + months["month"].str[:2], sort=True)["domains"].sum()
    assert sums.tolist() == list(drawn.values())  # one certificate a domain in the sample
    (first, n), *_ = drawn.items()
    yield (
        f"{sums.sum()} domaines ont un certificat dont la fin est connue et que nul autre ne relaie ; {n} le "
        f"perdent en {first}, le premier mois montré."
    )
    shown = page.root.xpath("//table[@id='unseen']/tbody/tr/td[1]")
    names = {plain(cell.text_content()) for cell in shown}
    assert names <= set(page.csv("unseen")["domain"])
    yield f"{len(names)} domaines dont un serveur n’a pas montré son certificat"
    yield f"{len(page.csv('names'))} noms à comparer, ce qui diffère est souligné"


def changes(page):
    events = page.csv("events")
    kept = events[events["Nature"].str.startswith("Domaines passés")]
    first = kept.sort_values("Domaines", ascending=False).iloc[0]
    start, end = (day(pd.Timestamp(first[name])) for name in ("Depuis celle du", "Liste du"))
    yield (
        f"{plain(first['Événement'])}, entre le {start} et le {end}. {len(events) - 1} autres événements sur "
        "la période."
    )
    yield f"{len(events)} événements, les derniers d’abord"
    sizes, happened = page.lists
    counts = events["Liste du"].map(lambda text: day(pd.Timestamp(text))).value_counts()
    assert {name: n for name, n in happened if n} == counts.to_dict()
    name, most = max(happened, key=lambda pair: pair[1])
    archive, tests = page.space.archive, {*page.space.entries.query("is_audit_entry")["domain"]}
    assert sizes[-1][1] == len({*archive.load(archive.snapshots[-1]).entries["domain"]} - tests)
    yield (
        f"{sizes[-1][1]} domaines dans la dernière liste, {sizes[0][1]} dans celle du {sizes[0][0]} ; "
        f"{len(events)} événements en {len(sizes)} listes, le plus ({most}) dans celle du {name}."
    )
    moved = page.csv("moved")
    flows = (moved["before"] + " → " + moved["after"]).value_counts()
    yield (
        f"{len(moved)} domaines ont changé d’opérateur ; le plus grand flux, {flows.index[0]}, en porte "
        f"{flows.iloc[0]}."
    )
    touched = page.counts("Domaines touchés d’une liste à la suivante")
    parts = [n / size for n, (_, size) in zip(touched.values(), sizes, strict=False)]
    mean = share(round(1000 * sum(parts) / len(parts)), 1000)
    yield f"D’une liste à la suivante, {mean} des domaines changent en moyenne, dates mises à part."
    months, history = page.counts("Domaines par mois d’apparition"), archive.history
    last = {*history.loc[history["last_seen"] == history["last_seen"].max(), "domain"]} - tests
    yield f"{sum(months.values())} domaines sur {len(last)} sont apparus depuis que l’archive existe ; …"
    yield "… changement…"  # of one kind: the test of tables


def contacts_over_time(page):
    parts, followed = unchanged(page, 182)
    late, low, high = map(int, parts)
    yield (
        f"Après 6 mois, {late}% des contacts sont inchangés (de {low} à {high}%, à 95% de confiance) ; "
        f"{followed} contacts suivis aussi longtemps. Au-delà (1 an, 2 ans et 3 ans), …"
    )
    assert unchanged(page, 365)[1] < 20
    yield "Une seule durée, au plus, est mesurée : …"
    groups = page.csv("lifetimes")
    measured = groups.dropna(subset="Inchangés (%)")
    lowest = measured.sort_values("Inchangés (%)", kind="stable").iloc[0]
    yield (
        f"Après 6 mois, la part est de {int(lowest['Inchangés (%)'])}% chez « {lowest['Par']} : "
        f"{lowest['Groupe']} », la plus basse ; {len(measured)} groupes assez suivis sur {len(groups)}."
    )
    yield f"{len(groups)} groupes, après 6 mois"


def declarations(page):
    counts = page.csv("statuses")["status"].value_counts()
    yield (
        f"{counts['withdrawn-listed']} domaine retiré reste dans la liste ; {counts['not-listed']} domaines "
        f"déclarés n’y sont pas, {counts['not-declared']} domaines listés sont sans déclaration."
    )
    assert sorted(page.counts("Domaines par statut").values()) == sorted(counts)
    fine, every = counts["as-declared"], counts.sum()
    yield f"{fine} domaines sur {every} ({share(fine, every)}) sont listés comme déclaré."


def delegation(page):
    unobserved, lost = page.csv("unobserved"), page.csv("lost")
    mail = unobserved.groupby("receives")["mailboxes"].agg(["size", "sum"])
    (yes, risky, no, unknown), boxes = (mail[name][[*RECEIVES]] for name in ("size", "sum"))
    published = "{}, {}, {} et {}".format(*boxes)
    yield (
        f"{yes} domaines reçoivent les messages, {risky} sont à risque, {no} ne les reçoivent pas, {unknown} "
        f"est inconnu. En boîtes publiées : {published}."
    )
    assert page.csv("causes")["Domaines"].sum() == len(lost)
    yield f"{len(lost)} domaines où des messages se perdent ou peuvent se perdre"
    yield f"{unknown} domaine dont on ne sait pas si les messages arrivent"
    drawn = page.counts("Domaines par méthode en service")
    declared = page.csv("methods-declared")
    assert declared["total"].sum() == sum(drawn.values()) == page.whole
    assert drawn == {name: declared[name].sum() for name in drawn}
    seen = sum(n for name, n in drawn.items() if name != "non observé")
    delegated, redirected = drawn["délégué"] + drawn["dans une zone déléguée"], drawn["redirigé"]
    yield (
        f"{delegated} ({share(delegated, seen)}) des {seen} domaines observés sont délégués, {redirected} "
        f"({share(redirected, seen)}) redirigés."
    )
    drawn = page.drawn("Domaines par opérateur et par méthode")
    mixed = sum(len(text.split(",")) > 1 for _, text in drawn)
    yield (
        f"{mixed} opérateurs sur {page.entries['operator_id'].nunique()} emploient plusieurs méthodes. "
        f"Montrés : {len(drawn)} opérateurs, les plus grands d’abord."
    )
    yield f"Le premier serveur de noms, {server(page, 'Domaines par serveur de noms', 'NS')}"
    yield f"Le premier serveur de messagerie, {server(page, 'Domaines par serveur de messagerie', 'MX')}"


def gravest(page):
    n, first = page.touched(page.grave), plain(page.root.xpath("string(//p[@class='lead']/strong[2])"))
    worst = page.todo[page.todo["rule"].map(lambda code: plain(ms.title_of(code))) == first]
    assert worst["severity"].iloc[0] == page.grave["severity"].mode()[0]
    count, domains = len(worst), page.touched(worst)
    yield (
        f"{n} domaines sur {page.whole} ({share(n, page.whole)}) sont touchés par une erreur ou un défaut "
        f"critique. Le plus grave : {first}, {count} constat{'s' * (count > 1)}, {domains} "
        f"domaine{'s' * (domains > 1)}."
    )


def rules(page):
    held = page.todo["rule"].value_counts()
    titles = {plain(ms.title_of(code)): n for code, n in held.items()}
    drawn = page.counts("Constats à traiter, par règle")
    assert {name: titles[name] for name in drawn} == drawn
    yield (
        f"Des règles montrées, celle qui compte le plus de constats à traiter ({max(drawn.values())} sur "
        f"{len(page.todo)}) : {longest(drawn)}. {len(page.grave)} constats sont une erreur ou un défaut "
        f"critique."
    )
    if len(held) > len(drawn):
        yield f"{len(held)} règles se sont déclenchées, dont {len(drawn)} sont montrées."


def concentration(page):
    drawn = page.counts("Domaines sans autre certificat, par nom (CN)")
    many = [n for n in drawn.values() if n >= 50]
    (first, most), *_ = drawn.items()
    yield (
        f"{len(many)} nom de certificat porte 50 domaines ou plus sans autre certificat, "
        f"{share(sum(many), page.whole)} des domaines en tout ; si le premier, {first}, expire, {most} "
        "domaines tombent."
    )


def operators(page):
    named = page.todo.dropna(subset="operator_id")
    held = named.groupby("operator")["fingerprint"].size().sort_values(ascending=False)
    drawn = page.counts("Constats à traiter, par opérateur et par gravité")
    assert drawn == held.to_dict()
    yield (
        f"{longest(drawn)} compte le plus de constats à traiter, {held.max()} sur {len(named)} ; les "
        f"{len(drawn)} premiers opérateurs sur {len(held)}, montrés ici, en ont "
        f"{share(sum(drawn.values()), len(named))}."
    )


def contacts(page):
    touched, checks = page.touched(page.todo), ms.domains(page.space)["contacts"]
    counted = checks.isin(["warn", "fail"]).sum()
    yield (
        f"La vérification « Contacts » de la vue d’ensemble compte {counted} domaines et non {touched} : sur "
        f"les {touched - counted} autres, les contacts de l’opérateur diffèrent d’un domaine à l’autre, mais "
        "quelqu’un reste joignable."
    )


def longest(drawn):
    others = [*drawn.values()].count(max(drawn.values())) - 1
    level = f" (à égalité avec {others} autre{'s' * (others > 1)})" if others else ""
    return max(drawn, key=drawn.get) + level


SENTENCES = {
    "overview": (answer, families, shares, departments, ages),
    "stale_contacts": (ages, gravest, rules, operators, contacts),
    "certificates": (certificates,),
    "changes": (changes,),
    "contacts_over_time": (contacts_over_time,),
    "declarations": (declarations,),
    "delegation_vs_redirection": (delegation, rules),
    "dn_consistency": (gravest, rules, concentration),
}
"""What recomputes the sentences of each report."""


@pytest.fixture(scope="module", params=SENTENCES)
def page(request, sample_run, sample_space):
    return Page(request.param, page_of(sample_run, request.param), sample_space)


def told(page):
    """The sentences of a page that have a number: leads, readings, captions, cautions and limits."""
    where = (
        "//p[@class='lead']|//figcaption|//p[@class='caution']|//p[@class='limits']|"
        "//table[not(@id='parameters')]/caption"
    )
    texts = [plain(element.text_content()) for element in page.root.xpath(where)]
    return [text for text in texts if re.search(r"\d", text)]


def test_every_number_of_every_sentence_is_that_of_the_pages_own_data(page):
    recomputed = [text for of in SENTENCES[page.name] for text in of(page)]
    patterns = [re.compile(re.escape(text).replace("…", ".*?")) for text in recomputed]
    sentences = told(page)
    assert sentences
    for text in sentences:
        rest = text
        while rest:
            held = [match for pattern in patterns if (match := pattern.match(rest))]
            assert held, (rest, recomputed)
            rest = rest[held[0].end() :].strip() if not held[0].re.pattern.endswith(".*?") else ""


def test_every_table_has_as_many_rows_as_it_says(page):
    links = page.root.xpath("//p[@class='csv']")
    assert links
    for link in links:
        text, hrefs = plain(link.text_content()), link.xpath("a[contains(@href, 'text/csv')]/@href")
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


def soon_over(page):
    ends = page.csv("expiries").dropna(subset="falling")
    return ends[ends["days"].between(0, 59)]


def never_seen(page):
    served = page.csv("unseen")
    shown = page.root.xpath("//table[@id='unseen']/tbody/tr")
    keys = {tuple(plain(row[k].text_content()) for k in (0, 3)) for row in shown}
    pairs = zip(served["domain"], served["address"].fillna(""), strict=True)
    return page.whole - len({domain for domain, address in pairs if (domain, address) not in keys})


def declared_as(page, name):
    return int((page.csv("statuses")["status"] == name).sum())


def figures_of_findings(page):
    reach = page.touched(page.todo)
    return {
        "À traiter": [len(page.todo), len(page.found)],
        "Domaines touchés": [reach, share(reach, page.whole), page.whole],
        "Opérateurs concernés": [page.todo["operator_id"].nunique(), page.entries["operator_id"].nunique()],
    }


FIGURES = {
    "overview": lambda page: {
        "Domaines": [page.whole, len(page.entries)],
        "Opérateurs": [page.entries["operator_id"].nunique()],
        "Certificats": [page.entries["dn_key"].nunique(), page.entries["dn"].nunique()],
        "Départements": [len(page.counts("Domaines par département"))],
        "Âge de la liste": [(page.space.as_of - page.space.whitelist.generated_at).days, 2, 2026],
    },
    "certificates": lambda page: {
        "Domaines bientôt sans certificat": [int(soon_over(page)["falling"].str.split().map(len).sum()), 60],
        "Boîtes publiées de ces domaines": [int(soon_over(page)["mailboxes"].sum())],
        "Domaines touchés": [page.touched(page.todo), page.whole],
        "Domaines jamais vus": [(blind := never_seen(page)), share(blind, page.whole)],
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
        "Contacts suivis": [int((of := spells_of(page))["ended"].size)],
        "Contacts remplacés": [int(of["ended"].sum())],
        "Domaines": [of["domain"].nunique()],
        "Listes": [len(page.space.archive.until(page.space.as_of))],
    },
    "declarations": lambda page: {
        "Déclarations": [len(page.space.register.declarations), page.csv("statuses")["evidence"].count()],
        "Comme déclaré": [n := declared_as(page, "as-declared"), share(n, page.whole)],
        "Avec des écarts": [declared_as(page, "differs")],
        "Retirés, listés": [declared_as(page, "withdrawn-listed")],
        "Absents": [declared_as(page, "not-listed")],
    },
    "delegation_vs_redirection": lambda page: {
        name: [len(mail := page.csv("unobserved").query("receives == @kind")), int(mail["mailboxes"].sum())]
        for kind, name in zip(
            RECEIVES, ("Reçoivent", "À risque", "Ne reçoivent pas", "Inconnus"), strict=True
        )
    },
    "dn_consistency": figures_of_findings,
    "stale_contacts": figures_of_findings,
}


def test_every_figure_is_that_of_the_pages_own_data(page):
    wanted = FIGURES[page.name](page)
    shown = {}
    for figure in page.root.xpath("//dl[@class='figures']/div"):
        text = plain(" ".join(figure.xpath("dd//text()")))
        if re.search(r"\d", text):
            name = plain(figure.findtext("dt") or "")
            shown[name] = re.findall(r"[\d,]+ ?%|\d+", text)
    assert shown == {name: [str(value) for value in values] for name, values in wanted.items()}
