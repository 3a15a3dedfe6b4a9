"""One record for every constraint family, and the cost terms.

Row names, the verifier's checks and docs/model.md go by these records; a test holds that every family of rows in a
program has one. What a limit says in words stands in `planner/words/i18n` as the verifier's checks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """id; formula of one row, with its indices, as in docs/model.md.

    page: the bold name in docs/model.md, which the verifier's checks go by; empty: the id. solver_only: a row of the
    program that is solved, not a limit of plans.
    """

    id: str
    formula: str
    page: str = ""
    solver_only: bool = False

    @property
    def name(self) -> str:
        """The bold name in docs/model.md."""
        return self.page or self.id


FAMILIES: dict[str, Family] = {
    family.id: family
    for family in (
        Family("stock", "stock_skt = standing_skt + sum_{tau<=t<tau+life_k} orders_sk,tau - left_skt + moved_skt"),
        Family("departures", "sum_{e of i, t} departures_et <= n_i"),
        Family("site_power", "sum_k peak_kw_k PUE+_st stock_skt / 1000 <= MW_st + sum_p mw_p phases_sp(<=t)"),
        Family("site_space", "sum_k racks_k stock_skt <= space_st + sum_p space_racks_p phases_sp(<=t)"),
        Family("phase_count", "sum_t phases_spt <= max_count_p"),
        Family("site_open", "use_st <= limit_st sum_{tau<=t<tau+life_s} openings_s,tau"),
        Family("open_once", "sum_{t-life_s<tau<=t} openings_s,tau <= 1", page="site_open"),
        Family("supply", "sum_s orders_skt <= supply_kt"),
        Family("type_present", "cap_skt <= M_skt type_present_skt", page="type_count"),
        Family("type_count", "sum_k type_present_skt <= max_module_types_s"),
        Family("order_minimum", "orders_skt >= min_order_k order_on_skt", page="order_size"),
        Family("order_charge", "orders_skt <= M_skt order_on_skt", page="order_size"),
        Family("lease_growth", "lease_active_lt <= lease_active_l,t-1 + lease_start_lt", page="lease_term"),
        Family("lease_term", "lease_active_lt >= sum_{t-term<tau<=t} lease_start_l,tau"),
        Family("budget", "sum of prepaid, arriving and opened capex in t <= budget_t"),
        Family("commitment", "commitment_missing_a + sum_q N_aq >= commitment_a [signed_a]"),
        Family("agreement_signed", "reached_pq <= signed_a", page="price_break"),
        Family("break_volume", "needed_p reached_pq <= sum_{tau<=q} N_a,tau", page="price_break"),
        Family("break_orders", "discounted_pkt <= sum_s orders_skt", page="price_break"),
        Family("break_held", "discounted_pkt <= M_kt reached_p,t-lead", page="price_break"),
        Family("vendor_share", "sum_{vendor} P_k orders <= cap sum_k P_k orders, up to t"),
        Family("domestic_share", "sum_{domestic} P_k orders >= floor_t sum_k P_k orders, up to t"),
        Family("capacity_target", "sum_sk P_k cap_skt >= 1000 target_t"),
        Family("build_ahead_minimum", "ahead_t >= minimum_t", page="build_ahead"),
        Family(
            "ahead_training",
            "sum_sk ahead_gangs_jskt gang_cards theta eta (1-yield) >= ahead_t volume_jt / H_t",
            page="build_ahead",
        ),
        Family(
            "ahead_gangs_fit", "sum_j G_jk ahead_gangs_jskt + sum_c G_ck on_cskt <= a_k cap_skt", page="build_ahead"
        ),
        Family("build_ahead_maximum", "sum_sk a_k P_k cap_skt <= maximum_t P50_t", page="build_ahead"),
        Family("gangs_fit", "sum_j G_jk gangs_jskt + sum_c G_ck on_cskt + sum_w o_wk large_pool_wskt <= a_k cap_skt"),
        Family(
            "training",
            "sum_sk running_jskt gang_cards theta eta (1-yield) + training_shortfall_jt / H_t = volume_jt / H_t",
        ),
        Family("gang_running", "running_wjskt <= gangs_jskt"),
        Family(
            "training_service",
            "training_shortfall_jt / H_t <= (1 - minimum_service_j) volume_jt / H_t",
            page="minimum_service",
        ),
        Family("campaign_place", "sum_sk place_csk <= 1", page="campaign"),
        Family("campaign_run", "share_cskt <= on_cskt <= place_csk", page="campaign"),
        Family(
            "campaign_work",
            "sum_skt share_cskt days_t gang_cards speed + unfinished_c card_days = card_days_c",
            page="campaign",
        ),
        Family(
            "campaign_gang",
            "sum_{tau<=t} done_c,tau share_csk,tau <= sum_{tau<=t} orders_sk,tau / need_cskt",
            solver_only=True,
        ),
        Family(
            "campaign_periods",
            "unfinished_c + sum_sk [w_sk(S) place_csk + sum_{t not in S} (w_sk(S + t) - w_sk(S)) on_cskt] >= 1",
            solver_only=True,
        ),
        Family(
            "gang_steps",
            "sum_j floor(G_j/G) gangs_jskt + sum_c floor(G_c/G) on_cskt <= g + (cap_skt - n_skt) / d",
            solver_only=True,
        ),
        Family(
            "training_rounding",
            "sum_sk round_jk gangs_jskt + training_shortfall_jt / (a f) >= ceil(v_jt / a)",
            solver_only=True,
        ),
        Family("demand", "sum_s flow_wrsh + shortfall_wrh = D_wrh"),
        Family("deferral", "backlog_h = backlog_{h-1} + delta_h (D_h - sum_s flow_sh - shortfall_h)"),
        Family("rate", "sum_rs flow_wrsh <= max_rate_factor_w mean_h D_wh", page="deferral"),
        Family(
            "serving",
            "g_w sum_r flow_wrsh = sum_k theta_wk n_k (eta_w load_wskh + (a_wk - eta_w) in_large_wskh"
            " - a_wk o_wk large_pool_wskt)",
        ),
        Family("pool_part", "in_large_wskh <= load_wskh", page="large_pool"),
        Family("pool_size", "in_large_wskh <= M_wsk large_pool_wskt", page="large_pool"),
        Family("pool_whole", "load_wskh - in_large_wskh <= M_wsk (1 - large_pool_wskt)", page="large_pool"),
        Family("capacity", "sum_w load_wskh + gangs <= a_k cap_skt"),
        Family("yield_most", "active_jskh <= G_jk running_jsk", page="yield"),
        Family(
            "yield_work", "sum_h delta_h active_jskh = (1 - max_yield) sum_h delta_h G_jk running_jsk", page="yield"
        ),
        Family("bandwidth", "sum_w m_w flow_wrsh 8/3600 <= bandwidth_rst"),
        Family("minimum_service", "sum_rh delta_h shortfall_wrh <= (1 - minimum_service_w) sum_rh delta_h D_wrh"),
        Family("demand_charge", "kW_stdh <= billed_kw_st"),
        Family(
            "tariff_split",
            "sum_w load_wskg + sum_j active_jskg = sum_b in_slot_skgb",
            page="tariff_slots",
            solver_only=True,
        ),
        Family("tariff_room", "in_slot_skgb <= share_gb (a_k cap_skt - gangs)", page="tariff_slots", solver_only=True),
        Family("carbon_cap", "sum_sdh N delta chi_s kW / 1000 <= cap_t"),
        Family("carbon_part", "emissions of (t, d) <= alloc_carbon_td", page="carbon_cap"),
        Family("green_share", "sum (green_share_s - floor_t) energy >= 0"),
        Family("green_part", "sum (green_share_s - floor_t) energy of (t, d) >= alloc_green_td", page="green_share"),
        Family("utilisation", "sum N delta busy >= floor_t H_t sum_sk cap_skt"),
        Family("utilisation_part", "busy module-hours of (t, d) >= alloc_utilisation_td", page="utilisation"),
        Family("resilience_demand", "sum_{s!=z} flow_wrs + slack = D_wr at the peak step", page="resilience"),
        Family("risk_excess", "z_w >= cost_w - zeta", page="cvar"),
    )
}

DECIDED_TERMS = (
    "capex",
    "order_charges",
    "phases",
    "openings",
    "departures",
    "commitments",
    "opex",
    "leases",
    "leases_owed",
)
"""Terms of cost that are decided ahead of the hours: the same whatever is dispatched."""
HOURLY_TERMS = ("energy", "demand_charge", "carbon", "transfer", "shortfall")
"""Those that rest on the hours, too."""
TERMS = (*DECIDED_TERMS, *HOURLY_TERMS)
