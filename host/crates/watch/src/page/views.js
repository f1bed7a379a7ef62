// What the page shows of a run, of tasks and of runs.
"use strict";

function showHeader(snapshot) {
  const [text, tone] = standing(snapshot);
  const state = byId("state");
  // Said once by a screen reader, and not every second.
  if (state.textContent !== text) state.textContent = text;
  state.className = `pill ${tone}`;
  const run = snapshot.run;
  const project = run.project || "batchgen";
  byId("project").textContent = project;
  const view = snapshot.progress;
  const percent = view.tasks ? Math.floor((view.tasks_done * 100) / view.tasks) : 0;
  document.title = `${snapshot.state === "running" ? percent + " % " : ""}${project} – batchgen`;
  const about = [
    ["Model", (run.models || []).join(", ") || "none"],
    ["Started", new Date(run.started_at).toLocaleString()],
    [snapshot.state === "running" ? "For" : "Took", duration(view.elapsed_seconds)],
    ["Command", run.command || ""],
  ].filter(([, value]) => value);
  fill(byId("about"), about, () =>
    about.map(([name, value]) =>
      make("div", {}, make("dt", {}, name), make("dd", {}, name === "Command" ? make("code", {}, value) : value)),
    ),
  );
}

function showHeadline(snapshot) {
  const headline = snapshot.headline || { tone: "good", text: standing(snapshot)[0] + "." };
  const element = byId("headline");
  element.className = headline.tone;
  fill(element, headline, () => [make("strong", {}, ticked(grouped(headline.text))), headline.hint ? make("span", {}, ticked(headline.hint)) : null].filter(Boolean));
}

const sums = (view) => (...names) =>
  view.components.reduce((all, one) => all + names.reduce((part, name) => part + one[name], 0), 0);

function showProgress(snapshot) {
  const view = snapshot.progress;
  const sum = sums(view);
  const records = snapshot.run.records;
  const parts = [
    ["made", sum("made"), "made"],
    ["kept", sum("kept", "edited"), "kept"],
    ["failed", sum("failed"), "failed"],
    ["blocked", sum("blocked", "skipped"), "blocked"],
    ["parked", view.parked_tasks, "to be tried again"],
    ["waiting", view.waiting_tasks || 0, "waiting for batches"],
  ];
  const done = parts.reduce((all, [, number]) => all + number, 0);
  const rest = Math.max(0, view.tasks - done);
  const percent = view.tasks ? Math.floor((view.tasks_done * 100) / view.tasks) : 0;
  const left = [];
  if (snapshot.state === "running" && view.eta_seconds != null) {
    const ends = new Date(Date.parse(snapshot.at) + view.eta_seconds * 1000);
    left.push(`${duration(view.eta_seconds)} left, until about ${ends.toLocaleTimeString()}`);
  } else if (snapshot.state === "running") {
    left.push("time left unknown");
  }
  const told = [percent, parts, rest, view.complete, view.done, view.records, left, view.tasks_done];
  fill(byId("progress"), told, () => [
    make("div", { class: "big" },
      make("b", {}, `${percent} %`),
      make("span", {}, `${count(view.tasks_done)} of ${counted(view.tasks, "task")}`),
      make("span", {}, `${count(view.complete)} of ${count(view.records)} ${records} complete`),
      left.map((text) => make("span", {}, text)),
    ),
    bar(parts.map(([kind, number]) => [kind, view.tasks ? number / view.tasks : 0]), `${percent} percent of tasks have ended`),
    make("ul", { class: "legend" },
      parts.filter(([, number]) => number > 0).map(([kind, number, word]) => make("li", { class: kind }, `${count(number)} ${word}`)),
      rest > 0 ? make("li", { class: "rest" }, `${count(rest)} to do`) : null,
    ),
  ]);
}

