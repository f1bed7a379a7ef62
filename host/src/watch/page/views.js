// What the page shows of a snapshot. Text is only ever set as text: no markup is made of it anywhere.
"use strict";

const byId = (id) => document.getElementById(id);

/** An element with properties and children; a child that is a string is text. */
function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name === "class") element.className = value;
    else if (name.includes("-") || name === "scope") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const count = (number) => (number < 10000 ? whole.format(number) : short.format(number));
const rate = (number) => (number < 100 ? number.toFixed(1) : count(number));
const dollars = (micros) => "$" + (micros / 1e6).toFixed(micros >= 1e7 ? 2 : 4);
const megabytes = (bytes) => (bytes == null ? "unknown" : whole.format(bytes / 1e6) + " MB");

function duration(seconds) {
  const total = Math.max(0, Math.round(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}

const ENDS = {
  done: "Done",
  partial: "Ended, and some tasks failed",
  budget: "Stopped: it has spent what it may; run again with a larger budget to go on",
  provider: "Stopped: the provider cannot go on; run again when that is mended",
  interrupted: "Interrupted; run again to go on",
  failed: "Stopped by an error; run again to go on",
};

/** How the run stands, in words, and whether that is good. */
function standing(snapshot) {
  if (snapshot.state === "running") return ["Running", ""];
  if (snapshot.state === "killed") return ["Killed: its process is gone; run again to go on", "bad"];
  const end = snapshot.end || { kind: "done" };
  const text = (ENDS[end.kind] || "Ended") + (end.cause ? ` (${end.cause})` : "");
  return [text, end.kind === "done" ? "ok" : "bad"];
}

function showState(text, kind) {
  const state = byId("state");
  // Said once by a screen reader, and not every second.
  if (state.textContent !== text) state.textContent = text;
  state.className = kind;
}

const shown = new Map();

/** Fills an element anew if what it shows has changed; what had the keyboard's focus keeps it. */
function fill(element, data, children) {
  const json = JSON.stringify(data);
  if (shown.get(element) === json) return;
  shown.set(element, json);
  const key = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  element.replaceChildren(...children());
  if (key !== undefined) {
    const again = [...element.querySelectorAll("[data-key]")].find((other) => other.dataset.key === key);
    if (again) again.focus();
  }
}

function showNumbers(snapshot) {
  const view = snapshot.progress;
  const calls = view.calls;
  const sum = (...names) =>
    view.components.reduce((all, one) => all + names.reduce((part, name) => part + one[name], 0), 0);
  const runs = snapshot.state === "running";
  const records = snapshot.run.records;
  const percent = view.records ? (view.done * 100) / view.records : 0;
  const bar = byId("bar");
  bar.setAttribute("aria-valuenow", percent.toFixed(0));
  bar.setAttribute("aria-valuetext", `${view.done} of ${view.records} ${records}`);
  bar.firstElementChild.style.width = percent + "%";
  document.title = `${percent.toFixed(0)} % batchgen`;
  const budget = snapshot.budget;
  const cost = calls.cost_micros > 0 || calls.unpriced === 0 ? dollars(calls.cost_micros) : "unknown";
  const costMore = [];
  if (runs && view.projected_cost_micros != null) costMore.push(`${dollars(view.projected_cost_micros)} expected in all`);
  if (budget.most_cost_micros != null) costMore.push(`budget ${dollars(budget.most_cost_micros)}`);
  if (calls.unpriced > 0) costMore.push(`${count(calls.unpriced)} calls of unknown price`);
  const tokensMore = [`${rate(view.input_tokens_per_second)}/s in, ${rate(view.output_tokens_per_second)}/s out`];
  if (budget.most_tokens != null) tokensMore.push(`budget ${count(budget.most_tokens)}`);
  if (calls.again_tokens > 0) tokensMore.push(`${count(calls.again_tokens)} for retries and repairs`);
  const ends = new Date(Date.parse(snapshot.at) + (view.eta_seconds || 0) * 1000);
  const left = view.eta_seconds == null ? "unknown" : duration(view.eta_seconds);
  const standIn = view.authors ? view.authors.placeholders : 0;
  const placeholders = standIn > 0 ? `, ${count(standIn)} are placeholders` : "";
  const numbers = [
    [records, `${count(view.done)} of ${count(view.records)}`, `${percent.toFixed(0)} %, ${count(view.complete)} complete`],
    ["success", `${view.success_percent.toFixed(1)} %`, `of ${records} that ended`],
    runs
      ? ["time left", left, view.eta_seconds == null ? "" : `until about ${ends.toLocaleTimeString()}`]
      : ["took", duration(view.elapsed_seconds), ""],
    ["artifacts made", count(sum("made")), `${count(sum("kept", "edited"))} kept${placeholders}`],
    ["tasks failed", count(sum("failed")), `${count(sum("blocked", "skipped"))} not begun, ${count(view.parked_tasks)} to try again`],
    [`${records} an hour`, count(view.records_per_hour), `${rate(view.tasks_per_second)} tasks/s`],
    ["tokens in, out", `${count(calls.input_tokens)}, ${count(calls.output_tokens)}`, tokensMore.join(", ")],
    ["cost", cost, costMore.join(", ")],
    ["calls", count(calls.calls), `${count(calls.failed_tries)} tries failed, ${count(calls.journaled)} from the journal`],
    ["memory", megabytes(snapshot.memory_bytes), `at most ${megabytes(snapshot.peak_memory_bytes)}`],
  ];
  fill(byId("numbers"), numbers, () =>
    numbers.map(([name, value, more]) =>
      make("div", {}, make("dt", {}, name), make("dd", {}, value, make("small", {}, more))),
    ),
  );
  byId("when").textContent = `${duration(view.elapsed_seconds)} elapsed, started ${new Date(snapshot.run.started_at).toLocaleString()}`;
}

function table(heads, rows) {
  const head = make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text))));
  return make("table", {}, head, make("tbody", {}, ...rows));
}

