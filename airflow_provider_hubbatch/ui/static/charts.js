// Drawings: plain SVG, drawn for the width that there is. Each has a table beside it that says the same.

import { h, s, spoken } from "./dom.js";
import { count, duration, number, percent, short } from "./format.js";
import { colour, inWords, kind, label, outcomes } from "./model.js";

/** A drawing that is made anew whenever its width changes: `draw(width)` gives the SVG. */
export function fitted(draw, attributes = {}) {
  const frame = h("div", { class: "drawing", ...attributes });
  let drawn = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width < 40 || width === drawn) return;
    drawn = width;
    frame.replaceChildren(draw(width));
  }).observe(frame);
  return frame;
}

// --- outcomes ---------------------------------------------------------------------------------------------------

/** One bar, cut by outcome. */
export function outcomeBar(summary, total = summary.rows) {
  const parts = outcomes(summary);
  const left = Math.max(total - summary.rows, 0);
  return h(
    "div",
    {
      class: "outcome-bar",
      role: "img",
      "aria-label": `${count(total, "row")}: ${inWords(summary)}${left ? `, ${number(left)} left` : ""}`,
    },
    parts.map(({ status, rows }) =>
      h("span", {
        class: `part s-${colour(status)}`,
        style: { "flex-grow": rows },
        title: `${number(rows)} ${label(status)}`,
      }),
    ),
    left > 0 && h("span", { class: "part to-go", style: { "flex-grow": left }, title: `${number(left)} left` }),
    !parts.length && !left && h("span", { class: "part to-go", style: { "flex-grow": 1 } }),
  );
}

/** What the colours of the bar mean, with numbers. */
export function outcomeLegend(summary, total = summary.rows) {
  return h(
    "ul",
    { class: "legend" },
    outcomes(summary).map(({ status, rows }) =>
      h(
        "li",
        { class: kind(status) === "failed" ? "failed" : null },
        h("i", { class: `dot s-${colour(status)}` }),
        h("b", {}, number(rows)),
        ` ${label(status)} `,
        h("span", { class: "soft" }, percent(rows, total)),
      ),
    ),
  );
}

/** A bar for each run, the oldest first, as high as it had rows; a mark below those that failed. */
export function sparkline(runs, slots = 30) {
  const [height, step, bar] = [34, 6, 5];
  const base = height - 5;
  const most = Math.max(1, ...runs.map((run) => run.summary?.rows ?? 0));
  const x = (index) => (slots - runs.length + index) * step;
  const failed = runs.filter((run) => run.state === "failed").length;
  return h(
    "span",
    { class: "spark", title: `The last ${count(runs.length, "run")}, ${number(failed)} failed` },
    s(
      "svg",
      {
        class: "sparkline",
        width: slots * step,
        height,
        viewBox: `0 0 ${slots * step} ${height}`,
        "aria-hidden": "true",
      },
      s("line", { class: "grid", x1: 0, x2: slots * step, y1: base + 0.5, y2: base + 0.5 }),
      runs.map((run, index) => [column(run, x(index), bar, base, most), failureMark(run, x(index), bar, base + 2)]),
    ),
    spoken(`The last ${count(runs.length, "run")}, ${number(failed)} failed`),
  );
}

/** The outcomes of one run, stacked; what failed is on top, and never too thin to be seen. */
function column({ summary }, x, width, height, most) {
  if (!summary?.rows) return null;
  const full = Math.max((summary.rows / most) * (height - 1), 2);
  const parts = outcomes(summary);
  const heights = parts.map(({ status, rows }) =>
    Math.max((rows / summary.rows) * full, kind(status) === "failed" ? 1.5 : 0),
  );
  const scale = full / heights.reduce((sum, one) => sum + one, 0);
  let y = height;
  return s(
    "g",
    {},
    parts.map(({ status }, index) => {
      y -= heights[index] * scale;
      return s("rect", { class: `s-${colour(status)}`, x, y, width, height: heights[index] * scale });
    }),
  );
}

