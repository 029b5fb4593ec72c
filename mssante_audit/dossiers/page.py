"""The page of one dossier: sections of a template, filled from the dossier's facts."""

from __future__ import annotations

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
from mssante_audit.verdicts.domains import domains

NOTEBOOK = "operator"
"""Shows the same sections, with the frames they are made of at hand."""


def section(dossier: Dossier, name: str, limit: int = 500) -> Html:
    """Return one of the `SECTIONS` of a dossier's page, of a table `limit` rows at most."""
    return joined(macro("dossier.heading", name), SECTIONS[name](dossier, limit))


def _answer(dossier: Dossier, limit: int) -> Html:
    found = pd.Series([point.severity for point in dossier.points], dtype="str").value_counts()
    words = {"critical": "{n:critique}", "error": "{n:erreur}", "warning": "{n:avertissement}"}
    sentences = [say(text, n=int(found[name])) for name, text in words.items() if name in found]
    signature = names("signatures")[dossier.space.whitelist.signature.status]
    known = domains(dossier.space)
    held = counts(known[known["domain"].isin(dossier.domains["domain"])])
    return macro("dossier.answer", dossier, sentences, held, signature)


def _correct(dossier: Dossier, limit: int) -> Html:
    points, found = dossier.points, dossier.findings
    expected = (say(" (attendu : ") + found["expected"] + ")").where(found["expected"] != "", "")
    each = pd.DataFrame(
        {
            "Gravité": found["severity"],
            "Constat": found["rule"].map(title_of),
            "Domaine": found["domain"].replace("", "–"),
            "Constaté": found["observed"] + expected,
            "Que faire": [dossier.remedies[key] for key in found["fingerprint"]],
        }
    )
    summed, doubted = dossier.todo.index, dossier.doubted.index
    noun = "{n:constat que ces points résument|constats que ces points résument}"
    rest = "{n:autre constat, sans rien à faire pour vous|autres constats, sans rien à faire pour vous}"
    parts = {
        "findings": (noun, each.loc[summed]),
        "unsure": ("{n:constat} à confirmer", each.loc[doubted]),
        "findings-folded": (rest, each.drop(index=[*summed, *doubted])),
    }
    folds = {
        say(words, n=len(part)): _once(part.reset_index(drop=True), name, limit)
        for name, (words, part) in parts.items()
        if len(part)
    }
    return macro("dossier.correct", points[:limit], folds)


def _once(rows: pd.DataFrame, name: str, limit: int, **more: Any) -> Html:
    """Return a table without the columns that say the same in all its rows, which are said once above it."""
    values = rows.iloc[:, 1:].select_dtypes(["object", "str"])
    same = [column for column in values if len(rows) > 1 and values[column].nunique(dropna=False) == 1]
    alike = [(gettext(str(column)), rows[column].iloc[0]) for column in same if rows[column].iloc[0] != ""]
    shown = table(rows.drop(columns=same), name=name, limit=limit, **{"csv": rows, **more})
    return joined(macro("dossier.alike", alike), shown)


def _peers(dossier: Dossier, limit: int) -> Html:
    peers, found = dossier.peers, pd.Series([p.severity for p in dossier.points], dtype="str").value_counts()
    limits = {"low": peers.low, "high": peers.high or 0}
    yours = found.reindex(["critical", "error", "warning"], fill_value=0)
    medians = pd.Series(peers.medians, dtype="float64").reindex(yours.index)
    shown = pd.DataFrame({"Vous": yours, "Médiane": medians}).dropna(axis="columns", how="all")
    size = say("1 domaine") if peers.high == peers.low else say("{low} à {high} domaines", **limits)
    size = say("{low} domaines et plus", **limits) if peers.high is None else size
    caption = say(
        "{own:point} à corriger ; trop peu d’opérateurs ont votre taille ({size}) pour vous comparer à eux "
        "sans les laisser deviner.",
        own=len(dossier.points),
        size=size,
    )
    if peers.number:
        caption = say(
            "{own:point} à corriger, contre {mid} en médiane pour les {n} autres opérateurs de votre taille "
            "({size}), dont la moitié centrale en a de {low} à {high} ; {share} en ont plus que vous.",
            own=len(dossier.points),
            mid=peers.whole[1],
            n=peers.number,
            size=size,
            low=peers.whole[0],
            high=peers.whole[2],
            share=percent(peers.more, peers.number),
        )
    shown = shown.rename(index=names("severities")).rename_axis("Gravité")
    return table(shown, name="peers", caption=caption, bar="Vous")


def _identity(dossier: Dossier, limit: int) -> Html:
    known = dossier.entries[["department", "operator", "igc"]].replace("", pd.NA)
    places, called = known["department"].dropna().unique(), names("departments")
    kind = f" ({dossier.kind})" if dossier.kind else ""
    facts = {
        "Nom": list(known["operator"].dropna().unique()) or say("aucun"),
        "Identifiant": dossier.operator_id + kind,
        "Département": [f"{called[at]} ({at})" for at in places if at in called] or say("inconnu"),
        "Autorité des certificats": list(known["igc"].dropna().unique()) or say("inconnue"),
    }
    return card(facts, "Votre identité")