function showLanes(snapshot) {
  const lanes = snapshot.lanes.map((lane) => {
    const at = lane.allowed == null ? String(lane.in_flight) : `${lane.in_flight} of ${lane.allowed}`;
    const limits = lane.limits.map((one) => `${count(one.used)}/${count(one.most)} ${one.limit}`).join(", ");
    const waits = [];
    if (lane.wait) {
      const left = lane.wait.left_seconds == null ? "" : `, ${duration(Math.ceil(lane.wait.left_seconds))} left`;
      waits.push(`${lane.waiting} wait for ${lane.wait.reason}${left}`);
    }
    if (lane.next_try_seconds != null) {
      waits.push(`${lane.backing_off} failed, tried again in ${duration(Math.ceil(lane.next_try_seconds))}`);
    }
    return [lane.model, at, limits || "none known", waits.join("; ") || "nothing", lane.breaker, lane.down || ""];
  });
  fill(byId("lanes"), lanes, () =>
    lanes.length === 0
      ? ["No model is asked."]
      : [
          table(
            ["lane", "in flight", "limits used", "waits for", "breaker"],
            lanes.map(([model, at, limits, waits, breaker, down]) =>
              make(
                "tr",
                {},
                make("th", { scope: "row" }, model),
                ...[at, limits, waits].map((text) => make("td", {}, text)),
                make("td", { class: breaker === "closed" ? "" : "down" }, down ? `${breaker}: ${down}` : breaker),
              ),
            ),
          ),
        ],
  );
}

function showHeat(snapshot, open) {
  const names = snapshot.progress.components.map((one) => one.component);
  const heat = snapshot.detail.heat;
  fill(byId("heat"), [names, heat], () => [
    table(
      ["category", ...names],
      heat.map((row) =>
        make(
          "tr",
          {},
          make("th", { scope: "row" }, row.category),
          ...row.cells.map((cell, place) => {
            const there = cell.made + cell.kept;
            const lost = cell.failed + cell.blocked;
            const text = `${there}/${row.records}`;
            const element = make("td", { class: lost > 0 ? "lost" : "" }, text);
            element.style.setProperty("--share", row.records ? there / row.records : 0);
            if (lost > 0) {
              const label = `${cell.failed} failed and ${cell.blocked} not begun of ${names[place]}, ${row.category}: show`;
              const button = make("button", { type: "button", title: label, "aria-label": label }, `−${lost}`);
              button.dataset.key = JSON.stringify([row.category, names[place]]);
              button.addEventListener("click", () => open(row.category, names[place]));
              element.append(" ", button);
            }
            return element;
          }),
        ),
      ),
    ),
  ]);
}