function showNumbers(snapshot) {
  const view = snapshot.progress;
  const calls = view.calls;
  const budget = snapshot.budget;
  const runs = snapshot.state === "running";
  const more = (...parts) => parts.filter(Boolean).join(", ");
  const success = view.success_percent == null ? "–" : `${view.success_percent.toFixed(view.success_percent < 99.95 ? 1 : 0)} %`;
  const cost = calls.cost_micros > 0 || calls.unpriced === 0 ? dollars(calls.cost_micros) : "unknown";
  const placeholders = view.authors ? view.authors.placeholders : 0;
  const numbers = [
    ["Success", success, more("of tasks that were begun", view.unreadable > 0 && `${counted(view.unreadable, "record")} cannot be read`, sums(view)("held") > 0 && `${counted(sums(view)("held"), "file")} held by a gate`, placeholders > 0 && `${counted(placeholders, "placeholder")} written offline`)],
    ["Cost", cost, more(
      runs && view.projected_cost_micros != null && `${dollars(view.projected_cost_micros)} expected in all`,
      budget.most_cost_micros != null && `budget ${dollars(budget.most_cost_micros)}`,
      calls.unpriced > 0 && `${counted(calls.unpriced, "call")} of unknown price`,
      calls.again_cost_micros > 0 && `${dollars(calls.again_cost_micros)} for retries and repairs`)],
    ["Tokens", amount(calls.input_tokens + calls.output_tokens), more(
      `${amount(calls.input_tokens)} in, ${amount(calls.output_tokens)} out`,
      calls.cached_tokens > 0 && `${Math.floor(calls.cached_tokens * 100 / calls.input_tokens)} % of in from the prompt cache`,
      budget.most_tokens != null && `budget ${amount(budget.most_tokens)}`)],
    ["Calls", count(calls.calls), more(
      calls.failed_tries > 0 && `${counted(calls.failed_tries, "try", "tries")} failed`,
      calls.journaled > 0 && `${counted(calls.journaled, "answer")} known from before`)],
  ];
  if (runs && hasPace(view)) {
    numbers.push(["Speed", `${rate(view.tasks_per_second)} tasks/s`, view.records_per_hour >= 1 ? `${count(Math.round(view.records_per_hour))} ${snapshot.run.records} an hour` : "lately"]);
  }
  fill(byId("numbers"), numbers, () =>
    numbers.map(([name, value, note]) => make("div", {}, make("dt", {}, name), make("dd", {}, value, make("small", {}, note)))),
  );
}

const AFTER = { open: "It does not answer; calls wait.", "half-open": "It did not answer; one call finds out whether it does again.", stopped: "It cannot be asked any more." };

function showBatches(snapshot) {
  const now = Date.parse(snapshot.at) / 1000;
  const rows = (snapshot.progress.batches || []).map((batch) => {
    const told = [];
    if (batch.answered != null) told.push(`${count(batch.answered)} answered`);
    if (batch.failed) told.push(`${count(batch.failed)} failed`);
    told.push(`for ${duration(Math.max(0, now - (batch.sent_at || batch.formed_at)))}`);
    if (batch.expires_at && !batch.ended_at) told.push(`at most ${duration(Math.max(0, batch.expires_at - now))} more`);
    if (batch.next_look_at) told.push(`next look in ${duration(Math.max(0, batch.next_look_at - now))}`);
    const word = batch.state === "open" && batch.word ? batch.word : batch.state;
    return [batch.id || batch.name, `${batch.model}, ${counted(batch.questions, "question")}, ${word}`, told.join(", "), batch.note || "", batch.questions ? (batch.answered || 0) / batch.questions : 0];
  });
  byId("batches-card").hidden = rows.length === 0;
  fill(byId("batches"), rows, () =>
    rows.map(([name, what, told, note, share]) =>
      make("div", { class: "batch" },
        make("h3", {}, name),
        bar([["made", share]], `${Math.floor(share * 100)} percent answered`),
        make("p", {}, what),
        make("p", { class: "note" }, told),
        note ? make("p", { class: "note" }, note) : null,
      ),
    ),
  );
}

