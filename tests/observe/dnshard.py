"""Cases on which audits of the DNS are wrong: what is served, what resolvers do with it, what we must say.

They are in `dnshard.toml`. `dnsscene` serves them, `dnsresolvers` asks BIND, unbound and Knot Resolver about
each; `test_resolvers` holds `Hard.reached` to them, our verdict to what follows from that, and our findings.
"""

from dataclasses import dataclass

from dnscases import Case, read
from dnsresolvers import ADDRESSES

ALL, NONE = tuple(ADDRESSES), ()


@dataclass(frozen=True)
class Hard(Case):
    """A case with its truth, in the words at the head of the file."""

    method: str = ""
    reached: tuple[str, ...] | None = ALL  # ``None``: by chance
    unsound: str = ""
    postfix: bool = False
    learns: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        usual = "delegated" if any(" NS " in line for line in self.parent) else "redirected"
        object.__setattr__(self, "method", self.method or usual)
        if self.reached == "by chance":
            object.__setattr__(self, "reached", None)

    @property
    def learnt(self) -> tuple[str, ...]:
        """The zones whose servers are asked for first."""
        return (self.learns.replace("@", self.domain),) if self.learns else ()

    @property
    def receives(self) -> str:
        """What we must say: `yes`, `degraded` or `no`."""
        if self.reached == NONE:
            return "degraded" if self.postfix else "no"
        return "yes" if self.reached == ALL and not self.unsound else "degraded"


HARD = read("dnshard.toml", Hard)
