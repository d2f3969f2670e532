// What a sync's XComs say, made ready to be shown. Nothing here touches the page.

import { count, number } from "./format.js";

/** Words for statuses, verbs and reasons: what isn't listed there is shown under its own name. */
export const words = await (await fetch(new URL("words.json", import.meta.url))).json();

const KNOWN = Object.keys(words.statuses);
// Keys of a summary that are numbers and yet no outcomes.
const NO_STATUS = new Set([
  "rows",
  "requests",
  "retries",
  "rate_limited",
  "resumed_rows",
  "rejected_listed",
  "duplicates",
  "seconds",
  "syncs",
]);

export const label = (status) => words.statuses[status]?.label ?? status.replaceAll("_", " ");
export const kind = (status) => words.statuses[status]?.kind ?? "left";
export const colour = (status) => (KNOWN.includes(status) ? status : "other");

/** Whether a return value is a sync's. */
export function isSummary(value) {
  return (
    value !== null &&
    typeof value === "object" &&
    typeof value.rows === "number" &&
    typeof value.requests === "number" &&
    "object_type" in value
  );
}

/** Status and rows, in the order in which they are shown, those of no rows left out; they add up to the rows. */
export function outcomes(summary) {
  const known = KNOWN.filter((status) => summary[status] > 0);
  const left = summary.rows - known.reduce((sum, status) => sum + summary[status], 0);
  const found = [...known, ...(left > 0 ? unknownStatuses(summary, left) : [])].map((status) => ({
    status,
    rows: summary[status],
  }));
  const rest = summary.rows - found.reduce((sum, { rows }) => sum + rows, 0);
  return rest > 0 ? [...found, { status: "other", rows: rest }] : found;
}

/** Keys that can only be statuses of a later version: their numbers are just what is left. */
function unknownStatuses(summary, left) {
  const keys = Object.keys(summary).filter((key) => summary[key] > 0 && !KNOWN.includes(key) && !NO_STATUS.has(key));
  return keys.reduce((sum, key) => sum + summary[key], 0) === left ? keys : [];
}

export const failedRows = (summary) => (summary.rejected ?? 0) + (summary.unknown ?? 0);

/** `contacts`, `contacts → companies` */
export function objects(summary) {
  return summary.to_object_type
    ? `${summary.object_type} → ${summary.to_object_type}`
    : `${summary.object_type ?? "rows"}`;
}

/** What the operator does: from the summary, else from its class. */
export const verb = (instance, summary) => summary?.verb ?? words.operators[instance?.operator] ?? null;

export const isOurs = (instance) => instance.operator in words.operators;

/** `846 updated, 24 rejected`, what failed last. */
export function inWords(summary) {
  const told = outcomes(summary).map(({ status, rows }) => `${number(rows)} ${label(status)}`);
  return told.length ? told.join(", ") : "no rows";
}

/** Several summaries as one: counts added up, from the first start to the last end. */
export function summed(summaries) {
  const total = {};
  for (const summary of summaries) {
    for (const [key, value] of Object.entries(summary))
      total[key] = key in total ? added(key, total[key], value) : value;
  }
  if (total.started_at && total.completed_at)
    total.seconds = (new Date(total.completed_at) - new Date(total.started_at)) / 1000;
  return total;
}

function added(key, one, other) {
  if (key === "started_at") return earliest(one, other);
  if (key === "completed_at") return earliest(one, other, -1);
  if (typeof one === "number" && typeof other === "number") return one + other;
  if (isCounts(one) && isCounts(other))
    return Object.fromEntries(
      [...new Set([...Object.keys(one), ...Object.keys(other)])].map((name) => [
        name,
        (one[name] ?? 0) + (other[name] ?? 0),
      ]),
    );
  return one === other ? one : null;
}

const isCounts = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** `plan in 12 rows, city in 1 row`: counts a property, the most first; empty for none. */
export function byProperty(counts) {
  if (!isCounts(counts)) return "";
  const sorted = Object.entries(counts).sort(([, one], [, other]) => other - one);
  return sorted.map(([property, rows]) => `${property} in ${count(rows, "row")}`).join(", ");
}

function earliest(one, other, sign = 1) {
  if (!one || !other) return one ?? other;
  return sign * (new Date(one) - new Date(other)) <= 0 ? one : other;
}

/** Points of a timeline as objects; none for anything that is no timeline. */
export function points(timeline) {
  const columns = timeline?.points;
  if (!columns || !Array.isArray(columns.seconds)) return [];
  return columns.seconds.map((seconds, index) => ({
    seconds,
    rows: columns.rows?.[index] ?? 0,
    requests: columns.requests?.[index] ?? 0,
    rate_limited: columns.rate_limited?.[index] ?? 0,
    rejected: columns.rejected?.[index] ?? 0,
  }));
}

const MOST_POINTS = 200;

/** The points of several syncs side by side, by the clock on the wall. */
export function pointsTogether(timelines) {
  const told = timelines.map((timeline) => ({
    start: new Date(timeline?.summary?.started_at) / 1000,
    points: points(timeline),
  }));
  const syncs = told.filter((sync) => sync.points.length && Number.isFinite(sync.start));
  if (!syncs.length) return [];
  const start = Math.min(...syncs.map((sync) => sync.start));
  const end = Math.max(...syncs.map((sync) => sync.start - start + sync.points.at(-1).seconds));
  const step = Math.max(end / MOST_POINTS, 1);
  const moments = Array.from({ length: Math.max(Math.ceil(end / step), 1) }, (_, index) =>
    Math.min((index + 1) * step, end),
  );
  return moments.map((seconds) => {
    const sums = { seconds, rows: 0, requests: 0, rate_limited: 0, rejected: 0 };
    for (const sync of syncs) addPoint(sums, sync.points, seconds - (sync.start - start));
    return sums;
  });
}

