// The table of rows that failed: filtered, paged, downloaded.

import { download, linkOut } from "./airflow.js";
import { data, h, webAddress } from "./dom.js";
import { count, number } from "./format.js";
import { colour, label, reasonKey, reasonOf } from "./model.js";

const PAGE = 25;

/**
 * The rows that were rejected or have no known outcome.
 *
 * outcomes: as the XCom has them; recordUrl: with {record_id} in it; keysAreRecords: a row's key is its record's id;
 * several: they are of several instances; columns: which column of the source went to which property; total: how many
 * failed in all; file: what a download is called.
 */
export function rowsTable(
  outcomes,
  { recordUrl, keysAreRecords, several, columns = {}, total = outcomes.length, resultsPath, file },
) {
  const entries = outcomes.map((outcome) => ({ outcome, reason: reasonOf(outcome), text: searchable(outcome) }));
  const state = { key: "", text: "", page: 0 };
  const body = h("tbody");
  const told = h("p", { class: "soft", role: "status" });
  const pager = h("div", { class: "pager" });
  const search = h("input", {
    type: "search",
    placeholder: "Search rows",
    "aria-label": "Search rows",
    oninput: () => set({ text: search.value }),
  });
  const select = h(
    "select",
    { "aria-label": "Reason", onchange: () => set({ key: select.value }) },
    reasonOptions(entries),
  );
  const matching = () =>
    entries.filter(
      ({ reason, text }) =>
        (!state.key || reasonKey(reason) === state.key) && (!state.text || text.includes(state.text.toLowerCase())),
    );

  function set(changes) {
    Object.assign(state, { page: 0 }, changes);
    select.value = state.key;
    show();
  }

  function show() {
    const shown = matching();
    const pages = Math.max(Math.ceil(shown.length / PAGE), 1);
    const first = state.page * PAGE;
    body.replaceChildren(
      ...shown
        .slice(first, first + PAGE)
        .flatMap((entry) => rowOf(entry, { recordUrl, keysAreRecords, several, columns })),
    );
    if (!shown.length)
      body.append(h("tr", {}, h("td", { colspan: several ? 6 : 5, class: "none" }, "No row matches.")));
    told.replaceChildren(
      shown.length === entries.length
        ? countOf(entries.length, total, resultsPath)
        : `${number(shown.length)} of ${count(entries.length, "row")}`,
    );
    pager.replaceChildren(...pageButtons(pages));
  }

  function pageButtons(pages) {
    if (pages === 1) return [];
    const to = (page) => () => {
      state.page = page;
      show();
      element.querySelector(".table-scroll").scrollIntoView({ block: "nearest" });
    };
    return [
      h("button", { type: "button", disabled: state.page === 0, onclick: to(state.page - 1) }, "Previous"),
      h("span", {}, `Page ${number(state.page + 1)} of ${number(pages)}`),
      h("button", { type: "button", disabled: state.page === pages - 1, onclick: to(state.page + 1) }, "Next"),
    ];
  }

  const heads = [...(several ? ["Instance"] : []), "Row", "Key", "Record", "Reason", "Message"];
  const element = h(
    "section",
    { class: "card wide", id: "rows", "aria-labelledby": "rows-title" },
    h(
      "div",
      { class: "card-head" },
      h("h2", { id: "rows-title" }, "Rows not written"),
      h(
        "div",
        { class: "tools" },
        search,
        select,
        h(
          "button",
          {
            type: "button",
            title: "The rows that match, with their values",
            onclick: () =>
              download(`${file}.csv`, csv(matching().map((entry) => entry.outcome)), "text/csv;charset=utf-8"),
          },
          "Download CSV",
        ),
      ),
    ),
    told,
    h(
      "div",
      { class: "table-scroll", tabindex: 0, role: "region", "aria-label": "Rows not written" },
      h(
        "table",
        { class: "rows" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            heads.map((head) => h("th", { scope: "col" }, head)),
          ),
        ),
        body,
      ),
    ),
    pager,
  );
  show();
  return { element, filter: (key) => set({ key: state.key === key ? "" : key }), chosen: () => state.key };
}

function countOf(listed, total, resultsPath) {
  if (listed >= total) return `${count(listed, "row")}, each with its values in the source.`;
  const all = resultsPath ? `All of them are in ${resultsPath}` : "results_path=... stores all of them";
  return `The first ${number(listed)} of ${number(total)}. ${all}.`;
}

function reasonOptions(entries) {
  const counts = new Map();
  for (const { reason } of entries) {
    const key = reasonKey(reason);
    counts.set(key, { reason, rows: (counts.get(key)?.rows ?? 0) + 1 });
  }
  const sorted = [...counts].sort(([, one], [, other]) => other.rows - one.rows);
  const options = sorted.map(([key, { reason, rows }]) =>
    h("option", { value: key }, `${reason.code}${reason.property ? ` of ${reason.property}` : ""} (${number(rows)})`),
  );
  return [h("option", { value: "" }, "All reasons"), ...options];
}

const searchable = (outcome) => JSON.stringify(outcome).toLowerCase();

