// The tab "Sync": one run of one sync, or all instances of a mapped one.

import * as airflow from "./airflow.js";
import { outcomeBar, outcomeLegend, timelineChart } from "./charts.js";
import { data, h, refresh, spoken } from "./dom.js";
import { ago, count, duration, moment, number, percent } from "./format.js";
import * as model from "./model.js";
import { calm, scrollingTable, stateChip, stateWord } from "./parts.js";
import { rowsTable } from "./rows.js";

const REFRESH_SECONDS = 5;

const given = airflow.parameters();
const main = document.querySelector("main");
const of = {
  dag_id: given.dag_id,
  run_id: given.run_id,
  task_id: given.task_id,
  map_index: /^\d+$/.test(given.map_index ?? "") ? Number(given.map_index) : -1,
};
let all = given.map_index === "all";
let timer;

async function show() {
  clearTimeout(timer);
  try {
    const sync = await load();
    if (sync === null) return;
    render(sync);
    if (sync.instances.some((instance) => !model.isOver(instance.state))) timer = setTimeout(show, REFRESH_SECONDS * 1000);
  } catch (error) {
    console.info(error);
    main.replaceChildren(calm(airflow.explained(error)));
    if (!(error instanceof airflow.ApiError && [401, 403].includes(error.status))) timer = setTimeout(show, REFRESH_SECONDS * 1000);
  }
}

/** What Airflow knows of it; null if that is told already. */
async function load() {
  const instances = await instancesOf();
  if (!instances.length) {
    main.replaceChildren(calm("Airflow has no instance of this task in this run (any more)."));
    return null;
  }
  const there = await pushedBy(instances);
  const parts = await Promise.all(instances.map((instance) => partOf(instance, there)));
  const told = parts.filter((part) => part.summary !== null || part.timeline !== null);
  if (!told.length && !model.isOurs(instances[0])) {
    main.replaceChildren(calm(`${of.task_id} isn't a HubSpot sync. For a task that is one, this page shows what became of its rows.`));
    return null;
  }
  return together(instances, parts, told);
}

async function instancesOf() {
  if (!all && of.map_index >= 0) return [await airflow.mappedInstance(of)].filter(Boolean);
  const instances = await airflow.instancesInRun(of);
  all = instances.some((instance) => instance.map_index >= 0);
  return instances;
}

/** Which of these XComs there are, of one instance or of all. */
async function pushedBy(instances) {
  if (instances.length === 1) return airflow.pushed(of, { map_index: instances[0].map_index });
  const keys = await Promise.all(["return_value", "timeline", "rejected"].map((key) => airflow.pushed(of, { xcom_key: key })));
  return new Set(keys.flatMap((some) => [...some]));
}

async function partOf(instance, there) {
  const here = { ...of, map_index: instance.map_index };
  const value = (key) => (there.has(airflow.xcomName(here, key)) ? airflow.xcom(here, key) : null);
  const [returned, timeline, rejected] = await Promise.all([value("return_value"), value("timeline"), value("rejected")]);
  const live = model.isSummary(timeline?.summary) ? timeline : null;
  const summary = model.isSummary(returned) ? returned : (live?.summary ?? null);
  return { instance, summary, timeline: live, rejected: Array.isArray(rejected) && summary ? rejected : [] };
}

function together(instances, parts, told) {
  const single = instances.length === 1;
  const totals = told.map((part) => part.timeline?.total_rows ?? null);
  const summaries = told.map((part) => part.summary);
  return {
    instances,
    parts,
    instance: single ? instances[0] : { ...instances[0], map_index: -1, state: stateOf(instances), try_number: null },
    summary: summaries.length ? (single ? summaries[0] : model.summed(summaries)) : null,
    timeline: told.findLast((part) => part.timeline)?.timeline ?? null,
    points: single ? model.points(told[0]?.timeline) : model.pointsTogether(told.map((part) => part.timeline)),
    totalRows: totals.length === instances.length && totals.every((total) => total !== null) ? totals.reduce((sum, one) => sum + one, 0) : null,
    rejected: parts.flatMap((part) => inOrder(part.rejected).map((outcome) => (single ? outcome : { instance: part.instance.map_index, ...outcome }))),
  };
}

