// The parts of the tab "Sync", each made of what `load` in sync.js has found out.

import * as airflow from "./airflow.js";
import { outcomeBar, outcomeLegend, timelineChart } from "./charts.js";
import { data, h, spoken } from "./dom.js";
import { count, duration, number, percent } from "./format.js";
import * as model from "./model.js";
import { scrollingTable, stateChip } from "./parts.js";
import { rowsTable } from "./rows.js";

export function outcomeCard({ instance, summary, totalRows }) {
  const total = model.isRunning(instance.state) ? Math.max(totalRows ?? 0, summary.rows) : summary.rows;
  return h(
    "section",
    { class: "card wide", id: "outcomes", "aria-labelledby": "outcomes-title" },
    h("h2", { id: "outcomes-title", class: "spoken" }, "Outcomes"),
    outcomeBar(summary, total),
    outcomeLegend(summary, total),
    remarks(summary).map((remark) => h("p", { class: "remark" }, data(remark))),
  );
}

function remarks(summary) {
  const [kept, cleared] = [model.byProperty(summary.not_taken), model.byProperty(summary.cleared)];
  return [
    summary.resumed_rows > 0 && `${count(summary.resumed_rows, "row")} were done by an earlier try.`,
    kept && `HubSpot kept another value than the one sent: ${kept}.`,
    cleared && `Emptied: ${cleared}.`,
  ].filter(Boolean);
}

// --- why rows were rejected -----------------------------------------------------------------------------------------

export function reasonsCard({ summary, rejected }, table) {
  const reasons = model.reasons(rejected);
  const most = Math.max(...reasons.map((reason) => reason.rows));
  const failed = summary ? model.failedRows(summary) : rejected.length;
  const items = reasons.map((reason) => {
    const button = h(
      "button",
      { type: "button", class: "reason-bar", title: "Show these rows" },
      reasonHead(reason),
      h(
        "span",
        { class: "track" },
        h("span", {
          class: `fill s-${model.colour(reason.status)}`,
          style: { width: `${(100 * reason.rows) / most}%` },
        }),
      ),
    );
    button.addEventListener("click", () => {
      table.filter(reason.key);
      items.forEach((item, index) =>
        item.querySelector("button").setAttribute("aria-pressed", String(reasons[index].key === table.chosen())),
      );
      document.getElementById("rows").scrollIntoView({ block: "start", behavior: "smooth" });
    });
    button.setAttribute("aria-pressed", "false");
    return h(
      "li",
      {},
      button,
      h("p", { class: "advice" }, reason.advice),
      h(
        "p",
        { class: "soft example" },
        "Row ",
        reason.examples.map((one) => number(one.row)).join(", "),
        reason.rows > reason.examples.length && ", ...",
        reason.message && ": ",
        reason.message && data(reason.message),
      ),
    );
  });
  return h(
    "section",
    { class: "card", "aria-labelledby": "reasons-title" },
    h("h2", { id: "reasons-title" }, `Why ${count(failed, "row was", "rows were")} not written`),
    failed > rejected.length &&
      h(
        "p",
        { class: "soft" },
        `Counted in the first ${count(rejected.length, "row")}. In total: ${categories(summary)}.`,
      ),
    h("ol", { class: "reasons" }, items),
  );
}

const reasonHead = (reason) =>
  h(
    "span",
    { class: "reason-head" },
    h("span", {}, data(reason.code), reason.property && h("span", { class: "soft" }, " of ", data(reason.property))),
    h("b", {}, number(reason.rows)),
  );

const categories = (summary) =>
  Object.entries(summary.rejected_by_category ?? {})
    .map(([category, rows]) => `${number(rows)} ${category}`)
    .join(", ");

export function failedTable({ of, instance, instances, summary, timeline, rejected }) {
  const { properties: mapping, id_property: idProperty } = instance.rendered_fields ?? {};
  return rowsTable(rejected, {
    recordUrl: timeline?.record_url,
    keysAreRecords: instance.operator in model.words.operators && [null, "hs_object_id"].includes(idProperty),
    several: instances.length > 1,
    columns: mapping && typeof mapping === "object" && !Array.isArray(mapping) ? mapping : {},
    total: summary ? model.failedRows(summary) : rejected.length,
    resultsPath: summary?.results_path,
    file: `${of.dag_id}-${of.task_id}-rejected`,
  });
}

// --- over time ------------------------------------------------------------------------------------------------------

export function timeCard({ instance, points, timeline, totalRows }) {
  const options = {
    limit: timeline?.limit,
    totalRows: model.isRunning(instance.state) ? totalRows : null,
    resumedAt: timeline?.resumed_at ?? [],
  };
  return h(
    "section",
    { class: "card", "aria-labelledby": "time-title" },
    h("h2", { id: "time-title" }, "Over time"),
    timelineChart(points, options),
    h("details", { id: "time-table" }, h("summary", {}, "As a table"), timeTable(points)),
  );
}

function timeTable(points) {
  const step = Math.max(Math.ceil(points.length / 40), 1);
  const shown = points.filter((_, index) => index % step === 0 || index === points.length - 1);
  const rows = shown.map((point) =>
    h(
      "tr",
      {},
      h("td", {}, duration(point.seconds)),
      [point.rows, point.rejected, point.requests, point.rate_limited].map((value) => h("td", {}, number(value))),
    ),
  );
  return scrollingTable(
    "Over time, as a table",
    ["Time", "Rows done", "Rejected", "Requests in 10 s", "Rate limited (429)"],
    rows,
    { class: "figures" },
  );
}

