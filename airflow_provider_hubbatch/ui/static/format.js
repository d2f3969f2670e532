// Numbers and times as people read them.

const NUMBER = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const number = (value) => NUMBER.format(Math.round(value));
export const short = (value) => (Math.abs(value) < 10_000 ? number(value) : SHORT.format(value).toLowerCase());

/** `1 row`, `3,910 rows` */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** A share as a percentage that is 0 or 100 only if it is: `<0.1 %`, `99.9 %`. */
export function percent(part, whole) {
  if (!whole) return "0 %";
  const share = (100 * part) / whole;
  if (share > 0 && share < 0.1) return "<0.1 %";
  if (share > 99.9 && share < 100) return "99.9 %";
  return `${Math.round(share * 10) / 10} %`;
}

/** `0.4 s`, `52 s`, `3 min 20 s`, `2 h 5 min` */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
}

/** `just now`, `5 min ago`, `3 h ago`, `yesterday`, `4 days ago` */
export function ago(moment, now = new Date()) {
  const seconds = (now - new Date(moment)) / 1000;
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(Math.round(seconds / 60), 1)} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  const days = Math.round(seconds / 86_400);
  return days === 1 ? "yesterday" : `${days} days ago`;
}

/** The time zone chosen in Airflow's pages, else the browser's. */
function timeZone() {
  try {
    const zone = JSON.parse(localStorage.getItem("timezone") ?? '""');
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone;
  } catch {
    return undefined;
  }
}

/** `24 Nov 2026, 05:00` */
export function moment(value) {
  const at = new Date(value);
  if (value === null || value === undefined || Number.isNaN(at.valueOf())) return "–";
  return new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: timeZone() }).format(at);
}

/** `24 Nov, 05:00` */
export function shortMoment(value) {
  const at = new Date(value);
  if (value === null || value === undefined || Number.isNaN(at.valueOf())) return "–";
  const parts = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: timeZone() };
  return new Intl.DateTimeFormat("en-GB", parts).format(at);
}