function showWorkers(snapshot) {
  const workers = snapshot.progress.workers || [];
  byId("workers-card").hidden = workers.length === 0;
  fill(byId("workers"), workers, () =>
    workers.map((worker) => {
      const told = [`${counted(worker.calls, "call")} under way`, `${counted(worker.made, "file")} made`];
      if (worker.failed) told.push(`${count(worker.failed)} failed`);
      if (worker.memory != null) told.push(`${count(Math.round(worker.memory / 1e6))} MB`);
      const notes = [];
      if (worker.drains) notes.push("It takes no more records, and leaves.");
      if (worker.unheard_seconds > 2) notes.push(`It was not heard of for ${duration(worker.unheard_seconds)}.`);
      const share = worker.slots ? worker.records / worker.slots : 0;
      return make("div", { class: "batch" },
        make("h3", {}, worker.name),
        bar([["made", Math.min(1, share)]], `${count(worker.records)} of ${count(worker.slots)} records in work`),
        make("p", {}, `${count(worker.records)} of ${counted(worker.slots, "record")} in work`),
        make("p", { class: "note" }, told.join(", ")),
        ...notes.map((note) => make("p", { class: "note" }, note)),
      );
    }),
  );
}

function showLanes(snapshot) {
  const lanes = snapshot.lanes.map((lane) => {
    const uses = lane.limits.map((one) => [one.used, one.most, one.limit.replace("/", " per ")]);
    if (lane.allowed != null) uses.push([lane.in_flight, lane.allowed, "calls at once"]);
    const notes = [];
    if (lane.allowed == null) notes.push(`${counted(lane.in_flight, "call")} under way.`);
    if (AFTER[lane.breaker]) notes.push(AFTER[lane.breaker] + (lane.down ? ` (${lane.down})` : ""));
    if (lane.allowed != null && lane.in_flight >= lane.allowed && lane.waiting > 0) {
      notes.push(`${counted(lane.waiting, "call")} queued until one of these ends.`);
    } else if (lane.wait && lane.waiting > 0) {
      const left = lane.wait.left_seconds == null ? "" : `, ${duration(Math.ceil(lane.wait.left_seconds))} left`;
      notes.push(`${counted(lane.waiting, "call")} queued: waiting for ${grouped(lane.wait.reason)}${left}.`);
    }
    if (lane.next_try_seconds != null) {
      notes.push(`${counted(lane.backing_off, "call")} failed, tried again in ${duration(Math.ceil(lane.next_try_seconds))}.`);
    }
    if (lane.held && lane.held.seconds >= 1) {
      notes.push(`In all, calls waited ${duration(lane.held.seconds)} for ${grouped(lane.held.reason)}.`);
    }
    return [lane.model, uses, notes];
  });
  fill(byId("lanes"), lanes, () =>
    lanes.length === 0
      ? [make("p", { class: "hint" }, "No model is asked.")]
      : lanes.map(([model, uses, notes]) =>
          make("div", { class: "lane" },
            make("h3", {}, model),
            make("div", { class: "uses" }, uses.map(([used, most, what]) => {
              const share = most ? used / most : 0;
              const words = `${amount(used)} of ${amount(most)} ${what}`;
              return make("div", { class: "use" }, words, bar([[share >= 0.95 ? "full" : "", share]], words));
            })),
            notes.map((text) => make("p", {}, text)),
          ),
        ),
  );
}

function taskButton(note, text, mark) {
  const button = make("button", { type: "button" }, make("span", { class: "who" }, `${note.record} ${note.component}`), mark || null, text ? make("span", { class: "what" }, ticked(text)) : null);
  button.dataset.key = JSON.stringify([note.record, note.component, note.class, note.cause]);
  button.addEventListener("click", () => { location.hash = taskRoute(note.record, note.component); });
  return button;
}

