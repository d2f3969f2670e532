// The tab "Sync": one run of one sync, or all instances of a mapped one.

import * as airflow from "./airflow.js";
import * as cards from "./cards.js";
import { data, h, refresh } from "./dom.js";
import { ago, count, duration, moment, number } from "./format.js";
import * as model from "./model.js";
import { calm, stateChip, stateWord } from "./parts.js";

const REFRESH_SECONDS = 5;
const FEWEST_POINTS = 3; // of a chart that shows something

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
    if (sync.instances.some((instance) => !model.isOver(instance.state)))
      timer = setTimeout(show, REFRESH_SECONDS * 1000);
  } catch (error) {
    console.info(error);
    const refused = error instanceof airflow.ApiError && [401, 403].includes(error.status);
    if (refused || !document.getElementById("head")) main.replaceChildren(calm(airflow.explained(error)));
    if (!refused) timer = setTimeout(show, REFRESH_SECONDS * 1000); // what is shown stays, and is asked for again
  }
}

/** What Airflow knows of it; null if that is told already. */
async function load() {
  const instances = await instancesOf();
  if (!instances.length) {
    main.replaceChildren(calm("Airflow doesn't have this task instance (any more)."));
    return null;
  }
  const there = await pushedBy(instances);
  const parts = await Promise.all(instances.map((instance) => partOf(instance, there)));
  const told = parts.filter((part) => part.summary !== null || part.timeline !== null);
  if (!told.length && !model.isOurs(instances[0])) {
    main.replaceChildren(calm(`${of.task_id} isn't a HubSpot sync. This page shows what became of a sync's rows.`));
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
  const keys = await Promise.all(
    ["return_value", "timeline", "rejected"].map((key) => airflow.pushed(of, { xcom_key: key })),
  );
  return new Set(keys.flatMap((some) => [...some]));
}

async function partOf(instance, there) {
  const here = { ...of, map_index: instance.map_index };
  const value = (key) => (there.has(airflow.xcomName(here, key)) ? airflow.xcom(here, key) : null);
  const [returned, timeline, rejected] = await Promise.all([
    value("return_value"),
    value("timeline"),
    value("rejected"),
  ]);
  const live = model.isSummary(timeline?.summary) ? timeline : null;
  const summary = model.isSummary(returned) ? returned : (live?.summary ?? null);
  return { instance, summary, timeline: live, rejected: Array.isArray(rejected) && summary ? rejected : [] };
}

function together(instances, parts, told) {
  const single = instances.length === 1;
  const totals = told.map((part) => part.timeline?.total_rows ?? null);
  const summaries = told.map((part) => part.summary);
  return {
    of,
    instances,
    parts,
    instance: single ? instances[0] : { ...instances[0], map_index: -1, state: stateOf(instances), try_number: null },
    summary: summaries.length ? (single ? summaries[0] : model.summed(summaries)) : null,
    timeline: told.findLast((part) => part.timeline)?.timeline ?? null,
    points: single ? model.points(told[0]?.timeline) : model.pointsTogether(told.map((part) => part.timeline)),
    totalRows:
      totals.length === instances.length && totals.every((total) => total !== null)
        ? totals.reduce((sum, one) => sum + one, 0)
        : null,
    rejected: parts.flatMap((part) =>
      inOrder(part.rejected).map((outcome) => (single ? outcome : { instance: part.instance.map_index, ...outcome })),
    ),
  };
}

const inOrder = (outcomes) => [...outcomes].sort((one, other) => one.row - other.row);

/** The state of all instances together: the one that wants attention first. */
function stateOf(instances) {
  const states = new Set(instances.map((instance) => instance.state));
  return (
    ["running", "up_for_retry", "deferred", "queued", "scheduled", "failed", "success"].find((state) =>
      states.has(state),
    ) ?? instances[0].state
  );
}

// --- the page -----------------------------------------------------------------------------------------------------

function render(sync) {
  const open = new Set([...main.querySelectorAll("details[open]")].map((one) => one.id));
  const { summary } = sync;
  const table = sync.rejected.length > 0 ? cards.failedTable(sync) : null;
  const time = sync.points.length >= FEWEST_POINTS ? cards.timeCard(sync) : null;
  const costs = summary && cards.costsCard(sync);
  refresh(main, [
    header(sync),
    noticeOf(sync),
    summary && cards.outcomeCard(sync),
    h(
      "div",
      { class: "pair", id: "pair" },
      table && cards.reasonsCard(sync, table),
      (table || time) && h("div", {}, time, table && costs),
    ),
    sync.instances.length > 1 && cards.instancesCard(sync),
    table?.element,
    summary && h("div", { class: "row" }, !table && costs, cards.settingsCard(sync), cards.linksCard(sync)),
  ]);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (!all && sync.parts[0]) cards.addLinks(sync);
}

function header(sync) {
  const { instance, instances, summary, timeline } = sync;
  const verb = model.verb(instance, summary);
  return h(
    "header",
    { id: "head" },
    h(
      "p",
      { class: "kicker" },
      [verb, summary && model.objects(summary)].filter(Boolean).join(" "),
      timeline?.settings?.validate_only && h("span", { class: "tag" }, "validate only"),
    ),
    h("h1", {}, headline(sync)),
    h("p", { class: "soft meta" }, stateChip(instance.state), ...metaOf(sync)),
    h(
      "nav",
      { class: "actions", "aria-label": "This task" },
      instanceChoice(instances),
      h(
        "a",
        { href: airflow.page("history.html", { dag_id: of.dag_id, task_id: of.task_id }) },
        "All runs of this task",
      ),
      airflow.linkOut(airflow.at.task(instance), {}, "Log"),
    ),
  );
}

function headline({ instance, summary, totalRows }) {
  if (!summary) return data(of.task_id);
  if (model.isRunning(instance.state)) {
    return totalRows
      ? `${number(summary.rows)} of ${count(totalRows, "row")} done`
      : `${count(summary.rows, "row")} done so far`;
  }
  if (!summary.rows) return "There were no rows to sync";
  const parts = model.outcomes(summary);
  if (parts.length === 1)
    return `${summary.rows === 1 ? "The row" : `All ${number(summary.rows)} rows`} ${model.label(parts[0].status)}`;
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
  parts.push(
    running &&
      rate > 0 &&
      totalRows > summary.rows &&
      instances.length === 1 &&
      ` · about ${duration((totalRows - summary.rows) / rate)} left`,
  );
  parts.push(instance.try_number > 1 && ` · try ${instance.try_number}`);
  parts.push(instances.length > 1 && ` · ${count(instances.length, "instance")}${statesInWords(instances)}`);
  return parts;
}

function statesInWords(instances) {
  const states = new Map();
  for (const { state } of instances) states.set(state, (states.get(state) ?? 0) + 1);
  return states.size > 1
    ? `: ${[...states].map(([state, many]) => `${number(many)} ${stateWord(state)}`).join(", ")}`
    : "";
}

/** Which instance of a mapped task, or all of them. */
function instanceChoice(instances) {
  if (!all && of.map_index < 0) return null;
  const select = h("select", {
    "aria-label": "Instance of the mapped task",
    onchange: () => location.assign(airflow.page("sync.html", { ...of, map_index: select.value })),
  });
  const fill = (listed) =>
    select.replaceChildren(
      h(
        "option",
        { value: "all", selected: all },
        `All instances${listed.length > 1 ? ` (${number(listed.length)})` : ""}`,
      ),
      ...listed.map((one) =>
        h(
          "option",
          { value: one.map_index, selected: !all && one.map_index === of.map_index },
          `Instance ${one.rendered_map_index ?? one.map_index}`,
        ),
      ),
    );
  fill(instances);
  if (!all) airflow.instancesInRun(of).then(fill, (error) => console.info(error));
  return select;
}

function noticeOf(sync) {
  const notice = model.notice(sync.instance, sync.summary, sync.instances.length === 1 ? sync.timeline : null);
  if (!notice) return null;
  return h(
    "div",
    { id: "notice", class: `notice ${notice.tone}`, role: notice.tone === "bad" ? "alert" : "status" },
    h("strong", {}, notice.title),
    notice.note && ` ${notice.note}`,
  );
}

airflow.followTheme();
show();
