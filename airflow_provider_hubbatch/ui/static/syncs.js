// "HubSpot syncs": every sync of every DAG that the viewer may see.

import * as airflow from "./airflow.js";
import { sparkline } from "./charts.js";
import { data, h, refresh, spoken } from "./dom.js";
import { ago, count, duration, moment, number, percent } from "./format.js";
import * as model from "./model.js";
import { calm, scrollingTable, stateChip, stateWord, toRun } from "./parts.js";
import * as runs from "./runs.js";

const RUNS_SHOWN = 30;
const MOST_PAGES = 5; // of 100 task instances: enough to find each sync that ran lately
const REFRESH_SECONDS = 15;

const main = document.querySelector("main");
const known = new runs.Runs();
const chosen = { text: "", dag: "", object: "", verb: "", state: "", sort: "last", down: true };
const body = h("tbody");
const told = h("p", { class: "soft", role: "status" });
let syncs = [];
let looked = 0;
let more = true;

// --- what there is --------------------------------------------------------------------------------------------------

async function load() {
  try {
    for (let page = 0; more && page < MOST_PAGES; page += 1) await addPage(page);
    await addDerived().catch((error) => console.info(error)); // good to have, no more
    if (syncs.length) await addNumbers();
    else main.replaceChildren(calm(NOTHING));
  } catch (error) {
    console.info(error);
    if (!syncs.length) main.replaceChildren(calm(airflow.explained(error)));
  }
  setTimeout(lookAgain, REFRESH_SECONDS * 1000);
}

async function addPage(page) {
  const newest = await runs.newestInstances(page * 100);
  more = newest.more;
  looked += newest.instances.length;
  add(newest.instances);
}

async function addDerived() {
  const others = (await runs.derivedTasks()).filter((task) => !known.has(task));
  for (const task of others) add((await runs.instancesOf(task, { limit: RUNS_SHOWN, later: true })).instances);
}

function add(instances) {
  known.add(instances);
  const first = !syncs.length;
  syncs = known.tasks();
  if (first && syncs.length) frame();
  show();
}

/** The numbers: of each sync's last run first, then of those before. */
async function addNumbers() {
  await Promise.all(syncs.map(addLast));
  await Promise.all(syncs.map(addHistory));
  show();
}

async function addLast(sync) {
  const run = last(sync);
  await quietly(runs.addSummaries([run], undefined, { later: false }));
  if (run.summary && run.quotaOf !== run.summary) {
    run.quotaOf = run.summary;
    run.timeline = await quietly(timelineOf(run));
  }
  show();
}

/** The timeline of a run: it says what was left of the day. */
async function timelineOf(run) {
  const there = await airflow.pushed(run, { xcom_key: "timeline" });
  return there.has(airflow.xcomName(run, "timeline")) ? airflow.xcom(run, "timeline") : null;
}

async function addHistory(sync) {
  if (more && sync.runs.length < RUNS_SHOWN) {
    known.add((await quietly(runs.instancesOf(sync, { later: true })))?.instances ?? []);
    sync.runs = known.tasks().find((one) => runs.taskKey(one) === runs.taskKey(sync)).runs;
  }
  await quietly(runs.addSummaries(sync.runs.slice(1, RUNS_SHOWN)));
  show();
}

/** One number that can't be had leaves the others alone. */
const quietly = (asked) => asked.catch((error) => void console.info(error));

async function lookAgain() {
  if (!document.hidden) {
    try {
      const newest = await runs.newestInstances();
      add(newest.instances);
      if (syncs.length) await addNumbers();
    } catch (error) {
      console.info(error); // what is shown stays
    }
  }
  setTimeout(lookAgain, REFRESH_SECONDS * 1000);
}

// --- the page -------------------------------------------------------------------------------------------------------

const NOTHING =
  "No HubSpot sync has run yet. Once a task of one of the HubSpot operators has run, it is shown here with its history.";