function addPoint(sums, sync, seconds) {
  const next = sync.findIndex((point) => point.seconds >= seconds);
  const after = next === -1 ? sync.at(-1) : sync[next];
  const before = next === -1 ? after : (sync[next - 1] ?? { seconds: 0, rows: 0, rate_limited: 0, rejected: 0 });
  const gone =
    after.seconds > before.seconds
      ? Math.min(Math.max((seconds - before.seconds) / (after.seconds - before.seconds), 0), 1)
      : 1;
  for (const name of ["rows", "rate_limited", "rejected"])
    sums[name] += Math.round(before[name] + (after[name] - before[name]) * gone);
  if (seconds > 0 && next !== -1) sums.requests += after.requests;
}

// --- reasons ----------------------------------------------------------------------------------------------------

const HUBSPOTS_LIST = /^[^[]*:\s*(\[[\s\S]*\])\s*[^\]]*$/;
const PROPERTY = /\bproperty '([^']+)'/;

/** Why a row failed: `{code, property, message}`, from HubSpot's own list of details where its message has one. */
export function reasonOf(outcome) {
  const [detail] = details(outcome.message);
  const code = detail?.error ?? outcome.category ?? outcome.status;
  const property = outcome.property ?? detail?.name ?? PROPERTY.exec(outcome.message ?? "")?.[1] ?? null;
  return {
    code: String(code),
    property: property === null ? null : String(property),
    message: detail?.message ?? outcome.message ?? "",
  };
}

function details(message) {
  const list = HUBSPOTS_LIST.exec(message ?? "")?.[1];
  if (!list) return [];
  try {
    const read = JSON.parse(list);
    return Array.isArray(read) ? read.filter((one) => one && typeof one === "object") : [];
  } catch {
    return [];
  }
}

export const reasonKey = (reason) => `${reason.code}\n${reason.property ?? ""}`;

/** The reasons of these outcomes, the commonest first: `{key, code, property, rows, examples, advice}`. */
export function reasons(failed) {
  const found = new Map();
  for (const outcome of failed) {
    const reason = reasonOf(outcome);
    const key = reasonKey(reason);
    if (!found.has(key))
      found.set(key, {
        ...reason,
        key,
        status: outcome.status,
        rows: 0,
        examples: [],
        advice: advice(reason.code, outcome),
      });
    const entry = found.get(key);
    entry.rows += 1;
    if (entry.examples.length < 3) entry.examples.push(outcome);
  }
  return [...found.values()].sort((one, other) => other.rows - one.rows);
}

export function advice(code, outcome) {
  return (
    words.reasons[code] ?? words.reasons[outcome.category] ?? words.advice[outcome.status] ?? words.advice.rejected
  );
}

// --- what became of it, in a sentence ------------------------------------------------------------------------------

const RUNNING = new Set(["running", "restarting"]);
const WAITING = new Set([null, "queued", "scheduled", "none"]);
export const isRunning = (state) => RUNNING.has(state);
export const isWaiting = (state) => WAITING.has(state ?? null);
export const isOver = (state) => ["success", "failed", "skipped", "removed", "upstream_failed"].includes(state);

/** `{title, tone, note}` of a task instance that isn't simply done. */
export function notice(instance, summary, timeline) {
  const { state } = instance;
  if (state === "failed" && summary) return failure(summary, timeline);
  if (state === "failed")
    return {
      tone: "bad",
      title: "The task failed before it pushed anything about its rows.",
      note: "Its log says why.",
    };
  if (state === "up_for_retry")
    return {
      tone: "warn",
      title: "This try failed; Airflow runs the task again.",
      note: "These are the numbers of this try. The next one continues where it stopped (Airflow 3.3), or starts over.",
    };
  if (state === "deferred")
    return {
      tone: "warn",
      title: "The daily API limit is exhausted: the sync waits until it resets.",
      note: "It needs no worker meanwhile, and continues by itself.",
    };
  if (state === "upstream_failed") return { tone: "quiet", title: "The sync didn't run: a task before it failed." };
  if (state === "skipped") return { tone: "quiet", title: "The sync was skipped in this run." };
  if (isWaiting(state)) return { tone: "quiet", title: "The sync hasn't started yet." };
  if (isOver(state) && !summary)
    return {
      tone: "quiet",
      title: "This run has no XCom about its rows.",
      note: "Its log has the numbers. The XComs were removed since, or the task has do_xcom_push=False.",
    };
  if (isRunning(state) && !timeline && !summary)
    return {
      tone: "quiet",
      title: "The sync has just started.",
      note: "The first numbers appear after about ten seconds.",
    };
  return null;
}

function failure(summary, timeline) {
  const failed = failedRows(summary);
  const left = summary.not_sent ?? 0;
  const allowed = timeline?.settings?.max_rejected ?? 0;
  if (left && !timeline?.settings?.validate_only) {
    return {
      tone: "bad",
      title: `The sync stopped early: ${count(left, "row was", "rows were")} not sent.`,
      note: "The log says why it stopped.",
    };
  }
  if (failed > (Number.isInteger(allowed) ? allowed : allowed * summary.rows)) {
    const rest = summary.rows - failed;
    return {
      tone: "bad",
      title: `${count(failed, "row was", "rows were")} not written: more than max_rejected=${allowed} allows.`,
      note: rest
        ? `All other rows (${number(rest)}) are done. Correct these rows and send them again; a retry would not help.`
        : "Correct these rows and send them again; a retry would not help.",
    };
  }
  return { tone: "bad", title: "The task failed.", note: "Its log says why." };
}
