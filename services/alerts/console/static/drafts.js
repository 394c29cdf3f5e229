// What an operator has written stays: in its form, and for this window also over a reload. It leaves no trace once sent, or
// when they sign out: it is about a person.

const PREFIX = "console-draft-";
const name = (form) => PREFIX + form.dataset.draft;

function fields(form) {
  return Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
}

function mark(form, dirty) {
  if (dirty) form.dataset.dirty = "";
  else delete form.dataset.dirty;
  const discard = form.querySelector("[data-discard]");
  if (discard) discard.hidden = !dirty;
}

/** Sent, or not wanted any more. */
export function clear(form) {
  if (!form.dataset.draft) return;
  sessionStorage.removeItem(name(form));
  form.reset();
  mark(form, false);
}

/** Put back what was written before; for forms that have just come onto the page. */
export function restore() {
  for (const form of document.querySelectorAll("form[data-draft]:not([data-dirty])")) {
    const kept = JSON.parse(sessionStorage.getItem(name(form)) ?? "{}");
    for (const [field, value] of Object.entries(kept)) {
      const input = form.elements.namedItem(field);
      if (input) input.value = value;
    }
    if (Object.keys(kept).length) mark(form, true);
  }
}

export function begin() {
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-draft]");
    if (!form) return;
    const written = fields(form);
    const dirty = Object.keys(written).length > 0;
    if (dirty) sessionStorage.setItem(name(form), JSON.stringify(written));
    else sessionStorage.removeItem(name(form));
    mark(form, dirty);
  });
  document.addEventListener("click", (event) => {
    const form = event.target.closest("[data-discard]")?.form;
    if (!form) return;
    clear(form);
    form.dispatchEvent(new CustomEvent("discarded", { bubbles: true }));
  });
  document.getElementById("sign-out").addEventListener("submit", () => {
    Object.keys(sessionStorage).filter((each) => each.startsWith(PREFIX)).forEach((each) => sessionStorage.removeItem(each));
  });
}