const inOrder = (outcomes) => [...outcomes].sort((one, other) => one.row - other.row);

/** The state of all instances together: the one that wants attention first. */
function stateOf(instances) {
  const states = new Set(instances.map((instance) => instance.state));
  return ["running", "up_for_retry", "deferred", "queued", "scheduled", "failed", "success"].find((state) => states.has(state)) ?? instances[0].state;
}

// --- the page -----------------------------------------------------------------------------------------------------

function render(sync) {
  const open = new Set([...main.querySelectorAll("details[open]")].map((one) => one.id));
  const { summary } = sync;
  const table = sync.rejected.length > 0 ? failedTable(sync) : null;
  const time = sync.points.length >= FEWEST_POINTS ? timeCard(sync) : null;
  const costs = summary && costsCard(sync);
  refresh(main, [
      header(sync),
      noticeOf(sync),
      summary && outcomeCard(sync),
      h("div", { class: "pair", id: "pair" }, table && reasonsCard(sync, table), (table || time) && h("div", {}, time, table && costs)),
      sync.instances.length > 1 && instancesCard(sync),
      table?.element,
      summary && h("div", { class: "row" }, !table && costs, settingsCard(sync), linksCard(sync)),
  ]);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (!all && sync.parts[0]) addLinks(sync.parts[0].instance);
}

function header(sync) {
  const { instance, instances, summary, timeline } = sync;
  const verb = model.verb(instance, summary);
  return h(
    "header",
    { id: "head" },
    h("p", { class: "kicker" }, [verb, summary && model.objects(summary)].filter(Boolean).join(" "), timeline?.settings?.validate_only && h("span", { class: "tag" }, "validate only")),
    h("h1", {}, headline(sync)),
    h("p", { class: "soft meta" }, stateChip(instance.state), ...metaOf(sync)),
    h("nav", { class: "actions", "aria-label": "This task" }, instanceChoice(instances), h("a", { href: airflow.page("history.html", { dag_id: of.dag_id, task_id: of.task_id }) }, "All runs of this task"), airflow.linkOut(airflow.at.task(instance), {}, "Log")),
  );
}

function headline({ instance, summary, totalRows }) {
  if (!summary) return data(of.task_id);
  if (model.isRunning(instance.state)) {
    return totalRows ? `${number(summary.rows)} of ${count(totalRows, "row")} done` : `${count(summary.rows, "row")} done so far`;
  }
  if (!summary.rows) return "There were no rows to sync";
  const parts = model.outcomes(summary);
  if (parts.length === 1) return `${summary.rows === 1 ? "The row" : `All ${number(summary.rows)} rows`} ${model.label(parts[0].status)}`;
  return `${count(summary.rows, "row")}: ${model.inWords(summary)}`;
}

function metaOf({ instance, instances, summary, totalRows }) {
  const started = summary?.started_at ?? instance.start_date;
  const running = model.isRunning(instance.state);
  const seconds = summary?.seconds ?? instance.duration;
  const rate = summary?.rows && summary.seconds > 0 ? summary.rows / summary.seconds : 0;
  const parts = [started && [h("time", { datetime: started, title: started }, moment(started)), ` (${ago(started)})`]];
  parts.push(seconds > 0 && ` · ${running ? "for" : "took"} ${duration(seconds)}`);
  parts.push(rate > 0 && ` · ${number(rate)} rows a second`);
  parts.push(running && rate > 0 && totalRows > summary.rows && instances.length === 1 && ` · about ${duration((totalRows - summary.rows) / rate)} left`);
  parts.push(instance.try_number > 1 && ` · try ${instance.try_number}`);
  parts.push(instances.length > 1 && ` · ${count(instances.length, "instance")}${statesInWords(instances)}`);
  return parts;
}

function statesInWords(instances) {
  const states = new Map();
  for (const { state } of instances) states.set(state, (states.get(state) ?? 0) + 1);
  return states.size > 1 ? `: ${[...states].map(([state, many]) => `${number(many)} ${stateWord(state)}`).join(", ")}` : "";
}

