"""Slips of the pen: texts one letter apart, found without comparing each with each."""

from collections.abc import Iterable, Iterator


def one_slip(wrong: str, right: str) -> bool:
    """Tell whether one letter missing, added, changed or two swapped make `wrong` of `right`.

    A digit is no slip: ``cd12`` and ``cd13`` are two names. (Damerau's distance of 1, without a library.)

    >>> one_slip("alhpa.fr", "alpha.fr"), one_slip("alpha.frr", "alpha.fr"), one_slip("cd12.fr", "cd13.fr")
    (True, True, False)
    """
    if wrong == right or abs(len(wrong) - len(right)) > 1:
        return False
    same = [a == b for a, b in zip(wrong, right, strict=False)]
    start = [*same, False].index(False)
    a, b = wrong[start:], right[start:]
    if a[:1].isdigit() or b[:1].isdigit():
        return False
    swapped = a[:2] == b[1::-1] and a[2:] == b[2:]
    return swapped or a[1:] == b[1:] or a[1:] == b or a == b[1:]


def cuts(name: str) -> set[str]:
    """Return a text, whole and with each letter left out: two texts one slip apart have one in common."""
    return {name, *(name[:i] + name[i + 1 :] for i in range(len(name)))}


def pairs(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each two texts one slip apart, in order, once.

    >>> list(pairs(["aix", "alpha", "alhpa", "alphas"]))
    [('alpha', 'alhpa'), ('alpha', 'alphas')]
    """
    first_with: dict[str, str] = {}
    several: dict[str, list[str]] = {}  # few cuts are of two texts
    for name in dict.fromkeys(names):
        candidates: dict[str, None] = {}
        for cut in cuts(name):
            first = first_with.setdefault(cut, name)
            if first != name:
                others = several.setdefault(cut, [first])
                candidates |= dict.fromkeys(others)
                others.append(name)
        for other in candidates:
            if one_slip(name, other):
                yield other, name