/** What failed, by component and cause; each group unfolds. */
function showFailures(snapshot) {
  const kinds = snapshot.detail.failure_kinds;
  const notes = snapshot.detail.failures;
  const mended = notes.filter((note) => note.mended);
  fill(byId("kinds"), [kinds, notes], () => {
    const groups = kinds.map((kind) => {
      const later = kind.tried_again > 0;
      const own = notes.filter((note) => note.kind === kind.id && !note.mended);
      const group = make("details", { class: later ? "kind waits" : "kind" },
        make("summary", {},
          make("b", {}, `${count(kind.count)} ×`),
          make("span", { class: "why" }, make("strong", {}, kind.component), " ", ticked(kind.cause)),
          make("span", { class: later ? "chip waits" : "chip bad" }, later ? `${kind.class}, to be tried again` : kind.class),
        ),
        make("div", {},
          make("p", {}, ticked(`What to do: ${kind.advice}.`)),
          make("ul", { class: "rows" }, own.slice(0, 20).map((note) => make("li", {}, taskButton(note, sentence(note.cause) === kind.cause ? "" : sentence(note.cause))))),
          kind.count > own.length || own.length > 20
            ? make("a", { href: `#/tasks?outcome=failed&component=${encodeURIComponent(kind.component)}` }, `All failed tasks of ${kind.component}`)
            : null,
        ),
      );
      group.dataset.fold = kind.id || `${kind.class} ${kind.component}`;
      return group;
    });
    if (groups.length === 0) groups.push(make("p", { class: "hint" }, "Nothing failed."));
    if (mended.length > 0) {
      const fold = make("details", { class: "kind waits" },
        make("summary", {}, make("b", {}, `${count(mended.length)} ×`), make("span", {}, "failed first, and made later"), make("span", { class: "chip good" }, "made")),
        make("ul", { class: "rows" }, mended.slice(0, 20).map((note) => make("li", {}, taskButton(note, sentence(note.cause), make("span", { class: "mended" }, "made later"))))),
      );
      fold.dataset.fold = "mended";
      groups.push(fold);
    }
    return groups;
  });
}

/** The button of a cell that leads to what failed in it. */
function lostButton(row, name, one) {
  const lost = one.failed + one.blocked;
  if (lost === 0) return null;
  const label = `${one.failed} failed and ${one.blocked} blocked of ${name}, ${row.category}: show`;
  const button = make("button", { type: "button", title: label, "aria-label": label }, `−${count(lost)}`);
  button.dataset.key = JSON.stringify([row.category, name]);
  const query = new URLSearchParams({ component: name, category: row.category, outcome: one.failed > 0 ? "failed" : "blocked" });
  button.addEventListener("click", () => { location.hash = `#/tasks?${query}`; });
  return button;
}

/** A matrix, and for phones a list of categories that unfold. */
function showHeat(snapshot) {
  const names = snapshot.progress.components.map((one) => one.component);
  const heat = snapshot.detail.heat;
  const share = (element, there, all) => {
    element.style.setProperty("--share", all ? there / all : 0);
    return element;
  };
  // Records that are not in the sample of a component have no task of it.
  const tasks = (row, one) => row.records - (one.not_sampled || 0);
  const heatCell = (row, one, place) => {
    const there = one.made + one.kept;
    const all = tasks(row, one);
    const inner = make("span", {}, `${count(there)}/${count(all)}`);
    const button = lostButton(row, names[place], one);
    if (button) inner.append(button);
    return share(cell(names[place], inner, button ? "lost" : ""), there, all);
  };
  const matrix = () => table(["category", ...names], heat.map((row) =>
    make("tr", {}, make("th", { scope: "row" }, row.category), row.cells.map((one, place) => heatCell(row, one, place)))));
  const folded = (row) => {
    const sum = (...parts) => row.cells.reduce((all, one) => all + parts.reduce((part, name) => part + one[name], 0), 0);
    const [there, lost, all] = [sum("made", "kept"), sum("failed", "blocked"), row.cells.reduce((sum, one) => sum + tasks(row, one), 0)];
    const group = make("details", {},
      make("summary", {}, make("b", {}, row.category), make("span", {}, `${count(there)}/${count(all)}`), lost > 0 ? make("b", { class: "lost" }, `−${count(lost)}`) : null,
        bar([["made", all ? there / all : 0], ["failed", all ? lost / all : 0]], `${there} of ${all} files`)),
      make("table", { class: "stacked" }, make("tbody", {}, make("tr", {}, row.cells.map((one, place) => heatCell(row, one, place))))));
    group.dataset.fold = row.category;
    return group;
  };
  fill(byId("heat"), [names, heat], () => [make("div", { class: "matrix" }, matrix()), make("div", { class: "folded" }, heat.map(folded))]);
}