const last = (sync) => sync.runs[0];
const summaryOf = (sync) => last(sync).summary;
const objectsOf = (sync) => {
  const summary = sync.runs.find((run) => run.summary)?.summary;
  const fields = last(sync).rendered_fields;
  if (summary) return model.objects(summary);
  if (fields.from_object_type) return `${fields.from_object_type} → ${fields.to_object_type}`;
  return typeof fields.object_type === "string" ? fields.object_type : "";
};
const verbOf = (sync) => model.verb(last(sync), sync.runs.find((run) => run.summary)?.summary) ?? "";
const failedIn = (run) => (run?.summary ? model.failedRows(run.summary) : null);
const before = (sync) => sync.runs.slice(1).find((run) => run.summary);

const COLUMNS = [
  { key: "name", title: "Sync", value: (sync) => `${sync.dag_id} ${sync.task_id}`.toLowerCase(), up: true },
  {
    key: "state",
    title: "State",
    value: (sync) => ["failed", "up_for_retry", "deferred", "running"].indexOf(last(sync).state) + 1,
  },
  {
    key: "last",
    title: "Last run",
    value: (sync) => new Date(last(sync).start_date ?? last(sync).run_after).valueOf(),
  },
  { key: "history", title: `Last ${RUNS_SHOWN} runs` },
  { key: "rows", title: "Rows", value: (sync) => summaryOf(sync)?.rows ?? -1, figure: true },
  { key: "rejected", title: "Rejected", value: (sync) => failedIn(last(sync)) ?? -1, figure: true },
  { key: "duration", title: "Duration", value: (sync) => summaryOf(sync)?.seconds ?? -1, figure: true },
  { key: "requests", title: "Requests", value: (sync) => summaryOf(sync)?.requests ?? -1, figure: true },
];

function frame() {
  main.replaceChildren(
    h("header", {}, h("h1", {}, "HubSpot syncs"), told),
    h(
      "div",
      { class: "filters", role: "search" },
      search(),
      filter("dag", "All DAGs"),
      filter("object", "All objects"),
      filter("verb", "All verbs"),
      filter("state", "All states"),
    ),
    h("section", { class: "card wide flush" }, scrollingTable("Syncs", COLUMNS.map(headOf), body, { class: "syncs" })),
  );
}

const search = () =>
  h("input", {
    type: "search",
    placeholder: "Search syncs",
    "aria-label": "Search syncs",
    oninput: (event) => choose({ text: event.target.value.toLowerCase() }),
  });

const VALUES = {
  dag: (sync) => sync.dag_id,
  object: objectsOf,
  verb: verbOf,
  state: (sync) => last(sync).state ?? "none",
};

function filter(key, title) {
  return h(
    "select",
    {
      "aria-label": title.replace("All", "Filter by"),
      id: `filter-${key}`,
      onchange: (event) => choose({ [key]: event.target.value }),
    },
    h("option", { value: "" }, title),
  );
}

function fillFilters() {
  for (const [key, value] of Object.entries(VALUES)) {
    const select = document.getElementById(`filter-${key}`);
    const values = [...new Set(syncs.map(value).filter(Boolean))].sort();
    const first = select.options[0];
    select.replaceChildren(
      first,
      ...values.map((one) =>
        h("option", { value: one, selected: chosen[key] === one }, key === "state" ? stateWord(one) : one),
      ),
    );
    select.hidden = values.length < 2 && !chosen[key];
  }
}

function headOf(column) {
  if (!column.value) return h("th", { scope: "col" }, column.title);
  const sort = () => {
    choose(chosen.sort === column.key ? { down: !chosen.down } : { sort: column.key, down: !column.up });
    for (const th of document.querySelectorAll("th[data-key]")) th.removeAttribute("aria-sort");
    document
      .querySelector(`th[data-key="${column.key}"]`)
      .setAttribute("aria-sort", chosen.down ? "descending" : "ascending");
  };
  return h(
    "th",
    {
      scope: "col",
      "data-key": column.key,
      class: column.figure ? "figure" : null,
      "aria-sort": chosen.sort === column.key ? "descending" : null,
    },
    h("button", { type: "button", class: "sort", onclick: sort }, column.title),
  );
}

function choose(changes) {
  Object.assign(chosen, changes);
  show();
}