// --- instances, costs, settings, links ------------------------------------------------------------------------------

export function instancesCard({ of, parts }) {
  const heads = ["Instance", "State", "Outcomes", "Rows", "Not written", "Duration"];
  return h(
    "section",
    { class: "card wide", id: "instances", "aria-labelledby": "instances-title" },
    h("h2", { id: "instances-title" }, "Instances"),
    scrollingTable(
      "Instances",
      heads,
      parts.map((part) => instanceRow(of, part)),
      { class: "figures instances" },
    ),
  );
}

function instanceRow(of, { instance, summary, timeline }) {
  return h(
    "tr",
    {},
    h(
      "td",
      {},
      h(
        "a",
        { href: airflow.page("sync.html", { ...of, map_index: instance.map_index }) },
        data(instance.rendered_map_index ?? instance.map_index),
      ),
    ),
    h("td", {}, stateChip(instance.state)),
    h(
      "td",
      { class: "bar-cell" },
      summary
        ? outcomeBar(
            summary,
            model.isRunning(instance.state) ? Math.max(timeline?.total_rows ?? 0, summary.rows) : summary.rows,
          )
        : h("span", { class: "soft" }, "–"),
    ),
    h("td", {}, summary ? number(summary.rows) : "–"),
    h(
      "td",
      { class: summary && model.failedRows(summary) ? "failed" : null },
      summary ? number(model.failedRows(summary)) : "–",
    ),
    h("td", {}, summary ? duration(summary.seconds) : "–"),
  );
}

function card(id, title, entries) {
  return h(
    "section",
    { class: "card", "aria-labelledby": id },
    h("h2", { id }, title),
    h(
      "dl",
      { class: "facts" },
      entries.filter(Boolean).map(([term, ...value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
    ),
  );
}

export function costsCard({ summary, timeline, points }) {
  const fullest = Math.max(0, ...points.map((point) => point.requests));
  const { limit, daily, daily_remaining: left } = timeline ?? {};
  return card("costs-title", "Costs", [
    [
      "Requests",
      number(summary.requests),
      summary.rows > 0 &&
        summary.requests > 0 &&
        h("span", { class: "soft" }, ` ${count(Math.round(summary.rows / summary.requests), "row")} each`),
    ],
    ["Retries", number(summary.retries)],
    ["Rate limited (429)", number(summary.rate_limited)],
    limit && fullest > 0 && ["Most in 10 s", `${number(fullest)} of ${number(limit)}`],
    left !== null &&
      left !== undefined && [
        "Daily limit left",
        number(left),
        daily && h("span", { class: "soft" }, ` of ${number(daily)}, ${percent(left, daily)}`),
      ],
  ]);
}

export function settingsCard({ instance, instances, timeline }) {
  const rendered = { ...instance.rendered_fields };
  if (instances.length > 1) delete rendered.rows;
  const shown = { ...rendered, ...timeline?.settings };
  const names = [
    "hubspot_conn_id",
    "rows",
    "id_column",
    "id_property",
    "from_column",
    "to_column",
    ...Object.keys(shown),
  ];
  const entries = [...new Set(names)].filter(
    (name) => name !== "object_type" && shown[name] !== undefined && shown[name] !== null && shown[name] !== false,
  );
  return card(
    "settings-title",
    "Settings",
    entries.map((name) => [h("code", {}, name), settingOf(shown[name])]),
  );
}

function settingOf(value) {
  if (Array.isArray(value))
    return h(
      "details",
      {},
      h("summary", {}, count(value.length, "property", "properties")),
      value.map((one) => h("div", {}, data(one))),
    );
  if (typeof value === "object") {
    const pairs = Object.entries(value);
    return h(
      "details",
      {},
      h("summary", {}, count(pairs.length, "column")),
      pairs.map(([column, property]) =>
        h(
          "div",
          {},
          data(column),
          h("span", { class: "soft" }, " → "),
          data(typeof property === "object" ? JSON.stringify(property) : property),
        ),
      ),
    );
  }
  return data(value);
}

export function linksCard({ instance, summary }) {
  return h(
    "section",
    { class: "card", "aria-labelledby": "links-title" },
    h("h2", { id: "links-title" }, "Links"),
    h(
      "ul",
      { class: "links", id: "links" },
      h("li", {}, airflow.linkOut(airflow.at.task(instance), {}, "Log"), spoken(" of this task")),
      h("li", {}, airflow.linkOut(airflow.at.task(instance, "xcom"), {}, "XComs")),
    ),
    summary.results_path && h("p", { class: "soft path" }, "Result files: ", data(summary.results_path)),
  );
}

/** What the operator links to, which is a request of its own. */
export async function addLinks({ of, instance }) {
  const told = await airflow.links({ ...of, map_index: instance.map_index }).catch(() => ({}));
  const list = document.getElementById("links");
  for (const [name, address] of Object.entries(told)) {
    if (address && name !== "Sync" && list) list.append(h("li", {}, airflow.linkOut(address, {}, name)));
  }
}