const failureMark = (run, x, width, y) =>
  run.state === "failed" && s("rect", { class: "run-failed", x, y, width, height: 3 });

// --- axes -------------------------------------------------------------------------------------------------------

/** A few round numbers from 0 to `most`. */
export function ticks(most, wanted = 3) {
  if (!(most > 0)) return [0];
  const rough = most / wanted;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * magnitude).find((one) => one >= rough) ?? 10 * magnitude;
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, index) => index * step);
}

/** A few round times from 0 to `most` seconds. */
function timeTicks(most, wanted) {
  const steps = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];
  const step = steps.find((one) => most / one <= wanted) ?? most / wanted;
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, index) => index * step);
}

const timeTick = (seconds) => (seconds < 60 ? `${Number(seconds.toFixed(1))} s` : duration(seconds));

const LEFT = 46;
const RIGHT = 12;

function frameOf(width, top, height, most, words) {
  const y = (value) => top + height - (most > 0 ? value / most : 0) * height;
  const lines = ticks(most, height < 70 ? 2 : 3).map((value) =>
    s(
      "g",
      {},
      s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
      s("text", { class: "tick", x: LEFT - 6, y: y(value) + 3.5, "text-anchor": "end" }, words(value)),
    ),
  );
  return { y, lines };
}

const line = (pairs) => pairs.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");
const area = (pairs, base) =>
  pairs.length ? `${line(pairs)}L${pairs.at(-1)[0].toFixed(1)},${base}L${pairs[0][0].toFixed(1)},${base}Z` : "";

// --- over time --------------------------------------------------------------------------------------------------

/** Rows done and requests against the limit, over one clock. */
export function timelineChart(points, { limit, totalRows, resumedAt = [] }) {
  const readout = h("p", { class: "readout", "aria-hidden": "true" });
  const chart = h("div", {
    class: "chart",
    tabindex: 0,
    role: "slider",
    "aria-label": "Point in time",
    "aria-valuemin": 0,
    "aria-valuemax": points.length - 1,
  });
  let chosen = null;
  let cursor = () => {};
  const choose = (index) => {
    chosen = index;
    const text = told(points[index ?? points.length - 1], limit);
    readout.replaceChildren(...(index === null ? legend(limit, points) : [text]));
    chart.setAttribute("aria-valuenow", index ?? points.length - 1);
    chart.setAttribute("aria-valuetext", text);
    cursor(index);
  };
  chart.append(
    fitted((width) => {
      const drawn = drawTimeline(width, points, { limit, totalRows, resumedAt, choose });
      cursor = drawn.cursor;
      cursor(chosen);
      return drawn.drawing;
    }),
  );
  chart.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };
    if (event.key === "Escape") return choose(null);
    if (!(event.key in moves)) return undefined;
    event.preventDefault();
    const from = chosen ?? points.length - 1;
    return choose(Math.min(Math.max(from + moves[event.key], 0), points.length - 1));
  });
  chart.addEventListener("blur", () => choose(null));
  choose(null);
  return h("div", {}, readout, chart);
}

function told(point, limit) {
  const parts = [`${duration(point.seconds)}: ${count(point.rows, "row")} done`];
  if (point.rejected) parts.push(`${number(point.rejected)} rejected`);
  parts.push(`${number(point.requests)}${limit ? ` of ${number(limit)}` : ""} requests in 10 s`);
  if (point.rate_limited) parts.push(`${count(point.rate_limited, "reply", "replies")} 429 by then`);
  return parts.join(", ");
}