function showFailures(snapshot, filter, open) {
  const kinds = snapshot.detail.failure_kinds;
  fill(byId("kinds"), kinds, () =>
    kinds.length === 0
      ? [make("p", { class: "hint" }, "Nothing failed.")]
      : [
          table(
            ["class", "component", "times", "last cause", "what to do"],
            kinds.map((kind) => {
              const again = kind.tried_again > 0 ? ` (${count(kind.tried_again)} tried again at the end)` : "";
              const texts = [kind.component, count(kind.count) + again, kind.cause, kind.advice];
              return make("tr", {}, make("th", { scope: "row" }, kind.class), ...texts.map((text) => make("td", {}, text)));
            }),
          ),
        ],
  );
  const wanted = (note) => !filter || (note.category === filter[0] && note.component === filter[1]);
  const failures = snapshot.detail.failures.filter(wanted);
  byId("filter").hidden = !filter;
  byId("filter").firstElementChild.textContent = filter
    ? `${failures.length} of the newest failures are of ${filter[1]}, ${filter[0]}.`
    : "";
  fill(byId("failed"), [failures, snapshot.state], () =>
    failures.map((note) => {
      const later = note.again === "soon" && snapshot.state === "running" ? " (tried again at the end)" : "";
      const button = make(
        "button",
        { type: "button" },
        make("span", { class: note.mended ? "mended" : "what" }, note.mended ? `${note.class}, made later` : note.class),
        ` ${note.record} ${note.component}: ${note.cause}${later}`,
      );
      button.dataset.key = JSON.stringify([note.record, note.component, note.class, note.cause]);
      button.addEventListener("click", () => open(note.record, note.component));
      return make("li", {}, button);
    }),
  );
}

function showArtifacts(snapshot, open) {
  const names = snapshot.progress.components.map((one) => one.component);
  const select = byId("look").elements.component;
  fill(select, names, () => names.map((name) => make("option", { value: name }, name)));
  const artifacts = snapshot.detail.artifacts;
  fill(byId("made"), artifacts, () =>
    artifacts.map((note) => {
      const mark = note.by_stand_in ? " (placeholder)" : "";
      const button = make("button", { type: "button" }, `${note.record} ${note.component}${mark}`);
      button.dataset.key = JSON.stringify([note.record, note.component]);
      button.addEventListener("click", () => open(note.record, note.component));
      return make("li", {}, button);
    }),
  );
}

/** What is known of a task, as it came from the state; or why nothing is. */
function showTask(record, component, task, problem) {
  const body = byId("task-body");
  byId("task-title").textContent = `${record} ${component}`;
  if (!task) {
    body.replaceChildren(make("p", {}, problem));
    return;
  }
  const parts = [];
  const heading = (text) => parts.push(make("h3", {}, text));
  if (task.cause) {
    heading(task.class ? `${task.outcome}: ${task.class}` : task.outcome);
    parts.push(make("pre", { class: "cause" }, task.cause));
    if (task.advice) parts.push(make("p", {}, `What to do: ${task.advice}.`));
  } else {
    parts.push(make("p", {}, task.outcome));
  }
  if (task.artifact != null) {
    heading(task.path);
    if (task.written_by === "stand-in") {
      parts.push(make("p", {}, "Written by the offline stand-in: a placeholder, not for publishing."));
    }
    parts.push(make("pre", { class: "artifact" }, task.artifact));
  }
  if (task.note) parts.push(make("p", { class: "hint" }, `Note: ${task.note}.`));
  task.exchanges.forEach((exchange, place) => {
    heading(`Question ${place + 1}`);
    for (const said of exchange.question) {
      parts.push(make("div", { class: "hint" }, said.role), make("pre", { class: "question" }, said.text));
    }
    if (exchange.schema) {
      const summary = make("summary", {}, "schema of the answer");
      parts.push(make("details", {}, summary, make("pre", {}, exchange.schema)));
    }
    heading(exchange.answer ? `Answer ${place + 1} (${exchange.answer.role})` : `Question ${place + 1} has no answer yet`);
    if (exchange.answer) parts.push(make("pre", { class: "answer" }, exchange.answer.text));
  });
  if (task.exchanges.length === 0) parts.push(make("p", { class: "hint" }, "No model was asked."));
  body.replaceChildren(...parts);
}
