// Numbers and money as the planner's own words write them (planner/words/wording.py).
import { chinese } from "./words.js";

export const number = (value, digits = 3) => {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  const places = Math.max(digits - 1 - Math.floor(Math.log10(Math.abs(value))), 0);
  const text = value.toFixed(Math.min(places, 20));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
};

export const percent = (value, digits = 1) =>
  Number.isFinite(value) ? `${(100 * value).toFixed(digits)}${chinese ? "" : " "}%` : "–";

/** A gap to a proven bound: at most so much, as `Wording.gap` has it. */
export const gap = (value) => percent(Math.ceil(Number((1e4 * value).toFixed(6))) / 1e4, 2);

export const money = (value, currency) => {
  if (!Number.isFinite(value)) return "–";
  const own = currency === "CNY" && chinese ? "元" : currency;
  const steps = chinese ? [[1e8, 1e8, "亿"], [1e4, 1e4, "万"]] : [[1e9, 1e9, "bn "], [1e6, 1e6, "M "], [1e4, 1e3, "k "]];
  const [, divisor, sign] = steps.find(([from]) => Math.abs(value) >= from) ?? [0, 1, ""];
  const unit = sign + own;
  // No gap where a Chinese unit follows the number.
  return `${number(value / divisor)}${/^[\x00-\x7f]*$/.test(unit) ? " " : ""}${unit}`;
};

export const seconds = (value) => {
  if (!Number.isFinite(value)) return "–";
  const whole = Math.round(value);
  return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
};
