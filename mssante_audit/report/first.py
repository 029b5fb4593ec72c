"""The first screen of index, overview and site: one question, its answer, what was checked, what comes first.

The question is whether mail arrives; where nobody looked, whether the list is in order. Each function shows
a frame: the domains (`mssante_audit.verdicts.domains`) or the causes (`mssante_audit.findings.causes`).
"""

import re
from collections import Counter

import pandas as pd

from mssante_audit.audits import audit_all
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import count, current_language, gettext, listing, percent
from mssante_audit.findings.catalogue import CHECKS
from mssante_audit.findings.causes import causes as merged
from mssante_audit.findings.registry import catalogue, rule
from mssante_audit.report.findings import NO_LINKS, Links, title_of
from mssante_audit.report.html import Html, joined, macro, paragraph, say
from mssante_audit.report.results import EVERYBODY, Limits, limited, touching
from mssante_audit.report.tables import csv_link
from mssante_audit.space.states import named
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import HIDDEN, mask, unnamed
from mssante_audit.verdicts.checks import ORDERS, RECEIVES, RECEPTION, RESULTS
from mssante_audit.verdicts.domains import answers, doubts
from mssante_audit.verdicts.domains import domains as domains_frame
from mssante_audit.verdicts.words import CHECK_NAMES, DOUBTS, capital, reason

_DN = re.compile(r"CN=([^,;]+),(?:[A-Z]+=[^,;]*,)*C=[A-Z]{2}\b")
_ADDRESS = re.compile(r" \([\d.:a-f]+[.:][\d.:a-f]*\)")
# A server that presents a certificate of its own name, and no other: its name once is enough
_TWICE = re.compile(r"(?<!\S)([\w-]+(?:\.[\w-]+)+)((?:\s?: [^;]*?)?)(?: \w+ |\s?; )\1(?=\s?;|$)")
CAUSES = 10  # Causes that are shown
MARKS = dict(zip(RESULTS, "✔!✖?", strict=True))  # A shape each: nothing is shown by colour alone
# Each question; `first.html.j2` has the sentences that answer it
QUESTIONS = {"arrives": "Le courrier arrive-t-il ?", "order": "La liste est-elle en règle ?"}
COLUMNS = {"arrives": "receives", "order": "order"}  # Where the domains' answers to each question stand
# How an answer looks: as the result of a check
RESULT_OF = dict(zip((*RECEIVES, *ORDERS), RESULTS * 2, strict=True))


def judged(space: TrustSpace, chosen: Limits = EVERYBODY) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the domains that something is limited to, and what is to be put right of them first."""
    verdicts, rows = domains_frame(space), limited(space.audited, chosen)
    causes = causes_of(space, touching(audit_all(space), space, chosen), rows)
    return verdicts[verdicts["domain"].isin(set(rows["domain"]))], causes


def causes_of(space: TrustSpace, findings: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the causes of findings on some rows of the list, with whom to call (`with_contacts`)."""
    unsure = doubts(space, findings, domains_frame(space))
    return with_contacts(merged(findings, rows, space.published, unsure), space)


def with_contacts(causes: pd.DataFrame, space: TrustSpace) -> pd.DataFrame:
    """Return causes with whom to call, as far as the space shows it: a column `contact`, "" for nobody."""
    keys = ["domain", "operator_id"]
    rows = space.entries[space.entries["operator_id"] != ""].drop_duplicates(keys).set_index(keys)
    listed = rows["support_contact"].where(rows["support_contact"] != "", rows["project_contact"]).to_dict()
    contacts = [listed.get(key, "") for key in zip(*(causes[name] for name in keys), strict=True)]
    if not space.show_contacts:
        contacts = [mask(contact, services=space.contacts == "services") for contact in contacts]
        contacts = [", ".join(part for part in text.split(", ") if part != HIDDEN) for text in contacts]
    return causes.assign(contact=contacts)


def question(domains: pd.DataFrame) -> str:
    """Return the first question for which there are data, ``arrives`` or ``order``."""
    looked = domains["observed_at"].notna().any() or {*domains["receives"].tolist()} - {"unknown"}
    return "arrives" if looked else "order"


