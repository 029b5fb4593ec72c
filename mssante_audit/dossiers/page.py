"""The page of one dossier: sections of a template, filled from the dossier's facts."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from mssante_audit.base.language import gettext, percent
from mssante_audit.dossiers.facts import Dossier
from mssante_audit.report.charts import largest
from mssante_audit.report.findings import title_of
from mssante_audit.report.first import counts
from mssante_audit.report.html import Html, card, joined, macro, names, say
from mssante_audit.report.tables import table

NOTEBOOK = "operator"  # shows the same sections, with the frames they are made of at hand


def section(dossier: Dossier, name: str, limit: int = 500) -> Html:
    """Return one of the `SECTIONS` of a dossier's page, of a table `limit` rows at most."""
    return joined(macro("dossier.heading", name), SECTIONS[name](dossier, limit))


def _severities(dossier: Dossier) -> pd.Series:
    """Return how many points there are of each severity that an operator is asked about, worst first."""
    counts = pd.Series([point.severity for point in dossier.points], dtype="str").value_counts()
    return counts.reindex(["critical", "error", "warning"], fill_value=0)


def _answer(dossier: Dossier, limit: int) -> Html:
    words = ("{n:critique}", "{n:erreur}", "{n:avertissement}")
    sentences = [say(text, n=int(n)) for text, n in zip(words, _severities(dossier), strict=True) if n]
    signature = names("signatures")[dossier.space.whitelist.signature.status]
    return macro("dossier.answer", dossier, sentences, counts(dossier.verdicts), signature)


def _correct(dossier: Dossier, limit: int) -> Html:
    findings = dossier.findings
    expected = (say(" (attendu : ") + findings["expected"] + ")").where(findings["expected"] != "", "")
    each = pd.DataFrame({
        "Gravité": findings["severity"],
        "Constat": findings["rule"].map(title_of),
        "Domaine": findings["domain"].replace("", "–"),
        "Constaté": findings["observed"] + expected,
        "Que faire": [dossier.remedies[key] for key in findings["fingerprint"]],
    })  # fmt: skip
    summed, doubted = dossier.todo.index, dossier.doubted.index
    noun = "{n:constat que ces points résument|constats que ces points résument}"
    rest = "{n:autre constat, sans rien à faire pour vous|autres constats, sans rien à faire pour vous}"
    parts = (
        ("findings", noun, each.loc[summed]),
        ("unsure", "{n:constat} à confirmer", each.loc[doubted]),
        ("findings-folded", rest, each.drop(index=[*summed, *doubted])),
    )
    folds = {
        say(words, n=len(part)): _once(part.reset_index(drop=True), name, limit)
        for name, words, part in parts
        if len(part)
    }
    return macro("dossier.correct", dossier.points[:limit], folds)


def _once(rows: pd.DataFrame, name: str, limit: int, **more: Any) -> Html:
    """Return a table without the columns that say the same in all its rows, which are said once above it."""
    values = rows.iloc[:, 1:].select_dtypes(["object", "str"])
    same = [column for column in values if len(rows) > 1 and values[column].nunique(dropna=False) == 1]
    alike = [(gettext(str(column)), rows[column].iloc[0]) for column in same if rows[column].iloc[0] != ""]
    shown = table(rows.drop(columns=same), name=name, limit=limit, **{"csv": rows, **more})
    return joined(macro("dossier.alike", alike), shown)


def _peers(dossier: Dossier, limit: int) -> Html:
    peers, yours = dossier.peers, _severities(dossier)
    medians = pd.Series(peers.medians, dtype="float64").reindex(yours.index)
    shown = pd.DataFrame({"Vous": yours, "Médiane": medians}).dropna(axis="columns", how="all")
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
    shown = shown.rename(index=names("severities")).rename_axis("Gravité")
    return table(shown, name="peers", caption=caption, bar="Vous")


def _identity(dossier: Dossier, limit: int) -> Html:
    rows = dossier.entries
    columns = ("department", "operator", "igc")
    places, operators, authorities = (list(filter(None, rows[name].unique())) for name in columns)
    kind, called = f" ({dossier.kind})" if dossier.kind else "", names("departments")
    facts = {
        "Nom": operators or say("aucun"),
        "Identifiant": dossier.operator_id + kind,
        "Département": [f"{called[at]} ({at})" for at in places if at in called] or say("inconnu"),
        "Autorité des certificats": authorities or say("inconnue"),
    }
    return card(facts, "Votre identité")