/** Which instance of a mapped task, or all of them. */
function instanceChoice(instances) {
  if (!all && of.map_index < 0) return null;
  const select = h("select", { "aria-label": "Instance of the mapped task", onchange: () => location.assign(airflow.page("sync.html", { ...of, map_index: select.value })) });
  const fill = (listed) =>
    select.replaceChildren(
      h("option", { value: "all", selected: all }, `All instances${listed.length > 1 ? ` (${number(listed.length)})` : ""}`),
      ...listed.map((one) => h("option", { value: one.map_index, selected: !all && one.map_index === of.map_index }, `Instance ${one.rendered_map_index ?? one.map_index}`)),
    );
  fill(instances);
  if (!all) airflow.instancesInRun(of).then(fill, (error) => console.info(error));
  return select;
}

function noticeOf(sync) {
  const notice = model.notice(sync.instance, sync.summary, sync.instances.length === 1 ? sync.timeline : null);
  if (!notice) return null;
  return h("div", { id: "notice", class: `notice ${notice.tone}`, role: notice.tone === "bad" ? "alert" : "status" }, h("strong", {}, notice.title), notice.note && ` ${notice.note}`);
}

function outcomeCard({ instance, summary, totalRows }) {
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
    summary.resumed_rows > 0 && `${count(summary.resumed_rows, "row")} had been done by an earlier try.`,
    kept && `HubSpot kept another value than the one sent: ${kept}.`,
    cleared && `Emptied: ${cleared}.`,
  ].filter(Boolean);
}

// --- why rows were rejected -----------------------------------------------------------------------------------------

function reasonsCard({ summary, rejected }, table) {
  const reasons = model.reasons(rejected);
  const most = Math.max(...reasons.map((reason) => reason.rows));
  const failed = summary ? model.failedRows(summary) : rejected.length;
  const items = reasons.map((reason) => {
    const button = h("button", { type: "button", class: "reason-bar", title: "Show these rows" }, reasonHead(reason), h("span", { class: "track" }, h("span", { class: `fill s-${model.colour(reason.status)}`, style: { width: `${(100 * reason.rows) / most}%` } })));
    button.addEventListener("click", () => {
      table.filter(reason.key);
      items.forEach((item, index) => item.querySelector("button").setAttribute("aria-pressed", String(reasons[index].key === table.chosen())));
      document.getElementById("rows").scrollIntoView({ block: "start", behavior: "smooth" });
    });
    button.setAttribute("aria-pressed", "false");
    return h("li", {}, button, h("p", { class: "advice" }, reason.advice), h("p", { class: "soft example" }, "Row ", reason.examples.map((one) => number(one.row)).join(", "), reason.rows > reason.examples.length && ", ...", reason.message && ": ", reason.message && data(reason.message)));
  });
  return h(
    "section",
    { class: "card", "aria-labelledby": "reasons-title" },
    h("h2", { id: "reasons-title" }, `Why ${count(failed, "row", "rows")} failed`),
    failed > rejected.length && h("p", { class: "soft" }, `Counted among the first ${number(rejected.length)}; all in all: ${categories(summary)}.`),
    h("ol", { class: "reasons" }, items),
  );
}

const reasonHead = (reason) => h("span", { class: "reason-head" }, h("span", {}, data(reason.code), reason.property && h("span", { class: "soft" }, " of ", data(reason.property))), h("b", {}, number(reason.rows)));

const categories = (summary) => Object.entries(summary.rejected_by_category ?? {}).map(([category, rows]) => `${number(rows)} ${category}`).join(", ");