function rowOf({ outcome, reason }, { recordUrl, keysAreRecords, several, columns }) {
  const hasValues = outcome.values && typeof outcome.values === "object";
  const more = h("tr", { class: "more", hidden: true });
  const toggle = h(
    "button",
    { type: "button", class: "fold", "aria-expanded": "false", title: "The row's values" },
    number(outcome.row),
  );
  toggle.addEventListener("click", () => {
    more.hidden = !more.hidden;
    toggle.setAttribute("aria-expanded", String(!more.hidden));
    if (!more.hidden) more.replaceChildren(h("td", { colspan: several ? 6 : 5 }, detailsOf(outcome, reason, columns)));
  });
  const row = h(
    "tr",
    {},
    several && h("td", { "data-head": "Instance" }, outcome.instance),
    h(
      "td",
      { "data-head": "Row", class: "figure" },
      hasValues || outcome.correlation_id ? toggle : number(outcome.row),
    ),
    h(
      "td",
      { "data-head": "Key" },
      keyOf(outcome.id),
      outcome.to_id !== undefined && [h("span", { class: "soft" }, " → "), keyOf(outcome.to_id)],
    ),
    h(
      "td",
      { "data-head": "Record" },
      recordLink(outcome.record_id ?? (keysAreRecords ? recordOf(outcome) : null), recordUrl),
    ),
    h(
      "td",
      { "data-head": "Reason", class: "why" },
      h(
        "span",
        { class: "reason" },
        h("i", { class: `dot s-${colour(outcome.status)}`, title: label(outcome.status) }),
        data(reason.code),
      ),
      reason.property && h("span", { class: "soft" }, " of ", data(reason.property)),
    ),
    h("td", { "data-head": "Message", class: "message" }, data(reason.message || label(outcome.status))),
  );
  return hasValues || outcome.correlation_id ? [row, more] : [row];
}

const keyOf = (id) =>
  id === null || id === undefined || id === "" ? h("span", { class: "soft" }, "(empty)") : data(keyText(id));

const keyText = (id) => (typeof id === "object" ? JSON.stringify(id) : String(id));

const NO_RECORD = new Set(["OBJECT_NOT_FOUND", "INVALID_ID", "MISSING_ID"]);

/** The record that a row's key names, where nothing says that there is none. */
const recordOf = ({ id, category }) => (/^\d+$/.test(String(id)) && !NO_RECORD.has(category) ? id : null);

function recordLink(recordId, recordUrl) {
  if (recordId === undefined || recordId === null) return h("span", { class: "soft" }, "–");
  const address = recordUrl && webAddress(recordUrl.replace("{record_id}", encodeURIComponent(recordId)));
  return address ? linkOut(address, { title: "Open the record in HubSpot" }, recordId) : data(recordId);
}

function detailsOf(outcome, reason, columns) {
  const values = Object.entries(outcome.values ?? {});
  return h(
    "div",
    { class: "row-details" },
    values.length > 0 &&
      h(
        "dl",
        { class: "values" },
        values.map(([column, value]) => {
          const property = columns[column] ?? column;
          return h(
            "div",
            { class: property === reason.property ? "at-fault" : null },
            h("dt", {}, data(column), property !== column && h("span", { class: "soft" }, " → ", data(property))),
            h(
              "dd",
              {},
              value === null
                ? h("span", { class: "soft" }, "(null)")
                : value === ""
                  ? h("span", { class: "soft" }, "(empty)")
                  : data(keyText(value)),
            ),
          );
        }),
      ),
    outcome.correlation_id &&
      h("p", { class: "soft" }, "Correlation id for HubSpot's support: ", h("code", {}, data(outcome.correlation_id))),
  );
}

// --- CSV ----------------------------------------------------------------------------------------------------------

const OURS = ["row", "id", "record_id", "status", "category", "message", "correlation_id"];

/** The rows as a table: what became of each, then its values, a column each. */
export function csv(outcomes) {
  const told = new Set(outcomes.flatMap((outcome) => Object.keys(outcome)));
  told.delete("values");
  const ours = [...new Set([...(told.has("instance") ? ["instance"] : []), ...OURS, ...told])];
  const theirs = [...new Set(outcomes.flatMap((outcome) => Object.keys(outcome.values ?? {})))];
  const lines = outcomes.map((outcome) => [
    ...ours.map((key) => outcome[key]),
    ...theirs.map((key) => outcome.values?.[key]),
  ]);
  // with a byte order mark, since spreadsheets take UTF-8 for something else without one
  return `\ufeff${[[...ours, ...theirs], ...lines].map((cells) => cells.map(cell).join(",")).join("\r\n")}\r\n`;
}

const NUMBER_OR_PHONE = /^[+-]?[\d\s().,/-]*$/;
const FORMULA = /^[=+\-@\t\r]/;

/** A cell that no spreadsheet runs as a formula: such a text gets an apostrophe in front; numbers, also of phones, don't. */
function cell(value) {
  if (value === null || value === undefined) return "";
  let text = typeof value === "object" ? JSON.stringify(value) : String(value);
  if (FORMULA.test(text) && !NUMBER_OR_PHONE.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
