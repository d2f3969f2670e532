// All runs of one sync: how its outcomes, its duration and its pace went, run by run.

import * as airflow from "./airflow.js";
import { outcomeBar, runsChart } from "./charts.js";
import { data, h, refresh } from "./dom.js";
import { count, duration, moment, number, shortMoment } from "./format.js";
import * as model from "./model.js";
import { calm, scrollingTable, stateChip, toRun } from "./parts.js";
import * as runs from "./runs.js";

const PAGE = 40;
const REFRESH_SECONDS = 15;

const { dag_id, task_id } = airflow.parameters();
const task = { dag_id, task_id };
const main = document.querySelector("main");
const known = new runs.Runs();
let instances = 0;
let more = false;
let shownRuns = PAGE;

async function load() {
  try {
    await addInstances();
    if (known.has(task)) await addNumbers();
    else main.replaceChildren(calm("Airflow has no runs of this task."));
  } catch (error) {
    console.info(error);
    main.replaceChildren(calm(airflow.explained(error)));
    return;
  }
  setTimeout(lookAgain, REFRESH_SECONDS * 1000);
}

/** Task instances until there are as many runs as shall be shown: a mapped task has several a run. */
async function addInstances() {
  do {
    const page = await runs.instancesOf(task, { offset: instances });
    known.add(page.instances);
    instances += page.instances.length;
    more = page.more;
  } while (more && runsNow().length < shownRuns);
}

const runsNow = () => known.tasks()[0]?.runs ?? [];

async function addNumbers() {
  show();
  const shown = runsNow().slice(0, shownRuns);
  let done = 0;
  await runs.addSummaries(shown, () => {
    done += 1;
    if (done % 20 === 0) show();
  });
  show();
}

async function lookAgain() {
  if (!document.hidden && runsNow().some((run) => !model.isOver(run.state))) {
    try {
      known.add((await runs.instancesOf(task)).instances);
      await addNumbers();
    } catch (error) {
      console.info(error); // what is shown stays
    }
  }
  setTimeout(lookAgain, REFRESH_SECONDS * 1000);
}

// --- the page -------------------------------------------------------------------------------------------------------

const HEADS = [
  "Run",
  "State",
  "Outcomes",
  "Rows",
  "Rejected",
  "Most common reason",
  "Duration",
  "Rows/s",
  "Requests",
  "429",
];
const FIGURES = new Set(["Rows", "Rejected", "Duration", "Rows/s", "Requests", "429"]);
const heads = HEADS.map((head) => h("th", { scope: "col", class: FIGURES.has(head) ? "figure" : null }, head));
const body = h("tbody");
const pager = h("div", { class: "pager" });
const tableCard = h(
  "section",
  { class: "card wide", id: "table", "aria-labelledby": "table-title", "data-version": "" },
  h("h2", { id: "table-title" }, "Runs"),
  scrollingTable("Runs", heads, body, { class: "run-rows" }),
  pager,
);

function show() {
  const all = runsNow();
  const shown = all.slice(0, shownRuns);
  const summary = shown.find((run) => run.summary)?.summary;
  const verb = model.verb(shown[0], summary);
  refresh(main, [
    h(
      "header",
      { id: "head" },
      h("p", { class: "kicker" }, [verb, summary && model.objects(summary)].filter(Boolean).join(" ")),
      h("h1", {}, data(task_id)),
      h("p", { class: "soft meta" }, airflow.linkOut(airflow.at.dag(task), {}, data(dag_id)), ` · ${inShort(shown)}`),
      h("nav", { class: "actions", "aria-label": "Other pages" }, h("a", { href: "syncs.html" }, "All syncs")),
    ),
    h(
      "section",
      {
        class: "card wide",
        id: "chart",
        "aria-labelledby": "chart-title",
        "data-version": JSON.stringify(shown.map((run) => [run.run_id, run.state, run.summary])),
      },
      h("h2", { id: "chart-title" }, "Run by run"),
      runsChart([...shown].reverse(), { open, words }),
    ),
    tableCard,
  ]);
  refresh(body, shown.map(rowOf));
  refresh(pager, [
    (more || all.length > shownRuns) && h("button", { type: "button", id: "older", onclick: showOlder }, "Older runs"),
  ]);
}

function inShort(shown) {
  const told = shown.filter((run) => run.summary);
  const failed = shown.filter((run) => run.state === "failed").length;
  const rejected = told.reduce((sum, run) => sum + model.failedRows(run.summary), 0);
  const rows = told.reduce((sum, run) => sum + run.summary.rows, 0);
  return [
    `the last ${count(shown.length, "run")}`,
    `${number(failed)} failed`,
    `${count(rows, "row")}`,
    `${number(rejected)} rejected`,
  ].join(", ");
}

async function showOlder() {
  shownRuns += PAGE;
  try {
    if (runsNow().length < shownRuns && more) await addInstances();
    await addNumbers();
  } catch (error) {
    pager.replaceChildren(h("p", { class: "soft" }, airflow.explained(error)));
  }
}

const started = (run) => run.start_date ?? run.run_after;

function words(run) {
  const parts = [shortMoment(started(run)), run.state ?? "not started"];
  if (run.summary) parts.push(model.inWords(run.summary), duration(run.summary.seconds));
  return parts.join(" · ");
}

function rowOf(run) {
  const { summary } = run;
  const failed = summary ? model.failedRows(summary) : 0;
  const figure = (head, value) => h("td", { class: "figure", "data-head": head }, summary ? value() : "–");
  return h(
    "tr",
    { id: `run ${run.run_id}` },
    h(
      "td",
      { "data-head": "Run", class: "when" },
      toRun(run, { title: `${run.run_id}: its Sync tab` }, moment(started(run))),
      run.instances.size > 1 && h("span", { class: "soft" }, ` ${count(run.instances.size, "instance")}`),
    ),
    h("td", { "data-head": "State" }, stateChip(run.state)),
    h(
      "td",
      { "data-head": "Outcomes", class: "bar-cell" },
      summary ? outcomeBar(summary) : h("span", { class: "soft" }, "–"),
    ),
    figure("Rows", () => number(summary.rows)),
    figure("Rejected", () => h("span", { class: failed ? "failed" : null }, number(failed))),
    h("td", { "data-head": "Most common reason", class: "common" }, commonest(summary)),
    figure("Duration", () => duration(summary.seconds)),
    figure("Rows/s", () => (run.rate ? number(run.rate) : "–")),
    figure("Requests", () => number(summary.requests)),
    figure("429", () => number(summary.rate_limited)),
  );
}

function commonest(summary) {
  const [first] = Object.entries(summary?.rejected_by_category ?? {}).sort(([, one], [, other]) => other - one);
  return first ? [data(first[0]), h("span", { class: "soft" }, ` ${number(first[1])}`)] : "";
}

/** A click on a bar: as on the run's link. */
function open(run, event) {
  const link = toRun(run, { hidden: true });
  document.body.append(link);
  link.dispatchEvent(
    new MouseEvent("click", {
      bubbles: true,
      cancelable: true,
      ctrlKey: event.ctrlKey,
      metaKey: event.metaKey,
      shiftKey: event.shiftKey,
    }),
  );
  link.remove();
}

airflow.followTheme();
load();