def _certificates(dossier: Dossier, limit: int) -> Html:
    held, only = dossier.certificates, dossier.space.alone  # rows of domains that have no other certificate
    first, _ = largest(held.set_index("cn")["domains"])
    alone = only["domain"].isin(dossier.domains["domain"]) & (only["cn"] == first)
    words = "Si le certificat {first} expire, {n:domaine} sur {all} {n:~tombe|tombent}, faute d’un autre."
    n, every = only.loc[alone, "domain"].nunique(), len(dossier.domains)
    more = {"caption": say(words, first=first, n=n, all=every), "empty": "Aucun certificat.", "csv": None}
    shown = held.replace({"igc": {"": say("inconnue")}})
    shown = shown.set_axis(["Nom (CN)", "Autorité", "Domaines"], axis=1)
    columns = {
        "until": "Fin", "days": "Jours", "cn": "Nom (CN)", "hosts": "Serveurs", "domains": "Domaines",
        "alone": "Domaines sans autre", "spare": "Jours qui restaient au précédent",
    }  # fmt: skip
    ends = dossier.presented if dossier.presented is not None else pd.DataFrame(columns=list(columns))
    risky = ends[ends["alone"] > 0]
    over, coming = risky[risky["days"] < 0], risky[risky["days"] >= 0].to_dict("records")
    seen = dossier.presented is not None
    ended = macro("dossier.ends", seen, int(over["alone"].sum()), coming[0] if coming else None)
    written = ends.assign(spare=ends["spare"].astype("Int64"))[list(columns)].rename(columns=columns)
    caption = say("{n:certificat} que présentent vos serveurs, la fin la plus proche d’abord", n=len(ends))
    none = "Aucun de vos certificats n’a été vu sur un serveur."
    return joined(
        _once(shown, "certificates", limit, bar="Domaines", **more),
        ended,
        table(written, name="ends", caption=caption, csv=ends, limit=limit, empty=none),
    )


def _domains(dossier: Dossier, limit: int) -> Html:
    listed, seen = dossier.domains, dossier.space.observation is not None
    means = {"delegated": "delegation", "within-delegated": "delegation", "redirected": "redirection"}
    asked = listed["declared"].isin(["delegation", "redirection"])
    same = int((listed["method"].map(means) == listed["declared"])[asked].sum())
    methods = listed["method"].map(names("methods"))
    each = [say("{n:domaine} : {how}", n=int(n), how=how) for how, n in methods.value_counts().items()]
    declared = listed["declared"].map(names("declared")).fillna(say("rien"))
    columns = {
        "Domaine": listed["domain"],
        "Description": listed["description"],
        "Certificats": listed["certificates"],
        "DNS déclaré": declared if dossier.space.register is not None else say("inconnu"),
        "DNS en service": methods.fillna(say("non observé")) if seen else say("non observé"),
        "Pourquoi": listed["why"] if seen else "",
        "Déclaration": listed["status"].map(names("statuses")).fillna(say("pas de registre")),
    }
    shown = pd.DataFrame(columns)
    caption = say("{n:domaine dans la liste|domaines dans la liste}", n=len(listed))
    summary = macro("dossier.methods", seen, each, same, int(asked.sum()))
    return joined(summary, _once(shown, "domains", limit, csv=listed, caption=caption))


def _contacts(dossier: Dossier, limit: int) -> Html:
    shown = dossier.contacts.assign(kind=dossier.contacts["kind"].map(names("contacts")))
    shown = shown.replace({"contact": {"": say("vide")}})
    shown = shown.set_axis(["Contact", "Tel que publié", "Domaines"], axis=1)
    caption = say("{n:contact publié|contacts publiés}", n=len(shown))
    return table(shown, name="contacts", caption=caption, limit=limit)


def _changes(dossier: Dossier, limit: int) -> Html:
    held, changes, step = dossier.held, dossier.changes, dossier.common.step
    most, days = max((n for _, n in held), default=0) or 1, (held[-1][0] - held[0][0]).days if held else 0
    lists = macro("dossier.held", [((at - held[0][0]).days / (days or 1), n / most, at, n) for at, n in held])
    columns = {
        "kind": "Nature", "domain": "Domaine", "before": "Avant", "after": "Après", "confidence": "Certitude",
    }  # fmt: skip
    if changes is None or step is None:
        none, caption = "Il n’y a pas de liste antérieure à comparer.", ""
        changes = pd.DataFrame(columns=list(columns))
    else:
        between = {"a": step.start or "–", "b": step.end or "–"}
        none = say("Rien n’a changé pour vous entre les listes du {a} et du {b}.", **between)
        caption = say("{n:changement} entre les listes du {a} et du {b}", n=len(changes), **between)
    words = {"kind": names("changes"), "confidence": names("confidences")}
    named = {column: changes[column].map(called) for column, called in words.items()}
    shown = changes.assign(**named).rename(columns=columns)
    return joined(lists, table(shown, name="changes", caption=caption, empty=none, limit=limit))


# What shows each section of a page, in their order.
SECTIONS: dict[str, Callable[[Dossier, int], Html]] = {
    "answer": _answer, "correct": _correct, "peers": _peers, "identity": _identity,
    "certificates": _certificates, "domains": _domains, "contacts": _contacts, "changes": _changes,
}  # fmt: skip
