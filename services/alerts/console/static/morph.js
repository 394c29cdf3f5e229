// Makes the page like the one the server has just sent, touching only what differs: what has the focus keeps it, a button under
// the mouse stays the same button, and what belongs to the person or to a script is left alone.

/** Elements whose content is a script's or the person's: [data-own], a form being sent, what a form has said. */
const OWN = "[data-own], form[data-busy], .form-trouble, [data-discard], dialog";
const CLIENT_ATTRIBUTES = new Set(["open", "style", "data-level", "data-dirty", "tabindex"]);

const key = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || null : null);
const kept = (node) =>
  node.nodeType === Node.ELEMENT_NODE && (node.matches("form[data-dirty]") || node.querySelector("form[data-dirty]") !== null);

function matching(parent, cursor, next) {
  const wanted = key(next);
  if (wanted !== null) return [...parent.children].find((child) => key(child) === wanted && child.tagName === next.tagName);
  if (!cursor || cursor.nodeType !== next.nodeType || key(cursor) !== null) return undefined;
  return cursor.nodeType !== Node.ELEMENT_NODE || cursor.tagName === next.tagName ? cursor : undefined;
}

function attributes(from, to) {
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !CLIENT_ATTRIBUTES.has(name)) from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value && !CLIENT_ATTRIBUTES.has(name)) from.setAttribute(name, value);
  }
}

function node(from, to) {
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
    return;
  }
  if (from.matches(OWN)) return;
  attributes(from, to);
  children(from, to);
}

function children(from, to) {
  let cursor = from.firstChild;
  for (const next of [...to.childNodes]) {
    const found = matching(from, cursor, next);
    if (found === undefined) from.insertBefore(document.importNode(next, true), cursor);
    else {
      if (found === cursor) cursor = cursor.nextSibling;
      else from.insertBefore(found, cursor);
      node(found, next);
    }
  }
  while (cursor !== null) {
    const gone = cursor;
    cursor = cursor.nextSibling;
    // A form with something written in it stays, whatever has become of its alarm; it says so itself.
    if (kept(gone) && key(from) === "actions") {
      const form = gone.matches("form") ? gone : gone.querySelector("form[data-dirty]");
      form.dispatchEvent(new CustomEvent("overtaken", { bubbles: true }));
    } else gone.remove();
  }
}

/** Make the children of `from` like those of `to`. */
export function morph(from, to) {
  const focused = document.activeElement;
  attributes(from, to);
  children(from, to);
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
}