def _certificates(dossier: Dossier, limit: int) -> Html:
    held, only = dossier.certificates, dossier.space.alone  # rows of domains that have no other certificate
    first, _ = largest(held.set_index("cn")["domains"])
    alone = only["domain"].isin(dossier.domains["domain"]) & (only["cn"] == first)
    reading = say(
        "Si le certificat {first} expire, {n:domaine} sur {all} {n:~tombe|tombent}, faute d’un autre.",
        first=first,
        n=only.loc[alone, "domain"].nunique(),
        all=len(dossier.domains),
    )
    shown = held.replace({"igc": {"": say("inconnue")}}).set_axis(
        ["Nom (CN)", "Autorité", "Domaines"], axis=1
    )
    return joined(
        _once(
            shown, "certificates", limit, csv=None, caption=reading, bar="Domaines", empty="Aucun certificat."
        ),
        _ends(dossier, limit),
    )


def _ends(dossier: Dossier, limit: int) -> Html:
    columns = {
        "until": "Fin", "days": "Jours", "cn": "Nom (CN)", "hosts": "Serveurs", "domains": "Domaines",
        "alone": "Domaines sans autre", "spare": "Jours qui restaient au précédent",
    }  # fmt: skip
    seen = dossier.presented is not None
    ends = dossier.presented if dossier.presented is not None else pd.DataFrame(columns=list(columns))
    alone = ends[ends["alone"] > 0]
    over, coming = alone[alone["days"] < 0], alone[alone["days"] >= 0].to_dict("records")
    first = macro("dossier.ends", seen, int(over["alone"].sum()), coming[0] if coming else None)
    shown = ends.assign(spare=ends["spare"].astype("Int64"))[list(columns)].rename(columns=columns)
    caption = say("{n:certificat} que présentent vos serveurs, la fin la plus proche d’abord", n=len(ends))
    none = "Aucun de vos certificats n’a été vu sur un serveur."
    return joined(first, table(shown, name="ends", caption=caption, csv=ends, limit=limit, empty=none))


def _domains(dossier: Dossier, limit: int) -> Html:
    listed, seen = dossier.domains, dossier.space.observation is not None
    means = {"delegated": "delegation", "within-delegated": "delegation", "redirected": "redirection"}
    asked = listed["declared"].isin(["delegation", "redirection"])
    same = int((listed["method"].map(means) == listed["declared"])[asked].sum())
    methods = listed["method"].map(names("methods"))
    each = [say("{n:domaine} : {how}", n=int(n), how=how) for how, n in methods.value_counts().items()]
    declared = listed["declared"].map(names("declared")).fillna(say("rien"))
    shown = pd.DataFrame(
        {
            "Domaine": listed["domain"],
            "Description": listed["description"],
            "Certificats": listed["certificates"],
            "DNS déclaré": declared if dossier.space.register is not None else say("inconnu"),
            "DNS en service": methods.fillna(say("non observé")) if seen else say("non observé"),
            "Pourquoi": listed["why"] if seen else "",
            "Déclaration": listed["status"].map(names("statuses")).fillna(say("pas de registre")),
        }
    )
    caption = say("{n:domaine dans la liste|domaines dans la liste}", n=len(listed))
    return joined(
        macro("dossier.methods", seen, each, same, int(asked.sum())),
        _once(shown, "domains", limit, csv=listed, caption=caption),
    )


def _contacts(dossier: Dossier, limit: int) -> Html:
    shown = dossier.contacts.assign(kind=dossier.contacts["kind"].map(names("contacts")))
    shown = shown.set_axis(["Contact", "Tel que publié", "Domaines"], axis=1)
    shown = shown.replace({"Tel que publié": {"": say("vide")}})
    caption = say("{n:contact publié|contacts publiés}", n=len(shown))
    return table(shown, name="contacts", caption=caption, limit=limit)


def _changes(dossier: Dossier, limit: int) -> Html:
    held = dossier.held
    most, days = max((n for _, n in held), default=0) or 1, (held[-1][0] - held[0][0]).days if held else 0
    lists = macro("dossier.held", [((at - held[0][0]).days / (days or 1), n / most, at, n) for at, n in held])
    columns = {
        "kind": "Nature", "domain": "Domaine", "before": "Avant", "after": "Après", "confidence": "Certitude",
    }  # fmt: skip
    changes = pd.DataFrame(columns=list(columns)) if dossier.changes is None else dossier.changes
    start, end = (time or "–" for time in dossier.span)
    none: str = say("Rien n’a changé pour vous entre les listes du {a} et du {b}.", a=start, b=end)
    none = "Il n’y a pas de liste antérieure à comparer." if dossier.changes is None else none
    caption = say("{n:changement} entre les listes du {a} et du {b}", n=len(changes), a=start, b=end)
    named = {
        "kind": changes["kind"].map(names("changes")),
        "confidence": changes["confidence"].map(names("confidences")),
    }
    shown = changes.assign(**named).rename(columns=columns)
    return joined(lists, table(shown, name="changes", caption=caption, empty=none, limit=limit))


SECTIONS: dict[str, Callable[[Dossier, int], Html]] = {
    "answer": _answer, "correct": _correct, "peers": _peers, "identity": _identity,
    "certificates": _certificates, "domains": _domains, "contacts": _contacts, "changes": _changes,
}  # fmt: skip
"""What shows each section of a page, in their order."""