function legend(limit, points) {
  return [
    h("span", { class: "key" }, h("i", { class: "dot c-rows" }), "rows done"),
    points.some((point) => point.rejected) &&
      h("span", { class: "key" }, h("i", { class: "dot s-rejected" }), "rejected"),
    h("span", { class: "key" }, h("i", { class: "dot c-requests" }), "requests in 10 s"),
    limit && h("span", { class: "key" }, h("i", { class: "dash" }), `limit ${number(limit)}`),
    points.some((point) => point.rate_limited) &&
      h("span", { class: "key" }, h("i", { class: "dot c-limited" }), "429"),
  ].filter(Boolean);
}

function drawTimeline(width, points, { limit, totalRows, resumedAt, choose }) {
  const [top, high, gap, low, bottom] = [8, 110, 18, 70, 22];
  const end = points.at(-1).seconds || 1;
  const x = (seconds) => LEFT + (seconds / end) * (width - LEFT - RIGHT);
  const mostRows = Math.max(totalRows ?? 0, points.at(-1).rows, 1);
  const rows = frameOf(width, top, high, mostRows, short);
  const mostRequests = Math.max((limit ?? 0) * 1.1, ...points.map((point) => point.requests), 1);
  const under = top + high + gap;
  const requests = frameOf(width, under, low, mostRequests, short);
  const base = under + low;
  const rowLine = [[x(0), rows.y(0)], ...points.map((point) => [x(point.seconds), rows.y(point.rows)])];
  const requestLine = [[x(0), base], ...points.map((point) => [x(point.seconds), requests.y(point.requests)])];
  const anyRejected = points.some((point) => point.rejected);
  const drawing = s(
    "svg",
    { width, height: base + bottom, viewBox: `0 0 ${width} ${base + bottom}`, "aria-hidden": "true" },
    rows.lines,
    s("path", { class: "area c-rows", d: area(rowLine, rows.y(0)) }),
    s("path", { class: "line c-rows", d: line(rowLine) }),
    anyRejected &&
      s("path", {
        class: "line s-rejected",
        d: line([[x(0), rows.y(0)], ...points.map((point) => [x(point.seconds), rows.y(point.rejected)])]),
      }),
    requests.lines,
    s("path", { class: "area c-requests", d: area(requestLine, base) }),
    s("path", { class: "line c-requests", d: line(requestLine) }),
    limit && s("line", { class: "limit", x1: LEFT, x2: width - RIGHT, y1: requests.y(limit), y2: requests.y(limit) }),
    limitedAt(points).map((seconds) => s("circle", { class: "c-limited", cx: x(seconds), cy: base - 4, r: 3 })),
    resumedAt.filter((seconds) => seconds < end).map((seconds) => resumeMark(x(seconds), top, base)),
    timeTicks(end, Math.max(Math.floor(width / 90), 2)).map((seconds) =>
      s(
        "text",
        { class: "tick", x: x(seconds), y: base + 16, "text-anchor": seconds ? "middle" : "start" },
        timeTick(seconds),
      ),
    ),
  );
  const cursor = s("g", { class: "cursor" });
  drawing.append(cursor);
  const nearest = (event) => {
    const seconds = ((event.offsetX - LEFT) / (width - LEFT - RIGHT)) * end;
    let best = 0;
    points.forEach((point, index) => {
      if (Math.abs(point.seconds - seconds) < Math.abs(points[best].seconds - seconds)) best = index;
    });
    return best;
  };
  drawing.addEventListener("pointermove", (event) => choose(nearest(event)));
  drawing.addEventListener("pointerleave", () => choose(null));
  return {
    drawing,
    cursor: (index) => {
      if (index === null) return cursor.replaceChildren();
      const point = points[index];
      return cursor.replaceChildren(
        s("line", { x1: x(point.seconds), x2: x(point.seconds), y1: top, y2: base }),
        s("circle", { class: "c-rows", cx: x(point.seconds), cy: rows.y(point.rows), r: 3.5 }),
        s("circle", { class: "c-requests", cx: x(point.seconds), cy: requests.y(point.requests), r: 3.5 }),
      );
    },
  };
}

