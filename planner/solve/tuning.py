"""Every number that the search was tuned by.

They were found by measuring (docs/engine.md has the figures, the decisions named here what else was tried). None of
them decides what a plan is or what is proven: they say where time goes. Tolerances of proofs stand where they are used.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """Seconds and rounds of the parts of the search. They grow with what one exact evaluation costs."""

    polish_rounds: int = 4
    settle_rounds: int = 12
    polish_seconds: float = 2.0
    half_seconds: float = 4.0
    bound_seconds: float = 20.0
    branch_seconds: float = 3.0

    @classmethod
    def suited(cls, seconds: float, choices: int) -> Effort:
        """To evaluations of so many seconds and masters of so many choices."""
        factor = min(max(seconds / 0.5, choices / TUNING.quick_choices), 6.0)
        if factor < 1.0:
            return cls()
        rounds = (3, 8) if seconds >= 0.5 else (4, 12)
        return cls(*rounds, 2.0 + factor, 4.0 * factor, 20.0 * min(factor, 3.0), 3.0 + factor)


@dataclass(frozen=True)
class Tuning:
    """Gaps and shares are parts of one; seconds are of the wall clock unless CPU is said."""

    # --- routes: where they change places (docs/engine.md)
    one_piece_columns: int = 8_000
    """Up to so many columns in one piece: proven in the time that worker processes take to start."""
    close_gap: float = 5e-4
    close_columns: int = 20_000
    """A gap near nothing is the business of one tree, up to so many columns."""
    linear_columns: int = 300_000
    """Without whole numbers, in one piece for as long as HiGHS finishes in about a minute."""
    window_periods: int = 2
    """Periods whose whole numbers relax-and-fix decides at a time."""
    small_columns: int = 3_000
    """One tree finds a plan of so few columns at once: none is looked for before."""
    first_seconds: float = 5.0
    """Of the plan of one future that is carried over to all; the root of its tree mostly takes less."""

    first_grace_seconds: float = 60.0
    """Beyond the time limit, for the evaluation of a first plan: 30 s on the national example, idle."""

    # --- begin: a point near the relaxation's optimum
    start_columns: int = 25_000
    """The merged program is solved in one piece for a start up to so many columns: 2 to 5 s of CPU."""
    start_steps: tuple[int, ...] = (6, 4, 3, 2, 1)
    start_limit: int = 150_000
    """On one step, too, up to so many columns; beyond, a mean day of one future stands for all."""
    faithful: float = 0.03
    """Merged steps are faithful when their optimum costs at most so much more in truth: then they are solved in whole
    numbers in one piece, since they know what it costs to put orders and gangs together in one place."""
    merged_steps: int = 6
    merged_block_columns: int = 20_000
    """Merged rounds pay where one exact round costs much more than one on merged steps: blocks of so many columns."""
    rough_gap: float = 0.02
    exact_share: float = 1 / 8
    merged_gap: float = 0.006
    merged_share: float = 0.2
    """There, the relaxation goes on merged steps alone to the rough gap, then to the merged one with this share of the
    days exact; it ends after that share of the time."""

    # --- relaxation
    in_out: float = 0.3
    """How far a point lies from the stabilised one towards the master's optimum (in-out, Ben-Ameur and Neto 2007)."""
    relaxation_gap: float = 0.002
    """The relaxation is closed so far before whole numbers are looked for."""
    relaxation_share: float = 0.4
    relaxation_after: float = 0.15
    """A plan must stand in the end: the search starts at the latest after this share of the time, or so much later than
    an early plan of large blocks."""
    kept_points: int = 12
    """Cuts handed on for a later solve: those tight at so many last points."""
    sample_futures: int = 3
    """Where the blocks of a day differ by their future, so many stand for all in a sampled evaluation: prices of three
    of ten give the other seven cuts with .93 to 1.00 of their values (XL), in a twentieth of the time."""
    sample_stays: int = 4
    """The same ones so many times in a row: a block that was solved last time takes a third of the time."""

    # --- fix and solve
    base_points: int = 60
    """Optima of relaxations whose tight cuts are kept in every pruned master."""
    few_blocks: float = 0.25
    """More cuts are made for a few blocks only: at most this share of all."""
    between: tuple[float, ...] = (0.25, 0.5, 0.75)
    """Where they are made, on the way from a plan to where the cuts are good."""
    agreed: float = 5e-4
    of_gap: float = 0.05
    """Master and truth tell the same where they differ by no more than this part of a plan's cost, or of its gap."""
    hinted_integers: int = 1000
    """SCIP, which can begin from a plan, makes something of masters with so many integers; HiGHS of larger ones."""
    quick_choices: int = 500
    """HiGHS makes something of masters with so many choices in the seconds that `Effort` begins with."""
    elite: int = 8
    """Best plans that are remembered."""
    polish_gap: float = 1e-3
    """Polishing ends where the relaxation under held switches is so close."""
    settle_gap: float = 5e-3
    """Gap of the first integer master of a fix and solve; then a fifth of what it was last off by."""
    settle_misses: int = 4
    """Rounds without a better plan after which a fix and solve is given up."""
    error_share: float = 0.9
    """The blocks that have this share of the master's error get more cuts."""

    # --- first plans
    slope_rounds: int = 6
    """Of dynamic slope scaling."""
    early_rounds: int = 2
    """Integer masters before the first exact evaluation."""

    # --- neighbourhoods
    distance: int = 6
    far: int = 24
    """First-stage binaries that may differ in local branching, at first and when nothing was found near."""
    patience: int = 4
    """Tries without a better plan before a neighbourhood is changed."""
    part_share: float = 0.25
    """How much of the plan a large neighbourhood search frees at first."""
    longest: float = 4.0
    """A neighbourhood in which nothing was found is given up to so many times its seconds."""

    # --- bounds
    small_master: int = 200
    """A master of so few integers is solved outright."""
    before_end_seconds: float = 1.5
    """A bound is told when a solve ends: the last one must not be cut off by the time limit."""

    # --- merged steps in whole numbers
    merged_first_gap: float = 0.03
    great_gap: float = 0.01
    """A plan under great choices need not be closer than this: its neighbourhood is searched next."""
    exact_points: int = 2
    """Best plans whose exact cuts the merged program has."""
    end_points: int = 6
    """Points at which the bound ended whose exact cuts it has from then on."""
    settled: float = 5e-4
    """A neighbourhood is left when it can hide no more than this below the best plan."""

    # --- several futures, each by itself (decisions 0120, 0121, 0220, 0221)
    typical: float = 0.8
    """A plan for one future in place of all is made for the one at this quantile of what they ask for."""
    root_gap: float = 0.02
    root_nodes: int = 1
    """A first plan, or a sketch of a comparison's, need not be closer, nor its tree go beyond the root: it ends at the
    same place whatever else the machine does. Closer takes twice the time and found the same plan (0073)."""
    probed: int = 1_000
    """Binaries worth a linear program each: more of them in a branch are not tried."""
    first_gap: float = 0.03
    later_gap: float = 0.01
    last_gap: float = 1e-3
    """Of whole numbers under a leaf: for the first plan, for those after it, and at the end."""
    rest_share: float = 0.35
    wider_share: float = 0.08
    wider_seconds: float = 5.0
    """Parts of the time that is left for whole numbers under campaigns; a wider box has less, and at least so long."""
    near_share: float = 0.1
    near_seconds: float = 3.0
    """The same for a neighbourhood of one future's late decisions."""
    prices_share: float = 0.2
    """Prices of what is shared take no more than this part of the time."""
    generous: float = 2.0
    """A first plan bills so many times what merged steps draw: hours draw more than their mean."""
    widest: int = 4
    """Nothing was found in boxes of so many steps: the search waits for the bound."""
    beyond: tuple[float, ...] = (0.0, 0.005, 0.01, 0.02)
    """Trees grow until what is open costs so much more than the best leaf; more each time, as leaves are refined."""
    nodes: int = 6
    """Nodes of a tree at a time: a few seconds on the national example."""
    refined_share: float = 0.4
    refined_seconds: float = 10.0
    refined_gap: float = 1e-3
    """A refined leaf has this part of the time that is left, and at least so long; it is refined so close."""
    refined_points: int = 2
    """Last plans at which exact cuts are taken for it."""


TUNING = Tuning()