def unchecked(domains: pd.DataFrame) -> list[str]:
    """Return the names of the checks of which nothing is known for any of the domains."""
    names = CHECK_NAMES[current_language()]
    return [names[check] for check in CHECKS if set(domains[check].tolist()) == {"unknown"}]


def question_asked(domains: pd.DataFrame) -> str:
    """Return that question in words: the title of a page."""
    return gettext(QUESTIONS[question(domains)])


def answer(domains: pd.DataFrame) -> Html:
    """Show the sentence on top: how many domains are well."""
    axis, total, explanation = question(domains), len(domains), ""
    counted = answers(domains)[axis]
    if counted["unknown"] == total:
        doubted, column = DOUBTS[current_language()], "receives" if axis == "arrives" else "listed"
        doubts_of_list = [doubted[c] for c in _codes(domains["why"], "listed") if c in doubted]
        reasons = [reason(c) for c, _ in _codes(domains["why"], column).most_common(1)]
        explanation = listing(doubts_of_list or reasons or ["–"])
    share = percent(next(iter(counted.values())), total)
    return macro("first.answer", axis, counted, total, share, explanation)


def _codes(whys: pd.Series, check: str) -> Counter[str]:
    """Count the codes that decide one of the answers on some domains."""
    return Counter(code for codes in whys for code in codes.get(check, ()))


def first_cause(causes: pd.DataFrame) -> Html:
    """Show the first cause of `cause_list` that is known to hold, and what it weighs."""
    if causes.empty:
        return macro("first.first_cause")
    cause = causes.head(1).to_dict("records")[0]
    operator, boxes = unnamed(cause["operator"]) or cause["operator_id"], cause["mailboxes"]
    weight = None if pd.isna(boxes) else int(boxes)
    return macro("first.first_cause", cause, title_of(cause["rules"][0]), operator, weight, len(causes))


def counts(domains: pd.DataFrame, *, for_operator: bool = False) -> Html:
    """Show how many domains have each answer to the first question, and the mailboxes in them, as one bar.

    Below it stands how many have each answer to the other one. An operator is not told which command of
    ours would say more.
    """
    main, axes = question(domains), answers(domains)
    other = next(axis for axis in QUESTIONS if axis != main)
    boxes = _boxes(domains, COLUMNS[main])
    parts = [(a, RESULT_OF[a], n, boxes.get(a, 0) if boxes else None) for a, n in axes[main].items()]
    has_boxes = boxes is not None or domains.empty
    return macro(
        "first.counts", main, other, parts, axes[other], MARKS, has_boxes, unchecked(domains), for_operator
    )


def _boxes(domains: pd.DataFrame, by: str) -> dict[str, int] | None:
    """Return the mailboxes in the domains of each answer or result; ``None`` where they are not known."""
    if domains.empty or domains["mailboxes"].isna().any():
        return None
    return {str(value): int(n) for value, n in domains.groupby(by)["mailboxes"].sum().items()}


def checks(domains: pd.DataFrame, causes: pd.DataFrame | None = None) -> Html:
    """Show a line a check: domains and mailboxes by result, what decides, a link to its causes if given.

    A cause counts for each check that one of its rules decides; one without any names the check that has it.
    """
    lines, names, rules = [], CHECK_NAMES[current_language()], catalogue().keys()
    for check in CHECKS:
        by_result = {r: domains[domains[check] == r] for r in RESULTS if (domains[check] == r).any()}
        unsure = [] if causes is None else _deciding(causes, check)["doubts"].map(len).tolist()
        reasons = [gettext("Rien à signaler.")] if [*by_result] == ["ok"] else []
        worst = [result for result in ("fail", "warn") if result in by_result][:1]
        for result in (*worst, *({"unknown"} & by_result.keys())):
            for code, n in _codes(by_result[result]["why"], check).most_common(1):
                words = title_of(code) if code in rules else reason(code)
                reasons.append(f"{capital(words)} ({count(n, 'domaine')})")
        # The walk found the fault of these domains, and a rule of another check reports it.
        whys = by_result[worst[0]]["why"].tolist() if worst and causes is not None and not unsure else []
        beside = [c for c in RECEPTION if whys and all(rules & {*why.get(c, ())} for why in whys)]
        lines.append(
            {
                "check": check, "name": names[check], "beside": [names[c] for c in beside][:1],
                "held": {result: len(part) for result, part in by_result.items()},
                "boxes": _boxes(domains, check),
                "why": reasons, "sure": unsure.count(0), "unsure": len(unsure) - unsure.count(0),
            }
        )  # fmt: skip
    aged = len(domains) > 0 and bool((domains["listed"] == "unknown").all())
    return macro("first.checks", lines, MARKS, len(domains), aged, causes is not None)


