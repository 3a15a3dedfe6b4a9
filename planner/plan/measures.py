"""What a plan costs, draws, emits and uses: cost terms, energy by tariff band, carbon, capacity and utilisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.case import BANDS, Costing, by_period
from planner.plan.extract import Values, leased
from planner.plan.extract_days import Days
from planner.plan.tables import TABLES
from planner.program.instance import Instance
from planner.program.power import phase_places
from planner.program.training import campaign_sizes, gang_sizes, stays_put


@dataclass(frozen=True)
class Meter:
    """Per future: it_kw and facility_kw (F, T, D, S, H), gangs and campaigns counted for the part that they run."""

    it_kw: FloatArray
    facility_kw: FloatArray
    busy: FloatArray  # (F, S, K, T, D, H) modules at work
    held: FloatArray  # (F, S, K, T) modules that gangs and campaigns hold without being at work


def read_meter(inst: Instance, values: Values, days: Days) -> Meter:
    """docs/model.md, energy: kW = PUE sum_k [idle cap + dynamic busy]."""
    working = _gang_modules(inst, values["gangs_running"], values["campaign_share"][inst.branch_of])
    held = _gang_modules(inst, values["gangs"][inst.branch_of], values["campaign_on"][inst.branch_of])
    return _meter(inst, values, days, working, held - working)


def billed_power(inst: Instance, values: Values, days: Days) -> FloatArray:
    """(B, S, T, C) the least billed demand that covers every step of a bill's typical days; 0 where none is charged.

    A campaign that is on and a gang that may not yield count with all their modules, whatever part of the period they
    run.
    """
    held = _gang_modules(inst, values["gangs"][inst.branch_of], values["campaign_on"][inst.branch_of])
    kw = _meter(inst, values, days, held, np.zeros_like(held)).facility_kw  # (F, T, D, S, H)
    daily = kw.max(axis=4)  # (F, T, D, S)
    top = np.where(inst.bill_days[None, :, :, None], daily[..., None], 0.0).max(axis=2)  # (F, T, S, C)
    out = np.zeros((inst.branches, top.shape[2], top.shape[1], top.shape[3]))
    for f, b in enumerate(inst.branch_of):
        out[b] = np.maximum(out[b], np.swapaxes(top[f], 0, 1))
    commit = inst.case.horizon.commit_periods
    if inst.branches > 1 and commit:
        # declared before the futures part, so one number must do for all of them
        out[:, :, :commit] = out[:, :, :commit].max(axis=0)
    charged = np.array([s.demand_charge_per_kw_month > 0 for s in inst.case.sites])
    return np.asarray(out * charged[:, None, None], float)


def _gang_modules(inst: Instance, gangs: FloatArray, campaigns: FloatArray) -> FloatArray:
    """(F, S, K, T) modules of gangs that may not yield (F, J, S, K, T) and of campaigns (F, C, S, K, T)."""
    modules = np.einsum("fjskt,jk,j->fskt", gangs, gang_sizes(inst), stays_put(inst).astype(float))
    return np.asarray(modules + np.einsum("fcskt,ck->fskt", campaigns, campaign_sizes(inst)), float)


def _meter(inst: Instance, values: Values, days: Days, working: FloatArray, held: FloatArray) -> Meter:
    total, _ = leased(inst, values)
    capacity = (values["stock"] + total)[inst.branch_of]  # (F, S, K, T)
    busy = np.moveaxis(days.busy, (3, 4), (1, 2)) + working[..., None, None]
    used = (inst.weight > 0)[None, None, None, :, :, None]
    busy = busy * used
    it_kw = np.einsum("fsktdh,k->ftdsh", busy, inst.dynamic_kw)
    it_kw = it_kw + np.einsum("fskt,k->fts", capacity, inst.idle_kw)[:, :, None, :, None]
    return Meter(it_kw, it_kw * inst.pue[None, :, :, :, None], busy, held)


def not_earned(inst: Instance, values: Values, meter: Meter) -> FloatArray:
    """(F, T, D, S, H) kW of facility power on which a negative price earns nothing.

    The idle power of ordered, leased and moved modules; where nothing stood, only of those that are not busy.
    """
    if not (inst.price < 0).any():
        return np.zeros_like(meter.facility_kw)
    total, _ = leased(inst, values)
    kept = inst.standing - inst.departures.left(values["departures"])
    idle = (values["stock"] + total - kept)[inst.branch_of]
    unearned = idle[..., None, None] - inst.idle_follows_work[..., None, None] * meter.busy
    kw = np.einsum("fsktdh,k->ftdsh", np.maximum(unearned, 0.0), inst.idle_kw)
    return np.asarray(kw * inst.pue[None, :, :, :, None] * (inst.price < 0)[None], float)


def energy_table(inst: Instance, values: Values, meter: Meter, probability: FloatArray) -> pd.DataFrame:
    """Mean over futures, by site, period and tariff band. What a negative price does not earn is not in the cost.

    probability: (futures,).
    """
    hours = inst.weight[:, :, None] * inst.step_hours  # (T, D, H)
    bands = {t.id: t.bands() for t in inst.case.tariffs}
    prices = {t.id: t.prices() for t in inst.case.tariffs}
    rows: list[tuple[int, str, str, float, float, float]] = []
    it = np.einsum("f,ftdsh,tdh->tdsh", probability, meter.it_kw, hours) / 1000
    facility = np.einsum("f,ftdsh,tdh->tdsh", probability, meter.facility_kw, hours) / 1000
    paid = facility - np.einsum("f,ftdsh,tdh->tdsh", probability, not_earned(inst, values, meter), hours) / 1000
    for s, site in enumerate(inst.case.sites):
        for t in range(inst.case.horizon.periods):
            if site.tariff is None or not inst.days.hourly:
                cost = float((paid[t, :, s] * 1000 * inst.price[t, :, s] * inst.money_unit).sum())
                rows.append((t, site.id, "mean", float(it[t, :, s].sum()), float(facility[t, :, s].sum()), cost))
                continue
            calendar = inst.days.calendar[t]
            for b, band in enumerate(BANDS):
                mask = bands[site.tariff] == b
                if not mask.any():
                    continue
                share = np.einsum("dmk,mkh->dh", calendar, mask)
                priced = np.einsum("dmk,mkh->dh", calendar, np.where(mask, prices[site.tariff], 0.0))
                energy = float((facility[t, :, s] * share).sum())
                cost = float((paid[t, :, s] * 1000 * priced).sum())
                rows.append((t, site.id, band, float((it[t, :, s] * share).sum()), energy, cost))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    names = ("period", "site", "band", "it_mwh", "facility_mwh", "cost")
    return TABLES["energy"].frame(dict(zip(names, map(list, columns), strict=True)))


def carbon_table(inst: Instance, meter: Meter, probability: FloatArray) -> pd.DataFrame:
    """Tonnes and their price by period and site, mean over futures (probability: (futures,))."""
    hours = inst.weight[:, :, None] * inst.step_hours
    mwh = np.einsum("f,ftdsh,tdh->ts", probability, meter.facility_kw, hours) / 1000
    t, s = (a.ravel() for a in np.indices(mwh.shape))
    location = np.array([x.carbon_kg_per_kwh for x in inst.case.sites])
    market = np.array([x.market_carbon() for x in inst.case.sites])
    price = inst.carbon_price * inst.money_unit * 1000  # per tonne
    return TABLES["carbon"].frame(
        {
            "period": t,
            "site": np.array([x.id for x in inst.case.sites], object)[s],
            "facility_mwh": mwh[t, s],
            "location_tonnes": mwh[t, s] * location[s],
            "market_tonnes": mwh[t, s] * market[s],
            "cost": mwh[t, s] * inst.carbon[s] * price[t],
        }
    )


def utilisation_table(inst: Instance, values: Values, meter: Meter) -> pd.DataFrame:
    """Rack occupancy, busy and held shares by site and type, mean over futures (the peak: over all of them)."""
    total, drawing = leased(inst, values)
    stands = np.einsum("f,fskt->skt", inst.probability, (values["stock"] + total)[inst.branch_of])
    hours = inst.weight[:, :, None] * inst.step_hours
    busy = np.einsum("f,fsktdh,tdh->skt", inst.probability, meter.busy, hours)
    capacity = (values["stock"] + total)[inst.branch_of]
    with np.errstate(divide="ignore", invalid="ignore"):
        peak = np.nan_to_num((meter.busy / capacity[..., None, None]), posinf=0).max(axis=(0, 4, 5))
        own = np.einsum("f,fskt->skt", inst.probability, (values["stock"] + drawing)[inst.branch_of])
        racks = np.einsum("skt,k->st", own, inst.racks)
        occupancy = np.where(np.isfinite(inst.space) & (inst.space > 0), racks / inst.space, np.nan)
        mean = busy / (stands * inst.period_hours)
        still = np.einsum("f,fskt->skt", inst.probability, meter.held) / stands
    s, k, t = np.nonzero(stands > 1e-9)
    return TABLES["utilisation"].frame(
        {
            "period": t,
            "site": np.array([x.id for x in inst.case.sites], object)[s],
            "module_type": np.array([x.id for x in inst.case.module_types], object)[k],
            "owned": stands[s, k, t],
            "rack_occupancy": occupancy[s, t],
            "mean_busy": mean[s, k, t],
            "mean_held": mean[s, k, t] + still[s, k, t],
            "peak_busy": peak[s, k, t],
        }
    )


def cost_table(inst: Instance, values: Values, days: Days, meter: Meter) -> pd.DataFrame:
    """Every term of the objective by future, period and site, in the case's currency, discounted and not."""
    case, money = inst.case, inst.money_unit
    F, (S, _K, T) = len(inst.probability), inst.standing.shape
    branch = inst.branch_of
    charge = inst.charge(inst.life)
    discount = inst.discount
    terms: dict[str, tuple[FloatArray, FloatArray]] = {}  # term -> (F, T, S) discounted, undiscounted

    def by_site(table: str, weight: FloatArray) -> FloatArray:
        weight = np.broadcast_to(weight, values[table].shape)
        return np.asarray(np.einsum("bskt,bskt->bts", values[table], weight)[branch] * money, float)

    left = 1 - inst.agreements.discount(values["orders"], values["agreement_signed"])[:, None]
    terms["capex"] = by_site("orders", left * inst.capex * charge), by_site("orders", left * inst.capex)
    terms["order_charges"] = by_site("order_on", inst.order_cost * charge), by_site("order_on", inst.order_cost)
    places = phase_places(inst)
    items = [case.sites[s].phases[i] for s, i in places]
    at = np.zeros((len(places), S))
    at[np.arange(len(places)), [s for s, _ in places]] = 1
    capex = np.array([x.capex for x in items])
    spread = inst.charge(np.array([x.life_periods for x in items], int))
    phases = values["phases"][branch]
    terms["phases"] = (
        np.einsum("fpt,p,pt,ps->fts", phases, capex, spread, at),
        np.einsum("fpt,p,ps->fts", phases, capex, at),
    )
    opening = np.array([x.opening_cost for x in case.sites])
    spread = inst.charge(np.array([x.opening_life_periods for x in case.sites]))
    opened = np.moveaxis(values["openings"][branch], 1, 2) * opening
    terms["openings"] = opened * spread.T, opened
    gone = inst.departures
    at = np.eye(S)[gone.site].reshape(len(gone), S)
    terms["departures"] = (
        np.einsum("fet,et,es->fts", values["departures"][branch], inst.leaving_cost() * money, at),
        np.einsum("fet,et,es->fts", values["departures"][branch], gone.price, at),
    )
    opex = by_site("stock", inst.opex)
    terms["opex"] = opex * discount[:, None], opex
    lease = np.zeros((F, T, S))
    ids = [s.id for s in case.sites]
    for i, item in enumerate(case.leases):
        price = by_period(item.price_per_module_period, T, 0.0)
        lease[:, :, ids.index(item.site)] += values["lease_active"][branch, i] * price
    terms["leases"] = lease * discount[:, None], lease
    rest, nominal = np.zeros((F, T, S)), np.zeros((F, T, S))
    if case.horizon.costing is Costing.upfront:
        for i, item in enumerate(case.leases):
            left = np.maximum(np.arange(T) + item.minimum_term_periods - T, 0)
            started, where = values["lease_start"][branch, i], ids.index(item.site)
            nominal[:, :, where] += started * left * by_period(item.price_per_module_period, T, 0.0)[-1]
            rest[:, :, where] += started * inst.lease_rest()[i] * money
    terms["leases_owed"] = rest, nominal
    hours = inst.weight[:, :, None] * inst.step_hours
    paid = meter.facility_kw - not_earned(inst, values, meter)
    energy = np.einsum("ftdsh,tdh,tdsh->fts", paid, hours, inst.price) * money
    terms["energy"] = energy * discount[:, None], energy
    demand_charge = np.array([x.demand_charge_per_kw_month for x in case.sites])
    billed = np.einsum("fstc,tc,s->fts", values["billed_kw"][branch], inst.bill_months, demand_charge)
    terms["demand_charge"] = billed * discount[:, None], billed
    kwh = np.einsum("ftdsh,tdh->fts", meter.facility_kw, hours)
    carbon = kwh * inst.carbon * inst.carbon_price[:, None] * money
    terms["carbon"] = carbon * discount[:, None], carbon
    moved = _transfer(inst, days)
    terms["transfer"] = moved * discount[:, None], moved
    short, late = _shortfall(inst, values, days)
    missing = inst.agreements.paid(values["orders"], values["agreement_signed"])[branch]
    nowhere = {"shortfall": ((short + late) * discount, short + late), "commitments": (missing * discount, missing)}
    frames = []
    for term, (discounted, plain) in terms.items():
        f, t, s = np.nonzero((np.abs(discounted) > 1e-9) | (np.abs(plain) > 1e-9))
        site = np.array(ids, object)[s]
        frames.append((f, np.full(len(f), term, object), t, site, discounted[f, t, s], plain[f, t, s]))
    for term, (lump, plain) in nowhere.items():
        f, t = np.nonzero(np.abs(lump) > 1e-9)
        blank = np.full(len(f), "", object)
        frames.append((f, np.full(len(f), term, object), t, blank, lump[f, t], plain[f, t]))
    names = ("future", "term", "period", "site", "discounted", "undiscounted")
    return TABLES["costs"].frame(dict(zip(names, map(np.concatenate, zip(*frames, strict=True)), strict=True)))