/** A matrix of categories by component and judge: how many of the files pass, and their mean score. */
function showScores(snapshot) {
  const rows = snapshot.scores || [];
  byId("scores-card").hidden = rows.length === 0;
  fill(byId("scores"), rows, () => {
    const judges = [...new Map(rows.map((row) => [JSON.stringify([row.component, row.by]), [row.component, row.by]])).values()];
    const categories = [...new Set(rows.map((row) => row.category))];
    const sum = (some) => some.reduce((all, row) => ({
      passed: all.passed + row.passed, files: all.files + row.passed + row.failed,
      scored: all.scored + row.scored, points: all.points + (row.mean || 0) * row.scored }), { passed: 0, files: 0, scored: 0, points: 0 });
    const heads = judges.map(([component, by]) => (by === "persons" ? `${component} by persons` : `${component} by ${by}`));
    const scoreCell = (some, place) => {
      const all = sum(some);
      if (all.files === 0) return cell(heads[place], "–", "none");
      const percent = Math.floor((all.passed * 100) / all.files);
      const inner = make("span", { title: `${all.passed} of ${all.files} pass` },
        make("b", {}, `${percent} %`), ` of ${count(all.files)}`, all.scored ? `, ${(all.points / all.scored).toFixed(2)}` : "");
      const element = cell(heads[place], inner, percent < 50 ? "low" : "");
      element.style.setProperty("--share", all.passed / all.files);
      return element;
    };
    const line = (name, of) => make("tr", {}, make("th", { scope: "row" }, name), judges.map(([component, by], place) =>
      scoreCell(rows.filter((row) => row.component === component && row.by === by && of(row)), place)));
    const all = line("all", () => true);
    const lines = categories.length > 1 ? categories.map((category) => line(category || "none", (row) => row.category === category)) : [];
    return [table(["category", ...heads], [all, ...lines])];
  });
}

/** How alike files are, where the report was asked for it. */
function showSameness(rows) {
  byId("sameness-card").hidden = rows.length === 0;
  const heads = ["component", "category", "files", "near-duplicates", "shared openings", "distinct-2"];
  const row = (one) => {
    const distinct = one.distinct_2 === null ? "" : one.distinct_2.toFixed(2);
    const texts = [one.component, one.category, count(one.files), count(one.near_duplicates), count(one.shared_openings), distinct];
    return make("tr", {}, texts.map((text, place) => cell(heads[place], text, place > 1 ? "number" : "")));
  };
  fill(byId("sameness"), rows, () => [table(heads, rows.map(row))]);
}

function showArtifacts(snapshot) {
  const made = byId("made");
  // Nothing moves under a pointer or the focus.
  if (made.matches(":hover") || made.contains(document.activeElement)) return;
  const artifacts = snapshot.detail.artifacts.slice(0, 12);
  fill(made, artifacts, () =>
    artifacts.length === 0
      ? [make("p", { class: "hint" }, "No file was made by this run.")]
      : [
          make("ul", { class: "rows" }, artifacts.map((note) => make("li", {}, taskButton(note, note.by_stand_in ? "placeholder" : "")))),
          make("a", { href: "#/tasks?sort=newest" }, "All tasks"),
        ],
  );
}

const OUTCOMES = { done: ["done", "good"], failed: ["failed", "bad"], blocked: ["blocked", "waits"], skipped: ["skipped", "waits"], due: ["to run again", "waits"] };

function outcomeChip(outcome) {
  const [word, tone] = OUTCOMES[outcome] || [outcome, ""];
  return make("span", { class: `chip ${tone}` }, word);
}

function taskTable(tasks) {
  return table(["record", "component", "outcome", "model", "tokens", "ended", "cause"], tasks.map((task) => {
    const button = make("button", { type: "button" }, task.record);
    button.dataset.key = JSON.stringify([task.record, task.component]);
    button.addEventListener("click", () => { location.hash = taskRoute(task.record, task.component); });
    return make("tr", {},
      make("th", { scope: "row" }, button),
      cell("component", task.component),
      cell("outcome", outcomeChip(task.outcome)),
      cell("model", task.model || "", "model"),
      cell("tokens", task.tokens ? amount(task.tokens) : "", "number"),
      cell("ended", moment(task.ended_at), "ended"),
      cell("cause", ticked(sentence(task.cause)), "long"),
    );
  }));
}