def _deciding(causes: pd.DataFrame, check: str) -> pd.DataFrame:
    return causes[causes["checks"].map(lambda decided: check in decided).astype("bool")]


def cause_list(causes: pd.DataFrame) -> Html:
    """Show the first ten causes: what, who, what to do, how much it weighs; all of them as CSV."""
    if causes.empty:
        return cause_lines(causes)
    link = csv_link(causes.assign(domain=causes["domain"].map(unnamed)), min(CAUSES, len(causes)), "causes")
    return joined(cause_lines(causes), link, by_check(causes))


def by_check(causes: pd.DataFrame, links: Links = NO_LINKS) -> Html:
    """Return the first ten causes of each check, folded, where the lines of `checks` lead."""
    names, parts = CHECK_NAMES[current_language()], []
    for check in CHECKS:
        causing = _deciding(causes, check)
        if len(causing):
            lines = cause_lines(causing, links, "causes of-check")
            parts.append((check, names[check], len(causing), max(0, len(causing) - CAUSES), lines))
    return macro("first.by_check", parts)


def cause_lines(causes: pd.DataFrame, links: Links = NO_LINKS, kind: str = "causes") -> Html:
    """Show the first ten causes, with links to rule, operator and dossier where there are pages of them."""
    if causes.empty:
        return paragraph("none", say("Rien à corriger."))
    lines = []
    for cause in causes.head(CAUSES).to_dict("records"):
        code, owner, since = cause["rules"][0], cause["operator_id"], cause["first_seen"]
        boxes, age = (None if pd.isna(n) else int(n) for n in (cause["mailboxes"], cause["age_days"]))
        line = cause | {
            "severity": str(cause["severity"]), "title": title_of(code), "rule_href": links.rule(code),
            "others": cause["findings"] - 1, "manager": rule(code).manager,
            "operator": unnamed(cause["operator"]) or owner, "operator_href": links.operator(owner),
            "dossier": links.dossier(owner), "with": len(set(cause["operators"]) - {owner}),
            "domain": unnamed(cause["domain"]), "since": parse_instant(since) if since else None,
            # What is wrong with contacts alone names them already: nobody knows whether one is right.
            "contact": "" if set(cause["checks"]) <= {"contacts"} else cause.get("contact", ""),
            "short": _short_names(cause["observed"], cause["expected"]),
            "doubts": [named(name) for name in cause["doubts"]], "age": age, "boxes": boxes,
        }  # fmt: skip
        lines.append(line)
    return macro("first.causes", lines, kind, MARKS)


def _short_names(observed: str, expected: str) -> tuple[str, str]:
    """Return texts with certificates by their CN and servers without address, unless both are then one.

    >>> _short_names("CN=m.x.fr,O=X,C=FR sur m.x.fr (192.0.2.1) ; inscrit nulle part", "")[0]
    'm.x.fr ; inscrit nulle part'
    >>> _short_names("m.x.fr : 10 jours ; m.x.fr ; 40 domaines", "")[0]
    'm.x.fr : 10 jours ; 40 domaines'
    >>> _short_names("m.x.fr sur m.x.fr, n.x.fr", "")[0]
    'm.x.fr sur m.x.fr, n.x.fr'
    """
    left, right = (_ADDRESS.sub("", _DN.sub(r"\1", text)) for text in (observed, expected))
    left = _TWICE.sub(r"\1\2", left)
    return (left, right) if left != right else (observed, expected)
