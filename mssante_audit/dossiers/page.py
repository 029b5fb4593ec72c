"""The page of one dossier: sections of a template, filled from the dossier's facts."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pandas as pd

from mssante_audit.base.export import values
from mssante_audit.base.language import gettext, number, percent
from mssante_audit.dossiers.facts import Dossier
from mssante_audit.report.findings import title_of
from mssante_audit.report.first import counts
from mssante_audit.report.html import Html, card, joined, macro, names, paragraph, say
from mssante_audit.report.tables import columns_table, severity_cell, table

NOTEBOOK = "operator"  # shows the same sections, with the frames they are made of at hand


def section(dossier: Dossier, name: str, limit: int = 500) -> Html:
    """Return one of the `SECTIONS` of a dossier's page, of a table `limit` rows at most."""
    return joined(macro("dossier.heading", name, dossier), SECTIONS[name](dossier, limit))


def _severities(dossier: Dossier) -> dict[str, int]:
    """Return how many points there are of each severity that an operator is asked about, worst first."""
    counts = Counter(point.severity for point in dossier.points)
    return {severity: counts[severity] for severity in ("critical", "error", "warning")}


def _answer(dossier: Dossier, limit: int) -> Html:
    words = ("{n:critique}", "{n:erreur}", "{n:avertissement}")
    sentences = [say(text, n=n) for text, n in zip(words, _severities(dossier).values(), strict=True) if n]
    signature = names("signatures")[dossier.space.whitelist.signature.status]
    numbers = counts(dossier.verdicts, for_operator=True)
    return macro("dossier.answer", dossier, sentences, numbers, signature)


def _correct(dossier: Dossier, limit: int) -> Html:
    rest = "{n:autre constat, sans rien à faire pour vous|autres constats, sans rien à faire pour vous}"
    words = {"unsure": "{n:constat} à confirmer", "findings-folded": rest}
    words = {"findings": "{n:constat que ces points résument|constats que ces points résument}", **words}
    columns = ["Gravité", "Constat", "Domaine", "Constaté", "Que faire"]
    parts: dict[str, list[tuple[str, ...]]] = {name: [] for name in words}
    for finding in dossier.records:
        key, expected = finding["fingerprint"], finding["expected"]
        name = "unsure" if key in dossier.common.unsure else "findings"
        observed = finding["observed"] + (f"{say(' (attendu : ')}{expected})" if expected else "")
        row = (title_of(finding["rule"]), finding["domain"] or "–", observed, dossier.remedies[key])
        parts[name if key in dossier.common.asked else "findings-folded"].append((finding["severity"], *row))
    folds = {}
    for name, part in parts.items():
        if part:
            texts = pd.DataFrame(part, columns=columns)
            cells = {**texts, "Gravité": list(map(severity_cell, texts["Gravité"].tolist()))}
            folds[say(words[name], n=len(part))] = _once(cells, name, limit, texts)
    return macro("dossier.correct", dossier.points[:limit], folds)


def _once(columns: Any, name: str, limit: int, csv: pd.DataFrame | None = None, **options: Any) -> Html:
    """Return a table without the columns that say the same in all its rows, which are said once above it."""
    lists, bar = {str(n): list(its) for n, its in columns.items()}, options.get("bar")
    plain = {n: its for n, its in [*lists.items()][1:] if n != bar and len(its) > 1}
    same = {n: its[0] for n, its in plain.items() if isinstance(its[0], str | int) and len({*its}) == 1}
    texts = ((gettext(n), value if isinstance(value, str) else number(value)) for n, value in same.items())
    alike = [(n, text) for n, text in texts if text]
    varying = [(n, its) for n, its in lists.items() if n not in same]
    rows = columns_table(varying, name=name, limit=limit, csv=None if csv is None else values(csv), **options)
    return joined(macro("dossier.alike", alike), rows)


def _peers(dossier: Dossier, limit: int) -> Html:
    peers, yours = dossier.peers, _severities(dossier)
    size = "1 domaine" if peers.high == peers.low else "{low} à {high} domaines"
    size = say("{low} domaines et plus" if peers.high is None else size, low=peers.low, high=peers.high or 0)
    few = (
        "{own:point} à corriger ; trop peu d’opérateurs ont votre taille ({size}) pour vous comparer à eux "
        "sans les laisser deviner."
    )
    many = (
        "{own:point} à corriger, contre {mid} en médiane pour les {n} autres opérateurs de votre taille "
        "({size}), dont la moitié centrale en a de {low} à {high} ; {share} en ont plus que vous."
    )
    (low, mid, high), share = peers.whole, percent(peers.more, peers.number) if peers.number else ""
    numbers = {"own": len(dossier.points), "size": size, "n": peers.number, "low": low, "mid": mid}
    caption = say(many if peers.number else few, **numbers, high=high, share=share)
    if not peers.medians:
        return paragraph("scope", caption)
    columns: dict[str, Any] = {
        "Gravité": [names("severities")[severity] for severity in yours],
        "Vous": list(yours.values()),
        "Médiane": [peers.medians[severity] for severity in yours],
    }
    return columns_table(columns.items(), name="peers", caption=caption, bar="Vous")


def _identity(dossier: Dossier, limit: int) -> Html:
    columns, called = ("department", "operator", "igc"), names("departments")
    places, operators, authorities = (list(filter(None, dossier.entries[name].unique())) for name in columns)
    facts = {
        "Nom": operators or say("aucun"),
        "Identifiant": dossier.operator_id + (f" ({dossier.kind})" if dossier.kind else ""),
        "Département": [f"{called[at]} ({at})" for at in places if at in called] or say("inconnu"),
        "Autorité des certificats": authorities or say("inconnue"),
    }
    return card(facts, "Votre identité")


