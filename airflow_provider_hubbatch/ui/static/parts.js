// Small parts that the pages share.

import * as airflow from "./airflow.js";
import { h } from "./dom.js";

const STATES = {
  up_for_retry: "waits for its retry",
  upstream_failed: "upstream failed",
  null: "not started",
  none: "not started",
};

/** A task instance's state, in a word or some. */
export const stateWord = (state) => STATES[state] ?? String(state).replaceAll("_", " ");

export const stateChip = (state) => h("span", { class: `state state-${state ?? "none"}` }, stateWord(state));

/** One sentence where there is nothing to show. */
export const calm = (text, ...more) => h("div", { class: "calm" }, h("p", {}, text), ...more);

/** A table that scrolls by itself where it doesn't fit, reachable by keyboard. */
export function scrollingTable(name, heads, rows, attributes = {}) {
  const head = heads.map((one) => (one instanceof Node ? one : h("th", { scope: "col" }, one)));
  return h(
    "div",
    { class: "table-scroll", tabindex: 0, role: "region", "aria-label": name },
    h("table", attributes, h("thead", {}, h("tr", {}, head)), rows instanceof Node ? rows : h("tbody", {}, rows)),
  );
}

/** A link to one run: its Sync tab; several instances lead to a page of all of them together. */
export function toRun(run, attributes, ...children) {
  return run.instances.size > 1
    ? h("a", { href: togetherPage(run), ...attributes }, ...children)
    : airflow.linkOut(airflow.at.sync(run), attributes, ...children);
}

const togetherPage = (run) =>
  airflow.page("sync.html", { dag_id: run.dag_id, run_id: run.run_id, task_id: run.task_id, map_index: "all" });