function failedTable({ instance, instances, summary, timeline, rejected }) {
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

const FEWEST_POINTS = 3;

function timeCard({ instance, points, timeline, totalRows }) {
  const options = { limit: timeline?.limit, totalRows: model.isRunning(instance.state) ? totalRows : null, resumedAt: timeline?.resumed_at ?? [] };
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
  const rows = shown.map((point) => h("tr", {}, h("td", {}, duration(point.seconds)), [point.rows, point.rejected, point.requests, point.rate_limited].map((value) => h("td", {}, number(value)))));
  return scrollingTable("Over time, as a table", ["Time", "Rows done", "Rejected", "Requests in 10 s", "429 so far"], rows, { class: "figures" });
}

// --- instances, costs, settings, links ------------------------------------------------------------------------------

function instancesCard({ parts }) {
  const heads = ["Instance", "State", "Outcomes", "Rows", "Failed", "Duration"];
  return h(
    "section",
    { class: "card wide", id: "instances", "aria-labelledby": "instances-title" },
    h("h2", { id: "instances-title" }, "Instances"),
    scrollingTable("Instances", heads, parts.map(instanceRow), { class: "figures instances" }),
  );
}

function instanceRow({ instance, summary, timeline }) {
  return h(
    "tr",
    {},
    h("td", {}, h("a", { href: airflow.page("sync.html", { ...of, map_index: instance.map_index }) }, data(instance.rendered_map_index ?? instance.map_index))),
    h("td", {}, stateChip(instance.state)),
    h("td", { class: "bar-cell" }, summary ? outcomeBar(summary, model.isRunning(instance.state) ? Math.max(timeline?.total_rows ?? 0, summary.rows) : summary.rows) : h("span", { class: "soft" }, "–")),
    h("td", {}, summary ? number(summary.rows) : "–"),
    h("td", { class: summary && model.failedRows(summary) ? "failed" : null }, summary ? number(model.failedRows(summary)) : "–"),
    h("td", {}, summary ? duration(summary.seconds) : "–"),
  );
}

function card(id, title, entries) {
  return h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), h("dl", { class: "facts" }, entries.filter(Boolean).map(([term, ...value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)))));
}

function costsCard({ summary, timeline, points }) {
  const fullest = Math.max(0, ...points.map((point) => point.requests));
  const { limit, daily, daily_remaining: left } = timeline ?? {};
  return card("costs-title", "Costs", [
    ["Requests", number(summary.requests), summary.rows > 0 && summary.requests > 0 && h("span", { class: "soft" }, ` ${count(Math.round(summary.rows / summary.requests), "row")} each`)],
    ["Sent again", number(summary.retries)],
    ["Replies 429", number(summary.rate_limited)],
    limit && fullest > 0 && ["Fullest 10 s", `${number(fullest)} of ${number(limit)}`],
    left !== null && left !== undefined && ["Left of the day", number(left), daily && h("span", { class: "soft" }, ` of ${number(daily)}, ${percent(left, daily)}`)],
  ]);
}

function settingsCard({ instance, instances, timeline }) {
  const rendered = { ...instance.rendered_fields };
  if (instances.length > 1) delete rendered.rows;
  const shown = { ...rendered, ...timeline?.settings };
  const names = ["hubspot_conn_id", "rows", "id_column", "id_property", "from_column", "to_column", ...Object.keys(shown)];
  const entries = [...new Set(names)].filter((name) => name !== "object_type" && shown[name] !== undefined && shown[name] !== null && shown[name] !== false);
  return card("settings-title", "Settings", entries.map((name) => [h("code", {}, name), settingOf(shown[name])]));
}

function settingOf(value) {
  if (Array.isArray(value)) return h("details", {}, h("summary", {}, count(value.length, "property", "properties")), value.map((one) => h("div", {}, data(one))));
  if (typeof value === "object") {
    const pairs = Object.entries(value);
    return h("details", {}, h("summary", {}, count(pairs.length, "column")), pairs.map(([column, property]) => h("div", {}, data(column), h("span", { class: "soft" }, " → "), data(typeof property === "object" ? JSON.stringify(property) : property))));
  }
  return data(value);
}

function linksCard({ instance, summary }) {
  return h(
    "section",
    { class: "card", "aria-labelledby": "links-title" },
    h("h2", { id: "links-title" }, "Links"),
    h("ul", { class: "links", id: "links" }, h("li", {}, airflow.linkOut(airflow.at.task(instance), {}, "Log"), spoken(" of this task")), h("li", {}, airflow.linkOut(airflow.at.task(instance, "xcom"), {}, "XComs"))),
    summary.results_path && h("p", { class: "soft path" }, "Result files: ", data(summary.results_path)),
  );
}

/** What the operator links to, which is a request of its own. */
async function addLinks(instance) {
  const told = await airflow.links({ ...of, map_index: instance.map_index }).catch(() => ({}));
  const list = document.getElementById("links");
  for (const [name, address] of Object.entries(told)) {
    if (address && name !== "Sync" && list) list.append(h("li", {}, airflow.linkOut(address, {}, name)));
  }
}

airflow.followTheme();
show();