def _certificates(dossier: Dossier, limit: int) -> Html:
    certificates, listed = dossier.certificates, dossier.domains["domain"]
    first = certificates["cn"].iloc[0]
    words = "Si le certificat {first} expire, {n:domaine} sur {all} {n:~tombe|tombent}, faute d’un autre."
    falling = len({*listed}.intersection(dossier.common.alone.get(first, ())))
    none = "Si le certificat {first} expire, aucun domaine ne tombe : chacun en a un autre."
    caption = say(words if falling else none, first=first, n=falling, all=len(listed))
    authorities = certificates["igc"].replace("", str(say("inconnue")))
    cells = {"Nom (CN)": certificates["cn"], "Autorité": authorities, "Domaines": certificates["domains"]}
    names_listed = _once(cells, "certificates", limit, bar="Domaines", caption=caption)
    if (rows := dossier.presented) is None:
        return joined(names_listed, macro("dossier.ends", False, 0, None))
    columns = {
        "until": "Fin", "days": "Jours", "cn": "Nom (CN)", "hosts": "Serveurs", "domains": "Domaines",
        "alone": "Domaines sans autre", "spare": "Jours qui restaient au précédent",
    }  # fmt: skip
    risky = [end for end in rows.to_dict("records") if end["alone"] > 0]
    over = sum(end["alone"] for end in risky if end["days"] < 0)
    visited = say("{n:certificat} que présentent vos serveurs, la fin la plus proche d’abord", n=len(rows))
    unseen = "Aucun de vos certificats n’a été vu sur un serveur."
    written = rows.assign(spare=rows["spare"].astype("Int64")).rename(columns=columns)
    return joined(
        names_listed,
        macro("dossier.ends", True, over, next((end for end in risky if end["days"] >= 0), None)),
        table(written, name="ends", caption=visited, csv=rows, limit=limit, empty=unseen),
    )


def _domains(dossier: Dossier, limit: int) -> Html:
    listed, observed = dossier.domains, dossier.space.observation is not None
    means = {"delegated": "delegation", "within-delegated": "delegation", "redirected": "redirection"}
    declared_count = int(listed["declared"].isin(means.values()).sum())
    pairs = zip(listed["method"], listed["declared"], strict=True)
    same = sum(means.get(method) == declared for method, declared in pairs)
    methods, statuses = names("methods"), names("statuses")
    used = Counter(methods[method] for method in listed["method"] if method in methods)
    phrases = [say("{how} ({n:domaine})", n=n, how=name) for name, n in used.most_common()]
    declared, nothing = names("declared"), say("rien")
    if dossier.space.register is None:
        declared, nothing = {}, say("inconnu")
    unseen, unlisted = say("non observé"), say("pas de registre")
    columns = {
        "Domaine": listed["domain"],
        "Description": listed["description"],
        "Certificats": listed["certificates"],
        "DNS déclaré": [declared.get(method, nothing) for method in listed["declared"]],
        "DNS en service": [methods.get(method, unseen) for method in listed["method"]],
        "Pourquoi": listed["why"],
        "Déclaration": [statuses.get(status, unlisted) for status in listed["status"]],
    }
    caption = say("{n:domaine dans la liste|domaines dans la liste}", n=len(listed))
    summary = macro("dossier.methods", observed, phrases, same, declared_count)
    return joined(summary, _once(columns, "domains", limit, listed, caption=caption))


def _contacts(dossier: Dossier, limit: int) -> Html:
    contacts, called, empty = dossier.contacts, names("contacts"), say("vide")
    columns = {
        "Contact": [called[kind] for kind in contacts["kind"]],
        "Tel que publié": [contact or empty for contact in contacts["contact"]],
        "Domaines": contacts["domains"].tolist(),
    }
    caption = say("{n:contact publié|contacts publiés}", n=len(contacts))
    return columns_table(columns.items(), name="contacts", caption=caption, limit=limit)


def _changes(dossier: Dossier, limit: int) -> Html:
    held, changes, step = dossier.held, dossier.changes, dossier.common.step
    top, days = max((n for _, n in held), default=0) or 1, (held[-1][0] - held[0][0]).days if held else 0
    lists = macro("dossier.held", [((at - held[0][0]).days / (days or 1), n / top, at, n) for at, n in held])
    if changes is None or step is None:
        return joined(lists, table(pd.DataFrame(), empty="Il n’y a pas de liste antérieure à comparer."))
    columns = {
        "kind": "Nature", "domain": "Domaine", "before": "Avant", "after": "Après", "confidence": "Certitude",
    }  # fmt: skip
    between = {"a": step.start or "–", "b": step.end or "–"}
    if changes.empty:
        none = say("Rien n’a changé pour vous entre les listes du {a} et du {b}.", **between)
        return joined(lists, paragraph("none", none))
    caption = say("{n:changement} entre les listes du {a} et du {b}", n=len(changes), **between)
    words = {"kind": names("changes"), "confidence": names("confidences")}
    named = {column: changes[column].map(called) for column, called in words.items()}
    texts = changes.assign(**named).rename(columns=columns)
    return joined(lists, _once(texts, "changes", limit, texts, caption=caption))


# What shows each section of a page, in their order.
SECTIONS: dict[str, Callable[[Dossier, int], Html]] = {
    "answer": _answer, "correct": _correct, "peers": _peers, "identity": _identity,
    "certificates": _certificates, "domains": _domains, "contacts": _contacts, "changes": _changes,
}  # fmt: skip
