// Where snapshots come from, and which view is shown: a report has one snapshot in itself, a run sends one a second, and the
// address says what is looked at.
"use strict";

(() => {
  const embedded = byId("data") && JSON.parse(byId("data").textContent);
  const plots = {};
  let newest = null;
  let opened = null;
  let opener = null;
  let found = [];

  /** A plot that is made anew when its lines or the colours change. */
  function plot(id, title, unit, lines, times) {
    const figure = byId(id);
    const holder = figure.querySelector(".plot");
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const names = ["--accent", "--second", "--ok", "--bad", "--muted"];
    const labels = lines.map(([label]) => label);
    const columns = [times, ...lines.map(([, numbers]) => smooth(numbers))];
    const last = lines.map(([, numbers], place) => {
      const column = columns[place + 1];
      return column.length ? `${rate(column[column.length - 1])} ${unit}` : "none yet";
    });
    fill(figure.querySelector("figcaption"), [title, labels, last], () => [
      make("strong", {}, title),
      ...labels.map((label, place) => {
        const span = make("span", {}, `${label} ${last[place]}`.trim());
        span.style.setProperty("--dot", `var(${names[place % names.length]})`);
        return span;
      }),
    ]);
    holder.setAttribute("aria-label", `${title}: ${labels.map((label, place) => `${label} ${last[place]}`).join(", ")}`);
    const same = JSON.stringify([labels, colour("--text")]);
    const known = plots[id];
    if (known && known.same === same) {
      known.chart.setData(columns);
      return;
    }
    if (known) known.chart.destroy();
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    const options = {
      width: Math.max(200, holder.clientWidth),
      height: 165,
      scales: { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.05 || 1)] } },
      axes: [
        { ...axis, values: (_, marks) => marks.map(duration) },
        { ...axis, size: 58, values: (_, marks) => marks.map((mark) => (mark < 10 ? String(mark) : short.format(mark)) + (unit === "%" ? " %" : "")) },
      ],
      series: [
        { label: "time" },
        ...labels.map((label, place) => ({
          label: label || title,
          stroke: colour(names[place % names.length]),
          dash: place > 0 ? [4 + 2 * place, 3] : undefined,
          width: 1.75,
          points: { show: columns[0].length < 3 },
        })),
      ],
    };
    plots[id] = { same, chart: new uPlot(options, columns, holder) };
  }

  function showPlots(snapshot) {
    const series = snapshot.detail.series;
    // A run of a second has nothing to plot, unless it goes on.
    byId("time").hidden = series.tasks_per_second.length < 2 && snapshot.state !== "running";
    if (byId("time").hidden) return;
    const times = series.tasks_per_second.map((_, place) => (place + 0.5) * series.step_seconds);
    plot("plot-tasks", "Tasks", "per second", [["", series.tasks_per_second]], times);
    plot("plot-tokens", "Tokens", "per second", [["in", series.input_tokens_per_second], ["out", series.output_tokens_per_second]], times);
    plot("plot-lanes", "Fullest limit", "%", series.lanes.map((lane) => [lane.model, lane.used_percent]), times);
  }

  /** Shows a run: the newest one, or one that was opened. */
  function showRun() {
    const snapshot = opened || newest;
    if (!snapshot) return;
    showHeader(snapshot);
    byId("other").hidden = !opened;
    byId("other").firstElementChild.textContent = opened ? `This is the run of ${moment(opened.run.started_at)}.` : "";
    fillSearch(snapshot);
    showChanges(newest || snapshot);
    if (byId("view-run").hidden) return;
    showHeadline(snapshot);
    showProgress(snapshot);
    showNumbers(snapshot);
    showFailures(snapshot);
    showLanes(snapshot);
    showWorkers(snapshot);
    showBatches(snapshot);
    showPlots(snapshot);
    showHeat(snapshot);
    showScores(snapshot);
    showSameness((embedded && embedded.sameness) || []);
    showArtifacts(snapshot);
  }

  function fillSearch(snapshot) {
    const form = byId("search").elements;
    const options = {
      component: ["", ...snapshot.progress.components.map((one) => one.component)],
      category: ["", ...snapshot.detail.heat.map((one) => one.category)],
      outcome: ["", ...Object.keys(OUTCOMES)],
    };
    const offer = (field, values) => {
      const value = field.value;
      fill(field, values, () => values.map((one) => make("option", { value: one }, one || "all")));
      field.value = values.includes(value) ? value : "";
    };
    for (const [name, values] of Object.entries(options)) offer(form[name], values);
    for (const name of ["component", "category"]) offer(byId("review-filter").elements[name], options[name]);
    const orders = [["", "as in the dataset"], ["newest", "newest first"], ["tokens", "most tokens first"]];
    const sort = form.sort.value;
    fill(form.sort, orders, () => orders.map(([value, text]) => make("option", { value }, text)));
    form.sort.value = sort;
  }

  const answers = async (address) => {
    try {
      const response = await fetch(address);
      return response.ok ? [await response.json(), ""] : [null, await response.text()];
    } catch {
      return [null, "The server has ended with its run. `batchgen view` shows runs that have ended."];
    }
  };

  async function findTask(record, component) {
    if (embedded) {
      const task = embedded.tasks.find((one) => one.record === record && one.component === component);
      return [task, `The report does not hold this task. \`batchgen replay ${record} ${component} --prompts\` shows it.`];
    }
    return answers(`task?${new URLSearchParams({ record, component })}`);
  }

  async function findTasks(query) {
    if (!embedded) return answers(`tasks?${query}`);
    const wanted = (name) => query.get(name) || "";
    const text = wanted("text").toLowerCase();
    const rows = embedded.tasks.map((task) => {
      const calls = task.exchanges.map((exchange) => exchange.call).filter(Boolean);
      const tokens = calls.reduce((all, call) => all + call.input_tokens + call.output_tokens, 0);
      return { ...task, tokens, model: calls.length ? calls[calls.length - 1].model : null };
    });
    const tasks = rows.filter((task) =>
      ["component", "category", "outcome"].every((name) => !wanted(name) || task[name] === wanted(name)) &&
      (!text || task.record.toLowerCase().includes(text) || (task.cause || "").toLowerCase().includes(text)));
    if (wanted("sort") === "newest") tasks.sort((a, b) => (b.ended_at || "").localeCompare(a.ended_at || ""));
    if (wanted("sort") === "tokens") tasks.sort((a, b) => b.tokens - a.tokens);
    return [{ tasks, more: false }, ""];
  }

  let asked = 0;
  async function showTasks(query, offset) {
    const turn = ++asked;
    const [answer, problem] = await findTasks(new URLSearchParams([...query, ["offset", offset]]));
    if (turn !== asked) return;
    found = offset > 0 && answer ? [...found, ...answer.tasks] : answer ? answer.tasks : [];
    byId("found").textContent = problem || (found.length === 0 ? "No task is like that." : `${answer.more ? "The first " : ""}${counted(found.length, "task")}${embedded ? " in this report" : ""}`);
    fill(byId("tasks"), found, () => (found.length ? [taskTable(found)] : []));
    byId("more").hidden = !(answer && answer.more);
  }

  async function showRuns() {
    const [rows, problem] = await answers("runs");
    if (!rows) {
      byId("runs").replaceChildren(make("p", {}, problem));
      return;
    }
    const choose = () => {
      const chosen = [...byId("runs").querySelectorAll("input:checked")].map((box) => box.dataset.run);
      if (chosen.length === 2) location.hash = `#/compare/${chosen[1]}/${chosen[0]}`;
    };
    byId("runs").replaceChildren(rows.length ? runTable(rows, choose) : make("p", { class: "hint" }, "No run has ended yet."));
  }

  async function showCompare(first, second) {
    const [[one, problem], [other, trouble]] = await Promise.all([first, second].map((id) => answers(`run?${new URLSearchParams({ id })}`)));
    byId("compare").replaceChildren(...(one && other ? compareTables(one, other) : [make("p", {}, problem || trouble)]));
  }

  async function openTask(record, component) {
    const dialog = byId("task");
    if (!dialog.open) {
      opener = document.activeElement && document.activeElement.dataset.key;
      showTask(record, component, null, "Looking …");
      dialog.showModal();
    }
    showTask(record, component, ...(await findTask(record, component)));
  }

  let behind = "#/";
  /** Shows what the address says. */
  async function route() {
    const hash = location.hash || "#/";
    const [path, query] = hash.slice(2).split("?");
    const words = path.split("/").map((word) => { try { return decodeURIComponent(word); } catch { return word; } });
    if (words[0] === "task" && words.length === 3) {
      openTask(words[1], words[2]);
      // The view behind it stays; at first it is the run.
      showRun();
      return;
    } else {
      if (byId("task").open) byId("task").close();
      behind = hash;
    }
    const view = ["tasks", "runs", "compare", "changes"].includes(words[0]) || (words[0] === "review" && Review.isOn) ? words[0] : "run";
    for (const name of ["run", "tasks", "runs", "compare", "changes", "review"]) byId(`view-${name}`).hidden = name !== view;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.dataset.view === view || (view === "compare" && link.dataset.view === "runs")) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (view === "run" && words[0] === "run" && words[1]) {
      const [snapshot] = await answers(`run?${new URLSearchParams({ id: words[1] })}`);
      opened = snapshot;
    } else if (view === "run") {
      opened = null;
    }
    showRun();
    if (view === "tasks") {
      const wanted = new URLSearchParams(query || "");
      for (const name of ["text", "component", "category", "outcome", "sort"]) {
        const field = byId("search").elements[name];
        const value = wanted.get(name) || "";
        if (field !== document.activeElement || field.tagName === "SELECT") field.value = value;
      }
      showTasks(wanted, 0);
    }
    if (view === "review") Review.open(new URLSearchParams(query || ""));
    if (view === "runs") showRuns();
    if (view === "compare") showCompare(words[1], words[2]);
  }

  /** The address of a search is that of its form. */
  function search() {
    const form = byId("search").elements;
    const query = new URLSearchParams();
    for (const name of ["text", "component", "category", "outcome", "sort"]) if (form[name].value) query.set(name, form[name].value);
    const hash = `#/tasks${query.size ? `?${query}` : ""}`;
    history.replaceState(null, "", hash);
    route();
  }

  byId("task").addEventListener("close", () => {
    if (location.hash.startsWith("#/task/")) location.hash = behind;
    // What opened it may have been made anew meanwhile.
    const again = [...document.querySelectorAll("main [data-key]")].find((one) => one.dataset.key === opener);
    if (again) again.focus();
  });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("content").focus();
  });
  let typing;
  byId("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(search, 150);
  });
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  byId("more").addEventListener("click", () => showTasks(new URLSearchParams(location.hash.split("?")[1] || ""), found.length));
  addEventListener("hashchange", route);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showRun);
  new ResizeObserver(() => {
    for (const [id, { chart }] of Object.entries(plots)) {
      const width = byId(id).querySelector(".plot").clientWidth;
      if (width > 0 && width !== chart.width) chart.setSize({ width: Math.max(200, width), height: 165 });
    }
  }).observe(byId("plots"));

  if (embedded) {
    newest = embedded.snapshot;
    document.querySelector("nav a[data-view=runs]").hidden = true;
    route();
    return;
  }
  document.querySelector("nav a[data-view=review]").hidden = !Review.isOn;
  const events = new EventSource("events");
  events.addEventListener("message", (event) => {
    const first = newest === null;
    newest = JSON.parse(event.data);
    if (first) route();
    else if (!opened) showRun();
  });
  events.addEventListener("error", () => {
    if (newest && newest.state !== "running") return;
    const state = byId("state");
    state.textContent = "Connection lost; trying again";
    state.className = "pill bad";
  });
})();
