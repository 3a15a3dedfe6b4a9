"""One record for every constraint family, and the cost terms.

Row names, the places of broken limits, prices and docs/model.md go by these records; a test holds that every family of
rows in a program has one. What a limit says in words stands in `planner/words/i18n` as the verifier's checks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """id; formula of one row as in docs/model.md; its index sets in the order of the group's axes.

    page: the bold name in docs/model.md, which the verifier's checks go by; empty: the id. solver_only: a row of the
    program that is solved, not a limit of plans.
    """

    id: str
    formula: str
    index: str
    page: str = ""
    solver_only: bool = False

    @property
    def name(self) -> str:
        """The bold name in docs/model.md."""
        return self.page or self.id


FAMILIES: dict[str, Family] = {
    family.id: family
    for family in (
        Family(
            "stock",
            "stock_skt = standing_skt + sum_{tau<=t<tau+life_k} orders_sk,tau",
            "branch site module_type period",
        ),
        Family(
            "site_power",
            "sum_k peak_kw_k PUE+_st stock_skt / 1000 <= MW_st + sum_p mw_p phases_sp(<=t)",
            "branch site period",
        ),
        Family(
            "site_space",
            "sum_k racks_k stock_skt <= space_st + sum_p space_racks_p phases_sp(<=t)",
            "branch site period",
        ),
        Family("phase_count", "sum_t phases_spt <= max_count_p", "branch site phase"),
        Family(
            "site_open", "use_st <= limit_st sum_{tau<=t<tau+life_s} openings_s,tau", "branch site module_type period"
        ),
        Family("open_once", "sum_{t-life_s<tau<=t} openings_s,tau <= 1", "branch site period", page="site_open"),
        Family("supply", "sum_s orders_skt <= supply_kt", "branch module_type period"),
        Family(
            "type_present", "cap_skt <= M_skt type_present_skt", "branch site module_type period", page="type_count"
        ),
        Family("type_count", "sum_k type_present_skt <= max_module_types_s", "branch site period"),
        Family(
            "order_minimum",
            "orders_skt >= min_order_k order_on_skt",
            "branch site module_type period",
            page="order_size",
        ),
        Family("order_charge", "orders_skt <= M_skt order_on_skt", "branch site module_type period", page="order_size"),
        Family(
            "lease_growth",
            "lease_active_lt <= lease_active_l,t-1 + lease_start_lt",
            "branch lease period",
            page="lease_term",
        ),
        Family("lease_term", "lease_active_lt >= sum_{t-term<tau<=t} lease_start_l,tau", "branch lease period"),
        Family("budget", "sum of prepaid, arriving and opened capex in t <= budget_t", "branch period"),
        Family("vendor_share", "sum_{vendor} P_k orders <= cap sum_k P_k orders, up to t", "branch vendor period"),
        Family("domestic_share", "sum_{domestic} P_k orders >= floor_t sum_k P_k orders, up to t", "branch period"),
        Family("capacity_target", "sum_sk P_k cap_skt >= 1000 target_t", "branch period"),
        Family("build_ahead_minimum", "ahead_t >= minimum_t", "branch period", page="build_ahead"),
        Family(
            "ahead_training",
            "sum_sk ahead_gangs_jskt gang_cards theta eta (1-yield) >= ahead_t volume_jt / H_t",
            "branch workload period",
            page="build_ahead",
        ),
        Family(
            "ahead_gangs_fit",
            "sum_j G_jk ahead_gangs_jskt + sum_c G_ck on_cskt <= a_k cap_skt",
            "branch site module_type period",
            page="build_ahead",
        ),
        Family("build_ahead_maximum", "sum_sk a_k P_k cap_skt <= maximum_t P50_t", "branch period", page="build_ahead"),
        Family(
            "gangs_fit",
            "sum_j G_jk gangs_jskt + sum_c G_ck on_cskt + sum_w o_wk large_pool_wskt <= a_k cap_skt",
            "branch site module_type period",
        ),
        Family(
            "training",
            "sum_sk running_jskt gang_cards theta eta (1-yield) + training_shortfall_jt / H_t = volume_jt / H_t",
            "future workload period",
        ),
        Family("gang_running", "running_wjskt <= gangs_jskt", "future place_of_a_gang period"),
        Family(
            "training_service",
            "training_shortfall_jt / H_t <= (1 - minimum_service_j) volume_jt / H_t",
            "future workload period",
            page="minimum_service",
        ),
        Family("campaign_place", "sum_sk place_csk <= 1", "branch campaign", page="campaign"),
        Family(
            "campaign_run",
            "share_cskt <= on_cskt <= place_csk",
            "branch campaign site module_type period",
            page="campaign",
        ),
        Family(
            "campaign_work",
            "sum_skt share_cskt days_t gang_cards speed + unfinished_c card_days = card_days_c",
            "branch campaign",
            page="campaign",
        ),
        Family(
            "campaign_gang",
            "sum_{tau<=t} done_c,tau share_csk,tau <= sum_{tau<=t} orders_sk,tau / need_cskt",
            "branch campaign site module_type period",
            solver_only=True,
        ),
        Family(
            "campaign_periods",
            "unfinished_c + sum_sk [w_sk(S) place_csk + sum_{t not in S} (w_sk(S + t) - w_sk(S)) on_cskt] >= 1",
            "branch campaign set_of_periods",
            solver_only=True,
        ),
        Family(
            "gang_steps",
            "sum_j floor(G_j/G) gangs_jskt + sum_c floor(G_c/G) on_cskt <= g + (cap_skt - n_skt) / d",
            "branch site module_type period",
            solver_only=True,
        ),
        Family(
            "training_rounding",
            "sum_sk round_jk gangs_jskt + training_shortfall_jt / (a f) >= ceil(v_jt / a)",
            "future workload period",
            solver_only=True,
        ),
        Family("demand", "sum_s flow_wrsh + shortfall_wrh = D_wrh", "future period day workload origin step"),
        Family(
            "deferral",
            "backlog_h = backlog_{h-1} + delta_h (D_h - sum_s flow_sh - shortfall_h)",
            "future period day workload origin step",
        ),
        Family(
            "rate",
            "sum_rs flow_wrsh <= max_rate_factor_w mean_h D_wh",
            "future period day workload step",
            page="deferral",
        ),
        Family(
            "serving",
            "g_w sum_r flow_wrsh = sum_k theta_wk n_k (eta_w load_wskh + (a_wk - eta_w) in_large_wskh"
            " - a_wk o_wk large_pool_wskt)",
            "future period day workload site step",
        ),
        Family(
            "pool_part",
            "in_large_wskh <= load_wskh",
            "future period day workload site module_type step",
            page="large_pool",
        ),
        Family(
            "pool_size",
            "in_large_wskh <= M_wsk large_pool_wskt",
            "future period day workload site module_type step",
            page="large_pool",
        ),
        Family(
            "pool_whole",
            "load_wskh - in_large_wskh <= M_wsk (1 - large_pool_wskt)",
            "future period day workload site module_type step",
            page="large_pool",
        ),
        Family("capacity", "sum_w load_wskh + gangs <= a_k cap_skt", "future period day site module_type step"),
        Family(
            "yield_most",
            "active_jskh <= G_jk running_jsk",
            "future period day workload site module_type step",
            page="yield",
        ),
        Family(
            "yield_work",
            "sum_h delta_h active_jskh = (1 - max_yield) sum_h delta_h G_jk running_jsk",
            "future period day workload site module_type",
            page="yield",
        ),
        Family("bandwidth", "sum_w m_w flow_wrsh 8/3600 <= bandwidth_rst", "future period day region site step"),
        Family(
            "minimum_service",
            "sum_rh delta_h shortfall_wrh <= (1 - minimum_service_w) sum_rh delta_h D_wrh",
            "future period day workload",
        ),
        Family("demand_charge", "kW_stdh <= billed_kw_st", "future period day site step"),
        Family(
            "tariff_split",
            "sum_w load_wskg + sum_j active_jskg = sum_b in_slot_skgb",
            "future period day site module_type step",
            page="tariff_slots",
            solver_only=True,
        ),
        Family(
            "tariff_room",
            "in_slot_skgb <= share_gb (a_k cap_skt - gangs)",
            "future period day site module_type step slot",
            page="tariff_slots",
            solver_only=True,
        ),
        Family("carbon_cap", "sum_sdh N delta chi_s kW / 1000 <= cap_t", "future period"),
        Family("carbon_part", "emissions of (t, d) <= alloc_carbon_td", "future period day", page="carbon_cap"),
        Family("green_share", "sum (green_share_s - floor_t) energy >= 0", "future period"),
        Family(
            "green_part",
            "sum (green_share_s - floor_t) energy of (t, d) >= alloc_green_td",
            "future period day",
            page="green_share",
        ),
        Family("utilisation", "sum N delta busy >= floor_t H_t sum_sk cap_skt", "future period"),
        Family(
            "utilisation_part",
            "busy module-hours of (t, d) >= alloc_utilisation_td",
            "future period day",
            page="utilisation",
        ),
        Family(
            "resilience_demand",
            "sum_{s!=z} flow_wrs + slack = D_wr at the peak step",
            "future period lost_site workload origin",
            page="resilience",
        ),
        Family("risk_excess", "z_w >= cost_w - zeta", "future", page="cvar"),
    )
}

TERMS = (
    "capex",
    "order_charges",
    "phases",
    "openings",
    "opex",
    "leases",
    "leases_owed",
    "energy",
    "demand_charge",
    "carbon",
    "transfer",
    "shortfall",
)
