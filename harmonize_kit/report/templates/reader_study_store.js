"use strict";
// What a reader has answered: kept in the browser as one goes, written to and read from CSV.
const study = JSON.parse(document.getElementById("study").textContent);
const itemOf = new Map(study.items.map(item => [item.code, item]));
const COLUMNS = ["study", "item", "reader", "question", "answer", "seconds", "comment"];
const store = { reader: "", at: "", answers: {}, comments: {}, seconds: {}, kept: true };

// Half of the readers go through each block the other way round, so that neither practice nor
// tiredness falls on the same items for all.
function orderFor(reader) {
  let hash = 2166136261;
  for (const character of `${study.study}/${reader}`) {
    hash = Math.imul(hash ^ character.codePointAt(0), 16777619) >>> 0;
  }
  const blocks = ["single", "pair"].map(kind => study.items.filter(item => item.kind === kind));
  return (hash >>> 7) % 2 ? blocks.flatMap(block => block.reverse()) : blocks.flat();
}

function questionsOf(item) { return study.questions[item.kind]; }

function answered(item) {
  const given = store.answers[item.code] ?? {};
  return questionsOf(item).every(question => given[question.name] !== undefined);
}

function place(reader) { return `reader-study/${study.study}/${reader}`; }

function remembered(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

function keep() {
  try {
    const { at, answers, comments, seconds } = store;
    localStorage.setItem(place(store.reader), JSON.stringify({ at, answers, comments, seconds }));
    localStorage.setItem(place(""), store.reader);
    store.kept = true;
  } catch { store.kept = false; }
}

function recall(reader) {
  let found = {};
  try { found = JSON.parse(remembered(place(reader)) ?? "{}"); } catch { /* begun anew */ }
  const { at = "", answers = {}, comments = {}, seconds = {} } = found;
  Object.assign(store, { reader, at, answers, comments, seconds });
}

function cell(text) {
  const line = String(text).replace(/\s+/g, " ").trim();
  return /[",]/.test(line) ? `"${line.replaceAll('"', '""')}"` : line;
}

function toCsv() {
  const lines = [COLUMNS.join(",")];
  for (const item of study.items) {
    const given = store.answers[item.code] ?? {};
    // A spreadsheet takes text that begins like this for a formula.
    const comment = (store.comments[item.code] ?? "").trim().replace(/^(?=[=+\-@])/, "'");
    const asked = questionsOf(item).map(question => question.name).filter(name => name in given);
    const rows = asked.length || !comment ? asked : [""];
    for (const name of rows) {
      const seconds = Math.round(store.seconds[item.code] ?? 0);
      const cells = [study.study, item.code, store.reader, name, given[name] ?? "", seconds, comment];
      lines.push(cells.map(cell).join(","));
    }
  }
  return lines.join("\n") + "\n";
}

function exportRatings() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([toCsv()], { type: "text/csv" }));
  link.download = `ratings_${store.reader}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// One row a line: the page writes no line breaks into cells.
function cells(line) {
  const found = line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g);
  return Array.from(found, ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain);
}

// Take over an exported file; returns the reader's code, or throws an Error that says what is wrong.
function fromCsv(text) {
  const [head, ...lines] = text.replace(/^\ufeff/, "").split(/\r?\n/).filter(line => line.trim());
  const names = cells(head ?? "");
  if (COLUMNS.some(name => !names.includes(name))) throw new Error("This is no file that this page exported.");
  const rows = lines.map(line => Object.fromEntries(cells(line).map((value, k) => [names[k], value])));
  if (rows.some(row => row.study !== study.study)) throw new Error("This file was exported from another study.");
  const readers = new Set(rows.map(row => row.reader));
  if (readers.size !== 1) throw new Error(`Expected the ratings of one reader, found ${readers.size}.`);
  for (const row of rows) {
    const item = itemOf.get(row.item);
    const question = item && questionsOf(item).find(one => one.name === row.question);
    const fits = question?.answers.some(answer => answer.value === row.answer);
    if (!item || (row.question && !fits)) throw new Error(`This file was changed: item ${row.item} has no such question or answer.`);
  }
  const [reader] = readers;
  recall(reader);
  for (const row of rows) {
    if (row.question) (store.answers[row.item] ??= {})[row.question] = row.answer;
    if (row.comment) store.comments[row.item] = row.comment;
    store.seconds[row.item] = Math.max(store.seconds[row.item] ?? 0, Number(row.seconds) || 0);
  }
  keep();
  return reader;
}
