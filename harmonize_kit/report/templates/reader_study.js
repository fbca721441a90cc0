// Questions, steps from item to item, keys, and the dialogs before and after.
const byId = id => document.getElementById(id);
const fields = byId("fields"), comment = byId("comment");
let order = [], current = 0, marked = 0, shownAt = null;

function show(number) {
  countTime();
  current = Math.min(order.length - 1, Math.max(0, number));
  const item = order[current];
  store.at = item.code;
  showImages(item);
  const code = element("code", "", item.code);
  byId("item").replaceChildren(`Item ${current + 1} of ${order.length}, `, code);
  fields.replaceChildren(...questionsOf(item).map(fieldOf));
  comment.value = store.comments[item.code] ?? "";
  byId("said").textContent = `Item ${current + 1} of ${order.length}`;
  byId("previous").disabled = current === 0;
  mark(firstOpen(item));
  shownAt = document.hidden ? null : performance.now();
  refresh();
}

function fieldOf(question, number) {
  const item = order[current];
  const field = element("fieldset");
  field.append(element("legend", "", question.text));
  const answers = element("div", "answers");
  if (question.hint) {
    const hint = element("p", "hint quiet", question.hint);
    hint.id = `hint-${number}`;
    field.setAttribute("aria-describedby", hint.id);
    field.append(hint);
  }
  question.answers.forEach((answer, key) => {
    const label = element("label"), input = element("input");
    Object.assign(input, { type: "radio", name: question.name, value: answer.value });
    input.checked = store.answers[item.code]?.[question.name] === answer.value;
    input.addEventListener("change", () => give(number, key));
    label.append(input, element("kbd", "", key + 1), element("span", "", answer.label));
    // The keyboard stays with the images after a click, where arrows mean slices and items.
    label.addEventListener("click", event => {
      if (event.detail) setTimeout(() => { input.blur(); markAfter(number); });
    });
    answers.append(label);
  });
  field.append(answers);
  field.addEventListener("focusin", () => mark(number));
  return field;
}

function give(number, key) {
  const item = order[current], question = questionsOf(item)[number];
  const answer = question?.answers[key];
  if (!answer) return;
  (store.answers[item.code] ??= {})[question.name] = answer.value;
  fields.children[number].querySelectorAll("input")[key].checked = true;
  if (!fields.contains(document.activeElement)) markAfter(number);
  refresh();
}

// Mark the next open question; where none is left, stay.
function markAfter(number) {
  const open = firstOpen(order[current], number + 1);
  mark(open < fields.children.length ? open : number);
}

function firstOpen(item, from = 0) {
  const given = store.answers[item.code] ?? {}, questions = questionsOf(item);
  const open = questions.findIndex((question, k) => k >= from && given[question.name] === undefined);
  return open < 0 ? (from ? questions.length : 0) : open;
}

function mark(number) {
  marked = number;
  Array.from(fields.children, (field, k) => field.classList.toggle("current", k === number));
}

function refresh() {
  const done = order.filter(answered).length;
  byId("bar").value = done;
  byId("where").textContent = `${done} of ${order.length} rated`;
  byId("next").classList.toggle("ready", answered(order[current]));
  keep();
  byId("saved").hidden = store.kept;
}

function step(by) {
  if (by > 0 && current === order.length - 1) return end();
  show(current + by);
}

function end() {
  const open = order.filter(item => !answered(item)).length;
  byId("left").textContent = open
    ? `${open} of ${order.length} items are not fully rated yet.`
    : "Every item is rated. Export your ratings and send the file to whoever sent you this page.";
  byId("open-one").hidden = !open;
  byId("end").showModal();
}

function countTime() {
  if (shownAt === null || !order.length) return;
  const code = order[current].code, now = performance.now();
  store.seconds[code] = (store.seconds[code] ?? 0) + (now - shownAt) / 1000;
  shownAt = now;
}

function save() { countTime(); keep(); exportRatings(); }

function begin(reader) {
  recall(reader);
  order = orderFor(reader);
  byId("who").textContent = `Reader ${reader}`;
  const last = order.findIndex(item => item.code === store.at);
  const next = order.findIndex(item => !answered(item));
  byId("start").close();
  shownAt = null;
  show(last >= 0 ? last : Math.max(0, next));
}

const KEYS = {
  ArrowRight: () => step(1), Enter: () => step(1), ArrowLeft: () => step(-1),
  ArrowUp: () => turnTo(-1), ArrowDown: () => turnTo(1),
  a: () => choosePlane("axial"), c: () => choosePlane("coronal"), s: () => choosePlane("sagittal"),
  f: alone, "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: asItWas,
  "[": () => light("brightness", 0.9), "]": () => light("brightness", 1 / 0.9),
  ",": () => light("contrast", 0.9), ".": () => light("contrast", 1 / 0.9),
  n: () => comment.focus(), "?": () => byId("help").showModal(),
  q: () => mark((marked + 1) % fields.children.length),
};

document.addEventListener("keydown", event => {
  if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = document.activeElement;
  if (at === comment) { if (event.key === "Escape") comment.blur(); return; }
  const single = event.key.length === 1;
  if (single && !byId("keys-on").checked) return;
  // Radios and buttons keep the keys that browsers give them.
  if (at instanceof HTMLInputElement && event.key.startsWith("Arrow")) return;
  if (at instanceof HTMLButtonElement && event.key === "Enter") return;
  const number = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : null;
  const act = number === null ? KEYS[event.key] : () => give(marked, number);
  if (!act) return;
  event.preventDefault();
  act();
});

comment.addEventListener("input", () => { store.comments[order[current].code] = comment.value; keep(); });
byId("questions").addEventListener("submit", event => { event.preventDefault(); step(1); });
byId("previous").addEventListener("click", () => step(-1));
byId("export").addEventListener("click", save);
byId("export-end").addEventListener("click", save);
byId("help-button").addEventListener("click", () => byId("help").showModal());
byId("who").addEventListener("click", () => { countTime(); keep(); byId("start").showModal(); });
byId("open-one").addEventListener("click", () => { byId("end").close(); show(order.findIndex(item => !answered(item))); });
byId("start-form").addEventListener("submit", event => { event.preventDefault(); begin(byId("reader").value.trim()); });
byId("start").addEventListener("cancel", event => { if (!order.length) event.preventDefault(); });
byId("import").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", async event => {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  try { begin(fromCsv(await file.text())); } catch (error) { byId("reader-error").textContent = error.message; }
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { countTime(); shownAt = null; if (order.length) keep(); }
  else if (order.length) shownAt = performance.now();
});
window.addEventListener("pagehide", () => { countTime(); if (order.length) keep(); });

byId("reader").value = remembered(place("")) ?? "";
byId("start").showModal();