def _hours_of(inst: Instance, table: pd.DataFrame) -> FloatArray:
    t, d, h = (table[c].to_numpy(int) for c in ("period", "day", "step"))
    return np.asarray(inst.weight[t, d] * inst.step_hours[h], float)


def _transfer(inst: Instance, days: Days) -> FloatArray:
    """(F, T, S) undiscounted transfer cost, from the placement table."""
    table = days.placement
    out = np.zeros((len(inst.probability), inst.case.horizon.periods, len(inst.case.sites)))
    if table.empty or not inst.transfer.any():
        return out
    w = table["workload"].map({x.id: i for i, x in enumerate(inst.case.workloads)}).to_numpy(int)
    r = table["region"].map({x.id: i for i, x in enumerate(inst.case.regions)}).to_numpy(int)
    s = table["site"].map({x.id: i for i, x in enumerate(inst.case.sites)}).to_numpy(int)
    cost = table["served"].to_numpy() / inst.unit_scale[w] * inst.transfer[w, r, s] * inst.money_unit
    np.add.at(out, (table["future"].to_numpy(int), table["period"].to_numpy(int), s), cost * _hours_of(inst, table))
    return out


def _shortfall(inst: Instance, values: Values, days: Days) -> tuple[FloatArray, FloatArray]:
    """(F, T) undiscounted price of demand not served, and of campaigns not finished (in their due period)."""
    table = days.shortfall
    F, T = len(inst.probability), inst.case.horizon.periods
    out = np.zeros((F, T))
    price = inst.shortfall_cost * inst.money_unit / inst.unit_scale
    if not table.empty:
        w = table["workload"].map({x.id: i for i, x in enumerate(inst.case.workloads)}).to_numpy(int)
        cost = table["shortfall"].to_numpy() * price[w] * _hours_of(inst, table)
        np.add.at(out, (table["future"].to_numpy(int), table["period"].to_numpy(int)), cost)
    jobs = inst.of_kind_training()
    missing = np.maximum(values["training_shortfall"], 0) * inst.period_hours
    out += np.einsum("fjt,j->ft", missing, inst.shortfall_cost[jobs] * inst.money_unit)
    late = np.zeros((F, T))
    for c, campaign in enumerate(inst.case.campaigns):
        share = values["campaign_unfinished"][inst.branch_of, c]
        late[:, min(campaign.due, T - 1)] += share * (campaign.value or 0.0)
    return out, late


def expected(table: pd.DataFrame, probability: FloatArray, column: str) -> float:
    """Probability-weighted total of a column that is stated by future. probability: (futures,)."""
    if table.empty:
        return 0.0
    return float(table[column].to_numpy() @ probability[table["future"].to_numpy(int)])