function runTable(runs, choose) {
  return table(["", "started", "state", "command", "model", "complete", "failed", "cost", "took"], runs.map((row) => {
    const sum = sums(row.progress);
    const box = make("input", { type: "checkbox", "aria-label": `compare the run of ${row.run.started_at}` });
    box.dataset.run = row.id;
    box.addEventListener("change", choose);
    const [word, tone] = standing(row);
    return make("tr", {},
      make("td", {}, box),
      make("th", { scope: "row" }, make("a", { href: `#/run/${row.id}` }, moment(row.run.started_at))),
      cell("state", make("span", { class: `chip ${tone}` }, word)),
      cell("command", row.run.command || "", "long"),
      cell("model", (row.run.models || []).join(", ") || "none"),
      cell("complete", `${count(row.progress.complete)} of ${count(row.progress.records)}`, "number"),
      cell("failed", count(sum("failed")), "number"),
      cell("cost", dollars(row.progress.calls.cost_micros), "number"),
      cell("took", duration(row.progress.elapsed_seconds), "number"),
    );
  }));
}

/** Numbers of two runs beside each other, and what the second has more or less. */
function compareTables(one, other) {
  const number = (name, of, show, good) => {
    const [a, b] = [of(one), of(other)];
    const less = b - a;
    const sign = less > 0 ? "+" : "−";
    const tone = less === 0 || !good ? "" : (less > 0) === (good === "more") ? "better" : "worse";
    return make("tr", {}, make("th", { scope: "row" }, name), cell("first", show(a), "number"), cell("second", show(b), "number"),
      cell("difference", make("span", { class: tone }, less === 0 ? "the same" : `${sign}${show(Math.abs(less))}`), "number"));
  };
  const text = (name, of) => make("tr", {}, make("th", { scope: "row" }, name), cell("first", of(one), "long"), cell("second", of(other), "long"), cell("difference", of(one) === of(other) ? "the same" : "", "number"));
  const calls = (name) => (run) => run.progress.calls[name];
  const sum = (...names) => (run) => sums(run.progress)(...names);
  const numbers = table(["", "first", "second", "difference"], [
    text("started", (run) => new Date(run.run.started_at).toLocaleString()),
    text("state", (run) => standing(run)[0]),
    text("command", (run) => run.run.command || ""),
    text("model", (run) => (run.run.models || []).join(", ") || "none"),
    number("records complete", (run) => run.progress.complete, count, "more"),
    number("files made", sum("made"), count),
    number("tasks failed", sum("failed"), count, "less"),
    number("tasks blocked", sum("blocked", "skipped"), count, "less"),
    number("calls", calls("calls"), count, "less"),
    number("tries failed", calls("failed_tries"), count, "less"),
    number("tokens in", calls("input_tokens"), count, "less"),
    number("tokens out", calls("output_tokens"), count, "less"),
    number("cost", calls("cost_micros"), dollars, "less"),
    number("seconds", (run) => run.progress.elapsed_seconds, rate, "less"),
  ]);
  const causes = new Map();
  [one, other].forEach((run, place) => {
    for (const kind of run.detail.failure_kinds) {
      const name = `${kind.component}: ${kind.cause}`;
      const known = causes.get(name) || [0, 0];
      known[place] += kind.count;
      causes.set(name, known);
    }
  });
  const failures = [...causes].map(([name, [a, b]]) =>
    make("tr", {}, make("th", { scope: "row" }, ticked(name)), cell("first", count(a), "number"), cell("second", count(b), "number"),
      cell("difference", make("span", { class: b > a ? "worse" : b < a ? "better" : "" }, b === a ? "the same" : `${b > a ? "+" : "−"}${count(Math.abs(b - a))}`), "number")));
  return failures.length === 0 ? [numbers] : [numbers, make("h3", {}, "Failures"), table(["cause", "first", "second", "difference"], failures)];
}
