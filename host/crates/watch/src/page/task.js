// One task: how it ended, its file, and each call with the answer before the question.
"use strict";

/** JSON with line breaks, where the whole text or a long line of it is JSON. A number keeps its digits. */
function pretty(text) {
  const parsed = (part) => {
    if (!/^\s*[[{]/.test(part)) return null;
    try {
      const indented = JSON.stringify(JSON.parse(part), null, 2);
      return indented.replace(/\s/g, "") === part.replace(/\s/g, "") ? indented : null;
    } catch {
      return null;
    }
  };
  return parsed(text) || text.split("\n").map((line) => (line.length > 100 && parsed(line)) || line).join("\n");
}

const AUTHORS = { model: "a model", "stand-in": "the offline stand-in: a placeholder, not for publishing", person: "a person", component: "the component, without a model" };

function facts(task) {
  const calls = task.exchanges.map((exchange) => exchange.call).filter(Boolean);
  const sum = (of) => calls.reduce((all, call) => all + (of(call) || 0), 0);
  const priced = calls.some((call) => call.cost_micros != null);
  const timed = calls.some((call) => call.milliseconds != null);
  const rows = [
    ["file", task.path],
    ["written by", AUTHORS[task.written_by]],
    ["category", task.category],
    ["failed in a row", task.attempts > 0 ? `${task.attempts} ×` : ""],
    ["calls", calls.length ? count(calls.length) : ""],
    ["tokens", calls.length ? `${amount(sum((call) => call.input_tokens))} in, ${amount(sum((call) => call.output_tokens))} out` : ""],
    ["cost", priced ? dollars(sum((call) => call.cost_micros)) : ""],
    ["calls took", timed ? `${(sum((call) => call.milliseconds) / 1000).toFixed(1)} s` : ""],
    ["ended", moment(task.ended_at)],
  ].filter(([, value]) => value);
  return make("dl", { class: "facts" }, make("div", {}, make("dt", {}, "outcome"), make("dd", {}, outcomeChip(task.outcome), standings(task.judged))),
    rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

/** The file: as it reads where it is Markdown, and as it is. */
function artifact(task) {
  const source = make("pre", { class: "artifact" }, task.artifact);
  if (!task.rendered || task.rendered.length === 0) return [make("h3", {}, task.path), source];
  const fold = make("details", {}, make("summary", {}, "as it is in the file"), source);
  return [make("h3", {}, task.path), prose(task.rendered), fold];
}

function call(exchange, place) {
  const took = exchange.call;
  const notes = [];
  if (took) {
    notes.push(took.lane === took.model || took.lane.endsWith(`/${took.model}`) ? took.lane : `${took.lane} (${took.model})`);
    notes.push(`${amount(took.input_tokens)} tokens in, ${amount(took.output_tokens)} out`);
    if (took.cost_micros != null) notes.push(dollars(took.cost_micros));
    if (took.milliseconds != null) notes.push(`${(took.milliseconds / 1000).toFixed(1)} s`);
    if (took.tries > 1) notes.push(counted(took.tries, "try", "tries"));
  } else if (exchange.answer) {
    notes.push(exchange.answer.role);
  }
  const parts = [make("h4", {}, `Call ${place + 1}`, notes.map((text) => make("span", {}, text)))];
  if (!exchange.answer) {
    parts.push(make("p", {}, "It has no answer yet."));
  } else if (exchange.rendered && exchange.rendered.length > 0) {
    const answer = prose(exchange.rendered);
    answer.classList.add("answer");
    parts.push(answer, make("details", {}, make("summary", {}, "answer as it came"), make("pre", {}, exchange.answer.text)));
  } else {
    parts.push(make("pre", { class: "answer" }, pretty(exchange.answer.text)));
  }
  const asked = exchange.question.map((said) => [make("p", { class: "hint" }, said.role), make("pre", { class: "question" }, pretty(said.text))]);
  const prompt = make("details", {}, make("summary", {}, "prompt"), asked);
  if (exchange.schema) prompt.append(make("p", { class: "hint" }, "schema of the answer"), make("pre", {}, exchange.schema));
  return make("div", { class: "call" }, parts, prompt);
}

/** What is known of a task, as it came from the state; or why nothing is. */
function showTask(record, component, task, problem) {
  const body = byId("task-body");
  byId("task-title").textContent = `${record} · ${component}`;
  if (!task) {
    body.replaceChildren(make("p", {}, ticked(problem)));
    return;
  }
  const replay = `batchgen replay ${record} ${component} --prompts`;
  const parts = [facts(task), make("div", { class: "tools" }, copier("Copy link", () => location.href), copier("Copy replay command", () => replay))];
  if (task.cause) {
    parts.push(make("h3", {}, task.class ? `Why it failed (${task.class})` : "Why it was not made"), make("pre", { class: "cause" }, task.cause));
    if (task.advice) parts.push(make("p", {}, ticked(`What to do: ${task.advice}.`)));
  }
  const said = verdicts(task.judged);
  if (said.length) parts.push(make("h3", {}, "What was said of it"), ...said);
  if (task.artifact != null) parts.push(...artifact(task));
  if (task.note) parts.push(make("p", { class: "hint" }, ticked(`Note: ${task.note}.`)));
  if (task.exchanges.length === 0) parts.push(make("p", { class: "hint" }, "No model was asked."));
  else parts.push(make("h3", {}, "What the model was asked"), ...task.exchanges.map(call));
  body.replaceChildren(...parts);
  byId("task").scrollTop = 0;
}
