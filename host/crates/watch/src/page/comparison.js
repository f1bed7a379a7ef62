// The page of a comparison. All that comes from records and models is put in as text.
"use strict";

const page = document.getElementById("page");
const compared = JSON.parse(document.getElementById("data").textContent);

/** An element with these attributes and children; texts stay texts. */
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function number(value, digits) {
  return value === null ? "" : value.toFixed(digits);
}

function dollars(micros) {
  return micros === null ? "" : "$" + (micros / 1e6).toPrecision(3);
}

/** What all texts of each variant are and took. */
function totals(variants) {
  const criteria = [...new Set(variants.flatMap((variant) => Object.keys(variant.scores)))];
  const columns = [
    ["variant", (one) => `${one.name}: ${one.title}`],
    ["files", (one) => String(one.files)],
    ["failed", (one) => String(one.failed)],
    ["keep rules", (one) => (one.rules_kept === null ? "" : String(one.rules_kept))],
    ["score", (one) => number(one.score, 2)],
    ...criteria.map((name) => [name, (one) => (name in one.scores ? number(one.scores[name], 2) : "")]),
    ["words", (one) => number(one.words, 0)],
    ["tokens in", (one) => one.input_tokens.toLocaleString("en")],
    ["tokens out", (one) => one.output_tokens.toLocaleString("en")],
    ["cost", (one) => dollars(one.cost_micros)],
    ["seconds a text", (one) => number(one.seconds, 1)],
  ].filter(([, value]) => variants.some((one) => !["", "0", "0.0"].includes(value(one))));
  const head = make("tr", {}, ...columns.map(([name]) => make("th", { scope: "col" }, name)));
  const rows = variants.map((one) => make("tr", {}, ...columns.map(([, value]) => make("td", {}, value(one)))));
  return make("div", { class: "totals" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
}

/** The text, or its words beside those of the first variant. */
function show(pre, cell, withChanges) {
  if (!withChanges || cell.changes.length === 0) {
    pre.replaceChildren(cell.text ?? "");
    return;
  }
  const parts = cell.changes.map(([kind, text]) =>
    kind === "same" ? text : make(kind === "gone" ? "del" : "ins", {}, text),
  );
  pre.replaceChildren(...parts);
}

function cellOf(comparison, row, place, always) {
  const cell = row.cells[place];
  const variant = comparison.variants[place];
  const better = place === 0 ? row.better.includes("first") : row.better[place - 1] === "second";
  const facts = make("p", {}, make("b", {}, variant.name));
  const fact = (text, kind = "") => facts.append(make("span", { class: kind }, text));
  if (better) fact("better", "good");
  if (cell.score !== null) fact(`score ${cell.score}`);
  if (cell.rules_kept === false) fact("breaks a rule", "bad");
  if (cell.text !== null) fact(`${cell.words} words`);
  if (cell.cost_micros !== null && cell.text !== null) fact(dollars(cell.cost_micros));
  const box = make("div", { class: better ? "cell wins" : "cell" }, facts);
  if (cell.text === null) {
    box.append(make("p", { class: "bad" }, cell.cause ?? "not made"));
    return box;
  }
  const pre = make("pre", { tabindex: "0", "aria-label": `Text of variant ${variant.name}` });
  show(pre, cell, always);
  if (cell.changes.length > 0) {
    for (const [event, withChanges] of [["mouseenter", true], ["focus", true], ["mouseleave", always], ["blur", always]]) {
      pre.addEventListener(event, () => show(pre, cell, withChanges));
    }
  }
  box.append(pre);
  const names = { first: comparison.variants[0].name, second: variant.name, neither: "neither" };
  const said = [
    ...cell.reasons,
    ...cell.compared.map((choice, turned) => `${turned ? "in the other order" : "side by side"}, ${names[choice.better]} is better: ${choice.reason}`),
  ];
  if (said.length > 0) {
    box.append(make("details", {}, make("summary", {}, "why"), make("div", { class: "why" }, said.join("\n"))));
  }
  return box;
}

/** Whether a row is to be seen. */
function isWanted(comparison, row, wanted, search) {
  const words = [row.record, row.category, ...row.cells.map((cell) => cell.text ?? cell.cause ?? "")];
  if (search && !words.some((word) => word.toLowerCase().includes(search))) return false;
  if (wanted === "failed") return row.cells.some((cell) => cell.cause !== null);
  if (wanted === "neither") return row.better.every((better) => better === "neither");
  const place = comparison.variants.findIndex((variant) => variant.name === wanted);
  if (place === 0) return row.better.includes("first");
  return place < 0 || row.better[place - 1] === "second";
}

function section(comparison) {
  const records = make("div", { class: "records" });
  const choice = make("select", {}, make("option", { value: "" }, "all records"));
  for (const variant of comparison.variants) {
    choice.append(make("option", { value: variant.name }, `${variant.name} is better`));
  }
  choice.append(make("option", { value: "neither" }, "neither is better"), make("option", { value: "failed" }, "one failed"));
  const search = make("input", { type: "search", placeholder: "record or words" });
  const always = make("input", { type: "checkbox" });
  const found = make("span", { class: "empty", "aria-live": "polite" });
  const draw = () => {
    const wanted = comparison.rows.filter((row) => isWanted(comparison, row, choice.value, search.value.trim().toLowerCase()));
    found.replaceChildren(`${wanted.length} of ${comparison.rows.length} records`);
    records.replaceChildren(
      ...wanted.map((row) =>
        make(
          "article",
          { class: "record" },
          make("h3", {}, row.record, " ", make("small", {}, row.category)),
          make("div", { class: "cells" }, ...row.cells.map((_, place) => cellOf(comparison, row, place, always.checked))),
        ),
      ),
    );
  };
  for (const [input, event] of [[choice, "change"], [search, "input"], [always, "change"]]) {
    input.addEventListener(event, draw);
  }
  draw();
  return make(
    "section",
    {},
    make("h2", {}, comparison.component, comparison.judge === null ? "" : `, judged by ${comparison.judge}`),
    ...comparison.against.map((one) => make("p", { class: one.better === "neither" ? "says" : "says named" }, one.says)),
    totals(comparison.variants),
    make(
      "div",
      { class: "choose" },
      make("label", {}, "Show ", choice),
      make("label", {}, "Find ", search),
      make("label", {}, always, "with all differences"),
      found,
    ),
    records,
  );
}

page.append(...compared.map(section));
