// The runs of syncs: found with few requests, their numbers one by one and later, each only once.

import * as airflow from "./airflow.js";
import * as model from "./model.js";

const OPERATORS = Object.keys(model.words.operators);

/** The newest task instances of all syncs, a page of them: `{instances, more}`. */
export async function newestInstances(offset = 0) {
  const reply = await airflow.get("dags/~/dagRuns/~/taskInstances", {
    operator: OPERATORS,
    order_by: "-run_after",
    limit: 100,
    offset,
  });
  const instances = reply.task_instances.map(airflow.named);
  return { instances, more: offset + instances.length < reply.total_entries && instances.length > 0 };
}

/** Tasks that pushed a timeline and are of another class (an operator derived from ours): their newest instances. */
export async function derivedTasks() {
  const query = { xcom_key: "timeline", order_by: "-timestamp", limit: 100 };
  const reply = await airflow.get(
    `${airflow.path("dags", "~", "dagRuns", "~", "taskInstances", "~")}/xcomEntries`,
    query,
    { later: true },
  );
  return [
    ...new Map(
      reply.xcom_entries.map((entry) => [
        `${entry.dag_id} ${entry.task_id}`,
        { dag_id: entry.dag_id, task_id: entry.task_id },
      ]),
    ).values(),
  ];
}

/** The newest task instances of one task: `{instances, more}`. */
export async function instancesOf(task, { limit = 100, offset = 0, later = false } = {}) {
  const query = { task_id: task.task_id, order_by: "-run_after", limit, offset };
  const reply = await airflow.get(`${airflow.path("dags", task.dag_id, "dagRuns", "~", "taskInstances")}`, query, {
    later,
  });
  const instances = reply.task_instances.map(airflow.named);
  return { instances, more: offset + instances.length < reply.total_entries && instances.length > 0 };
}

export const taskKey = (of) => `${of.dag_id} ${of.task_id}`;

/** The runs of any number of tasks, kept up to date by the task instances that Airflow tells of. */
export class Runs {
  #tasks = new Map();

  /** Take in task instances, new ones and those known already. The instances of a mapped task belong to one run. */
  add(instances) {
    for (const instance of instances) {
      const run = this.#runOf(instance);
      const before = run.instances.get(instance.map_index);
      if (before?.id === instance.id && before.state === instance.state) continue;
      run.instances.set(instance.map_index, instance);
      run.asked = false;
      describe(run);
    }
  }

  #runOf(instance) {
    const key = taskKey(instance);
    if (!this.#tasks.has(key))
      this.#tasks.set(key, { dag_id: instance.dag_id, task_id: instance.task_id, runs: new Map() });
    const { runs } = this.#tasks.get(key);
    const { run_id } = instance;
    if (!runs.has(run_id))
      runs.set(run_id, {
        dag_id: instance.dag_id,
        task_id: instance.task_id,
        run_id,
        run_after: instance.run_after,
        instances: new Map(),
        summary: null,
      });
    return runs.get(run_id);
  }

  has(task) {
    return this.#tasks.has(taskKey(task));
  }

  /** `{dag_id, task_id, runs}` of each task, its newest run first. */
  tasks() {
    return [...this.#tasks.values()].map((task) => ({
      ...task,
      runs: [...task.runs.values()].sort((one, other) => new Date(other.run_after) - new Date(one.run_after)),
    }));
  }
}

const ORDER = ["running", "restarting", "up_for_retry", "deferred", "queued", "scheduled", "failed", "upstream_failed"];

function describe(run) {
  const instances = [...run.instances.values()];
  const states = new Set(instances.map((instance) => instance.state));
  run.state = ORDER.find((state) => states.has(state)) ?? instances[0].state;
  run.start_date =
    instances
      .map((instance) => instance.start_date)
      .filter(Boolean)
      .sort()[0] ?? null;
  run.operator = instances[0].operator;
  run.map_index = instances[0].map_index;
  run.rendered_fields = instances[0].rendered_fields ?? {};
}

/** Ask for the numbers of runs of one task: `run.summary` has them then, if there are any, and `told(run)` is called. */
export async function addSummaries(runs, told = () => {}, options = { later: true }) {
  const wanted = runs.filter((run) => !run.asked && !model.isWaiting(run.state));
  if (!wanted.length) return;
  const there = await pushedBy(wanted, options);
  await Promise.all(
    wanted.map(async (run) => {
      run.asked = model.isOver(run.state);
      const all = await Promise.all(
        [...run.instances.values()].map((instance) => summaryOf(run, instance, there, options)),
      );
      const summaries = all.filter((one) => one !== null);
      if (summaries.length) run.summary = summaries.length === 1 ? summaries[0] : model.summed(summaries);
      run.seconds = run.summary?.seconds ?? null;
      run.rate = run.summary?.seconds > 0 ? run.summary.rows / run.summary.seconds : null;
      told(run);
    }),
  );
}

/** Which of these runs have pushed what: a request or two, however many they are. */
async function pushedBy(runs, options) {
  if (!runs.some((run) => [...run.instances.values()].some((instance) => fromStore(instance) === undefined)))
    return new Set();
  const since = runs
    .map((run) => run.run_after)
    .reduce((one, other) => (new Date(one) < new Date(other) ? one : other));
  const keys = runs.some((run) => model.isRunning(run.state)) ? ["return_value", "timeline"] : ["return_value"];
  const of = { dag_id: runs[0].dag_id, run_id: runs.length === 1 ? runs[0].run_id : "~", task_id: runs[0].task_id };
  const found = await Promise.all(
    keys.map((key) => airflow.pushed(of, { xcom_key: key, ...(runs.length > 1 && { run_after_gte: since }) }, options)),
  );
  return new Set(found.flatMap((some) => [...some]));
}

async function summaryOf(run, instance, there, options) {
  const known = fromStore(instance);
  if (known !== undefined) return known;
  const of = { ...run, map_index: instance.map_index };
  const value = (key) => (there.has(airflow.xcomName(of, key)) ? airflow.xcom(of, key, options) : null);
  const returned = await value("return_value");
  const summary = model.isSummary(returned) ? returned : ((await value("timeline"))?.summary ?? null);
  const checked = model.isSummary(summary) ? summary : null;
  intoStore(instance, checked);
  return checked;
}

// What a finished try has pushed doesn't change any more: it is kept for as long as the tab is open. It is numbers, and
// was given to this viewer; Airflow says each time which task instances the viewer may see.
const kept = (instance) =>
  model.isOver(instance.state) && instance.end_date ? `hubspot-sync ${instance.id} ${instance.end_date}` : null;

function fromStore(instance) {
  try {
    const text = kept(instance) && sessionStorage.getItem(kept(instance));
    return text ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

function intoStore(instance, summary) {
  try {
    if (kept(instance)) sessionStorage.setItem(kept(instance), JSON.stringify(summary));
  } catch {
    // full, or not allowed: it is asked for again
  }
}