function matching() {
  const by = COLUMNS.find((column) => column.key === chosen.sort).value;
  const found = syncs.filter(
    (sync) =>
      Object.entries(VALUES).every(([key, value]) => !chosen[key] || value(sync) === chosen[key]) &&
      (!chosen.text ||
        `${sync.dag_id} ${sync.task_id} ${objectsOf(sync)} ${verbOf(sync)}`.toLowerCase().includes(chosen.text)),
  );
  const sign = chosen.down ? -1 : 1;
  return found.sort((one, other) => {
    const [a, b] = [by(one), by(other)];
    return (a < b ? -1 : a > b ? 1 : 0) * sign || runs.taskKey(one).localeCompare(runs.taskKey(other));
  });
}

function show() {
  if (!syncs.length) return;
  fillFilters();
  const shown = matching();
  const none = h("tr", { id: "none" }, h("td", { colspan: COLUMNS.length, class: "none" }, "No sync matches."));
  refresh(body, shown.length ? shown.map(rowOf) : [none]);
  tell(shown);
}

function tell(shown) {
  const failed = shown.filter((sync) => last(sync).state === "failed").length;
  const running = shown.filter((sync) => model.isRunning(last(sync).state)).length;
  const rejected = shown.reduce((sum, sync) => sum + (failedIn(last(sync)) ?? 0), 0);
  const parts = [
    count(shown.length, "sync"),
    failed && `${number(failed)} failed`,
    running && `${number(running)} running`,
    rejected && `${count(rejected, "row")} rejected in their last runs`,
  ];
  const older = more ? ` Found in the newest ${number(looked)} task instances of the HubSpot operators.` : "";
  const text = `${parts.filter(Boolean).join(", ")}.${older}`;
  if (told.textContent !== text) told.textContent = text;
}

function rowOf(sync) {
  const run = last(sync);
  const { summary } = run;
  const started = run.start_date ?? run.run_after;
  return h(
    "tr",
    { id: `sync ${runs.taskKey(sync)}` },
    h(
      "td",
      { class: "name" },
      h(
        "a",
        { href: airflow.page("history.html", { dag_id: sync.dag_id, task_id: sync.task_id }) },
        data(sync.task_id),
        spoken(": all runs"),
      ),
      h("div", { class: "soft" }, data(sync.dag_id)),
      h("div", { class: "soft" }, [verbOf(sync), objectsOf(sync)].filter(Boolean).join(" ")),
    ),
    h("td", { "data-head": "State" }, stateChip(run.state)),
    h("td", { "data-head": "Last run" }, toRun(run, { title: moment(started) }, started ? ago(started) : "–")),
    h(
      "td",
      { "data-head": "History", class: "spark-cell" },
      sparkline(sync.runs.slice(0, RUNS_SHOWN).reverse(), RUNS_SHOWN),
    ),
    h("td", { "data-head": "Rows", class: "figure" }, summary ? number(summary.rows) : "–"),
    h("td", { "data-head": "Rejected", class: "figure" }, rejectedOf(sync)),
    h("td", { "data-head": "Duration", class: "figure" }, summary ? duration(summary.seconds) : "–"),
    h(
      "td",
      { "data-head": "Requests", class: "figure" },
      summary ? number(summary.requests) : "–",
      quotaOf(run.timeline),
    ),
  );
}

function quotaOf(timeline) {
  const { daily, daily_remaining: left } = timeline ?? {};
  return (
    daily > 0 &&
    typeof left === "number" &&
    h(
      "div",
      {
        class: "soft change",
        title: `${number(left)} of the account's ${number(daily)} requests a day were left`,
      },
      `${percent(left, daily)} of the daily limit left`,
    )
  );
}

function rejectedOf(sync) {
  const now = failedIn(last(sync));
  if (now === null) return "–";
  const then = failedIn(before(sync));
  const change = then === null ? 0 : now - then;
  return [
    h("span", { class: now ? "failed" : null }, number(now)),
    change !== 0 &&
      h(
        "div",
        { class: change > 0 ? "failed change" : "soft change" },
        h("span", { "aria-hidden": "true" }, change > 0 ? "▲ " : "▼ "),
        `${number(Math.abs(change))} ${change > 0 ? "more" : "fewer"}`,
        spoken(" than in the run before"),
      ),
  ];
}

airflow.followTheme();
load();
