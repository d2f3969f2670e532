// Elements made by hand. Text is always set as text, never as HTML: a value can't become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element: attributes by name, `on...` as listeners; children are nodes or anything to be shown as text. */
export function h(tag, attributes = {}, ...children) {
  return built(document.createElement(tag), attributes, children);
}

/** As h, for the elements of a drawing. */
export function s(tag, attributes = {}, ...children) {
  return built(document.createElementNS(SVG, tag), attributes, children);
}

function built(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style")
      for (const [property, one] of Object.entries(value)) element.style.setProperty(property, one);
    else if (name === "href") setHref(element, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

function setHref(element, value) {
  const address = webAddress(value);
  if (address) element.setAttribute("href", address);
}

/** The address, if a browser may open it: no javascript: or data: from an XCom. Else null. */
export function webAddress(value) {
  try {
    const url = new URL(String(value), document.baseURI);
    return ["http:", "https:", "blob:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Text that came from somebody's data: it keeps its own direction and doesn't disturb its neighbours'. */
export function data(value, attributes = {}) {
  return h("bdi", attributes, value);
}

/** What only a screen reader tells. */
export function spoken(...text) {
  return h("span", { class: "spoken" }, ...text);
}

/**
 * Give an element these children, and leave those in place that are the same as before: what the viewer is just using
 * (focus, an open list) stays. A child is known by its id, and is the same if its `data-version` is, or all of it.
 */
export function refresh(parent, children) {
  const before = new Map([...parent.children].filter((child) => child.id).map((child) => [child.id, child]));
  const wanted = children
    .filter(Boolean)
    .map((child) => (same(before.get(child.id), child) ? before.get(child.id) : child));
  for (const child of [...parent.children]) if (!wanted.includes(child)) child.remove();
  wanted.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}

const same = (old, child) =>
  old !== undefined &&
  (child.dataset.version === undefined ? old.isEqualNode(child) : old.dataset.version === child.dataset.version);