const limitedAt = (points) =>
  points
    .filter((point, index) => point.rate_limited > (points[index - 1]?.rate_limited ?? 0))
    .map((point) => point.seconds);

function resumeMark(x, top, base) {
  return s(
    "g",
    { class: "resumed" },
    s("line", { x1: x, x2: x, y1: top, y2: base }),
    s("text", { class: "tick", x: x + 4, y: top + 9 }, "resumed"),
  );
}

// --- run by run -------------------------------------------------------------------------------------------------

const SLOT_MOST = 34;

/** For each run of a task, the oldest first: its outcomes, how long it took, rows a second. */
export function runsChart(runs, { open, words }) {
  const readout = h("p", { class: "readout", "aria-hidden": "true" });
  const choose = (run) => readout.replaceChildren(...(run ? [words(run)] : runsLegend(runs)));
  choose(null);
  return h(
    "div",
    {},
    readout,
    fitted((width) => drawRuns(width, runs, choose, open)),
  );
}

function runsLegend(runs) {
  const statuses = new Set(
    runs.flatMap((run) => (run.summary ? outcomes(run.summary).map(({ status }) => status) : [])),
  );
  const keys = [...statuses].map((status) =>
    h("span", { class: "key" }, h("i", { class: `dot s-${colour(status)}` }), label(status)),
  );
  return runs.some((run) => run.state === "failed")
    ? [...keys, h("span", { class: "key" }, h("i", { class: "mark" }), "task failed")]
    : keys;
}

function drawRuns(width, runs, choose, open) {
  const [top, high, gap, low] = [8, 120, 26, 56];
  const slot = Math.min((width - LEFT - RIGHT) / Math.max(runs.length, 1), SLOT_MOST);
  const bar = Math.max(slot - Math.max(slot * 0.25, 1), 1);
  const x = (index) => LEFT + index * slot + (slot - bar) / 2;
  const most = Math.max(1, ...runs.map((run) => run.summary?.rows ?? 0));
  const rows = frameOf(width, top, high, most, short);
  const panels = [
    { title: "Duration", key: "c-duration", value: (run) => run.seconds, words: timeTick },
    { title: "Rows a second", key: "c-rate", value: (run) => run.rate, words: short },
  ].map((panel, index) => ({ ...panel, top: top + high + gap + index * (low + gap) }));
  const height = panels.at(-1).top + low + 8;
  const drawing = s(
    "svg",
    { class: "runs", width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    rows.lines,
  );
  runs.forEach((run, index) =>
    drawing.append(
      s(
        "g",
        { transform: `translate(0 ${top})` },
        column(run, x(index), bar, high, most),
        failureMark(run, x(index), bar, high + 2),
      ),
    ),
  );
  for (const panel of panels) drawing.append(...drawPanel(panel, width, low, runs, x, bar));
  runs.forEach((run, index) => {
    const area = s("rect", {
      class: "hit",
      x: LEFT + index * slot,
      y: 0,
      width: slot,
      height,
      onclick: (event) => open(run, event),
    });
    area.addEventListener("pointerenter", () => choose(run));
    area.addEventListener("pointerleave", () => choose(null));
    drawing.append(area);
  });
  return drawing;
}

function drawPanel(panel, width, low, runs, x, bar) {
  const values = runs.map((run) => panel.value(run) ?? 0);
  const frame = frameOf(width, panel.top, low, Math.max(...values, 1e-9), panel.words);
  return [
    s("text", { class: "panel-title", x: LEFT, y: panel.top - 8 }, panel.title),
    ...frame.lines,
    ...values
      .map(
        (value, index) =>
          value > 0 &&
          s("rect", {
            class: panel.key,
            x: x(index),
            y: Math.min(frame.y(value), panel.top + low - 1),
            width: bar,
            height: Math.max(panel.top + low - frame.y(value), 1),
            rx: 1,
          }),
      )
      .filter(Boolean),
  ];
}
