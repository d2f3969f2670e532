// Airflow around the page: its REST API, asked with the viewer's own session; its theme; its addresses.

import { h } from "./dom.js";

/** Airflow's base URL, with whatever path it has. */
export const BASE = new URL("../", import.meta.url);

const AT_ONCE = 6; // as many as a browser sends to one host side by side
const LARGEST_PAGE = 100; // Airflow's own bound, unless the deployment has changed it
const MOST_XCOMS = 2000;

export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** What the page is about, from its address. Airflow before 3.3 doesn't encode what it puts there: a + is a +. */
export function parameters() {
  const pairs = location.search.slice(1).split("&").filter(Boolean);
  return Object.fromEntries(pairs.map((pair) => pair.split("=", 2).map(decoded)));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a page of ours, with parameters. */
export function page(name, given) {
  const pairs = Object.entries(given).map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
  return `${name}?${pairs.join("&")}`;
}

/** A path of Airflow's, each part encoded. */
export const path = (...parts) => parts.map((part) => (part === "~" ? part : encodeURIComponent(part))).join("/");

let underWay = 0;
const waiting = [];

/** What the API answers, at most six at a time. `later` ones wait until nothing else does. */
export async function get(address, query = {}, { later = false } = {}) {
  if (underWay >= AT_ONCE) {
    await new Promise((resume) => (later ? waiting.push(resume) : waiting.unshift(resume)));
  }
  underWay += 1;
  try {
    return await ask(address, query);
  } finally {
    underWay -= 1;
    waiting.shift()?.();
  }
}

async function ask(address, query) {
  const url = new URL(`api/v2/${address}`, BASE);
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) url.searchParams.append(name, one);
  }
  const reply = await fetch(url, { credentials: "same-origin", headers: { accept: "application/json" } });
  if (!reply.ok) throw new ApiError(reply.status, await detailOf(reply));
  return reply.json();
}

async function detailOf(reply) {
  try {
    const { detail } = await reply.json();
    return typeof detail === "string" ? detail : reply.statusText;
  } catch {
    return reply.statusText;
  }
}

/** All pages of a list, up to `most` entries. */
export async function getAll(address, key, query = {}, most = 500, options = {}) {
  const entries = [];
  for (;;) {
    const reply = await get(address, { limit: LARGEST_PAGE, offset: entries.length, ...query }, options);
    entries.push(...reply[key]);
    if (!reply[key].length || entries.length >= Math.min(reply.total_entries, most)) return entries;
  }
}

const taskPath = (of) => path("dags", of.dag_id, "dagRuns", of.run_id, "taskInstances", of.task_id);

/** One instance of a task, by its map index; null if there is none. */
export async function mappedInstance(of) {
  const instance = await orNull(get(`${taskPath(of)}/${of.map_index}`));
  return instance && named(instance);
}

/** All instances of a task in one run: one with the map index -1, unless the task is mapped. */
export async function instancesInRun(of) {
  const instances = await orNull(
    getAll(path("dags", of.dag_id, "dagRuns", of.run_id, "taskInstances"), "task_instances", {
      task_id: of.task_id,
      order_by: "map_index",
    }),
  );
  return (instances ?? []).map(named);
}

/** Airflow calls a run's id here so, there so. */
export const named = (instance) => ({ ...instance, run_id: instance.dag_run_id });

/** Which XComs there are: asking for one that isn't would leave an error in the browser's console. */
export async function pushed(of, query = {}, options) {
  const entries = await getAll(`${taskPath(of)}/xcomEntries`, "xcom_entries", query, MOST_XCOMS, options);
  return new Set(entries.map((entry) => xcomName(entry, entry.key)));
}

export const xcomName = (of, key) => `${of.run_id} ${of.map_index} ${key}`;

/** The value of an XCom; null if the task pushed none (by now). */
export async function xcom(of, key, options) {
  const entry = await orNull(get(`${taskPath(of)}/xcomEntries/${key}`, { map_index: of.map_index ?? -1 }, options));
  return entry === null ? null : parsed(entry.value);
}

/** The links on a task's page. */
export async function links(of) {
  const reply = await orNull(get(`${taskPath(of)}/links`, { map_index: of.map_index ?? -1 }));
  return reply?.extra_links ?? {};
}

async function orNull(asked) {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** Some versions of Airflow give an XCom as JSON in a text. */
function parsed(value) {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** Addresses in Airflow's own pages. */
export const at = {
  task: (of, tab = "") =>
    path("dags", of.dag_id, "runs", of.run_id, "tasks", of.task_id) +
    (of.map_index >= 0 ? `/mapped/${of.map_index}` : "") +
    (tab && `/${tab}`),
  sync: (of) => at.task(of, "plugin/hubspot-sync"),
  dag: (of) => path("dags", of.dag_id),
};

/** A link out of the frame: to Airflow's own pages, or to another site in a new tab. */
export function linkOut(href, attributes, ...children) {
  const outside = new URL(href, BASE).origin !== BASE.origin;
  return h(
    "a",
    {
      href: new URL(href, BASE),
      rel: outside ? "noopener noreferrer" : null,
      onclick: (event) => leave(event, outside),
      onauxclick: (event) => leave(event, true),
      ...attributes,
    },
    ...children,
  );
}

// The frame's sandbox blocks links that lead out of it; one of the page around it, which is ours as well, does not.
function leave(event, newTab) {
  const around = parentDocument();
  if (event.button > 1) return;
  event.preventDefault();
  const elsewhere = newTab || event.ctrlKey || event.metaKey || event.shiftKey || event.button === 1;
  clickIn(around ?? document, {
    href: event.currentTarget.href,
    target: elsewhere ? "_blank" : "_self",
    rel: "noopener",
  });
}

/** Give the viewer a file. */
export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  clickIn(parentDocument() ?? document, { href: url, download: name });
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function clickIn(page, properties) {
  const link = Object.assign(page.createElement("a"), properties);
  page.body.append(link);
  link.click();
  link.remove();
}

function parentDocument() {
  try {
    return window.parent === window ? null : window.parent.document;
  } catch {
    return null;
  }
}

/** Look as Airflow does, now and when the viewer changes its theme: its theme, its background, its font. */
export function followTheme() {
  const around = parentDocument();
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const dark = around ? around.documentElement.classList.contains("dark") : preferred.matches;
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    if (around) requestAnimationFrame(borrowStyle);
  };
  apply();
  if (around)
    new MutationObserver(apply).observe(around.documentElement, { attributes: true, attributeFilter: ["class"] });
  else preferred.addEventListener("change", apply);
}

function borrowStyle() {
  const frame = window.frameElement;
  if (!frame) return;
  document.body.style.fontFamily = getComputedStyle(frame).fontFamily;
  for (let element = frame; element; element = element.parentElement) {
    const { backgroundColor } = getComputedStyle(element);
    if (!/^rgba|\/|transparent/.test(backgroundColor))
      return document.documentElement.style.setProperty("--page", backgroundColor);
  }
  return document.documentElement.style.removeProperty("--page");
}

/** Why something can't be shown, in a sentence. */
export function explained(error) {
  if (error instanceof ApiError && error.status === 401)
    return "Your session has ended. Load Airflow's page again to log in.";
  if (error instanceof ApiError && error.status === 403)
    return "You don't have access to this DAG, or not to its XComs. Its owner or an admin can grant it.";
  if (error instanceof ApiError) return `Airflow answered ${error.status}: ${error.message}.`;
  if (error instanceof TypeError && /fetch|network|load/i.test(error.message))
    return "Airflow can't be reached right now.";
  return `This page failed: ${error.message}`;
}
