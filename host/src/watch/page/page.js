// Where snapshots come from: a report has one in itself, and a run that goes on sends one a second.
"use strict";

(() => {
  const embedded = byId("data") && JSON.parse(byId("data").textContent);
  const plots = {};
  let snapshot = null;
  let filter = null;
  let opener = null;

  /** A plot that is made anew when its lines or the colours change. */
  function plot(id, labels, columns) {
    const holder = byId(id).querySelector(".plot");
    const known = plots[id];
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const same = JSON.stringify([labels, colour("--text")]);
    if (known && known.same === same) {
      known.chart.setData(columns);
    } else {
      if (known) known.chart.destroy();
      const colours = ["--accent", "--second", "--ok", "--bad", "--muted"].map(colour);
      const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
      const options = {
        width: Math.max(200, holder.clientWidth),
        height: 190,
        scales: { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.05 || 1)] } },
        axes: [
          { ...axis, values: (_, marks) => marks.map(duration) },
          { ...axis, size: 55, values: (_, marks) => marks.map((mark) => (mark < 10 ? String(mark) : count(mark))) },
        ],
        series: [
          { label: "time", value: (_, value) => (value == null ? "" : duration(value)) },
          ...labels.map((label, place) => ({
            label,
            stroke: colours[place % colours.length],
            dash: place > 0 ? [4 + 2 * place, 3] : undefined,
            width: 1.5,
            points: { show: columns[0].length < 3 },
            value: (_, value) => (value == null ? "" : rate(value)),
          })),
        ],
      };
      plots[id] = { same, chart: new uPlot(options, columns, holder) };
    }
    const last = labels.map((label, place) => {
      const column = columns[place + 1];
      return `${label} ${column.length ? rate(column[column.length - 1]) : "none yet"}`;
    });
    holder.setAttribute("aria-label", `${byId(id).querySelector("figcaption").textContent}: ${last.join(", ")}`);
  }

  function showPlots() {
    const series = snapshot.detail.series;
    const times = series.tasks_per_second.map((_, place) => (place + 0.5) * series.step_seconds);
    plot("plot-tasks", ["tasks"], [times, series.tasks_per_second]);
    plot("plot-tokens", ["in", "out"], [times, series.input_tokens_per_second, series.output_tokens_per_second]);
    plot("plot-lanes", series.lanes.map((lane) => lane.model), [times, ...series.lanes.map((lane) => lane.used_percent)]);
  }

  function show() {
    if (!snapshot) return;
    showState(...standing(snapshot));
    showNumbers(snapshot);
    showLanes(snapshot);
    showPlots();
    showHeat(snapshot, (category, component) => {
      filter = [category, component];
      show();
      byId("failures").scrollIntoView();
      (byId("failed").querySelector("button") || byId("failures")).focus();
    });
    showFailures(snapshot, filter, openTask);
    showArtifacts(snapshot, openTask);
  }

  async function find(record, component) {
    if (embedded) {
      const task = embedded.tasks.find((one) => one.record === record && one.component === component);
      return [task, `The report does not hold this task. \`batchgen replay ${record} ${component} --prompts\` shows it.`];
    }
    try {
      const query = new URLSearchParams({ record, component });
      const response = await fetch(`task?${query}`);
      return response.ok ? [await response.json(), ""] : [null, await response.text()];
    } catch {
      return [null, `The run has ended, and its server with it. \`batchgen replay ${record} ${component} --prompts\` shows this task.`];
    }
  }

  async function openTask(record, component) {
    opener = document.activeElement && document.activeElement.dataset.key;
    showTask(record, component, null, "Looking …");
    byId("task").showModal();
    showTask(record, component, ...(await find(record, component)));
  }

  byId("task").addEventListener("close", () => {
    // What opened it may have been made anew meanwhile.
    const again = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === opener);
    if (again) again.focus();
  });
  byId("filter").querySelector("button").addEventListener("click", () => {
    filter = null;
    show();
    byId("failures").focus();
  });
  byId("look").addEventListener("submit", (event) => {
    event.preventDefault();
    const { record, component } = event.target.elements;
    openTask(record.value, component.value);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  new ResizeObserver(() => {
    for (const [id, { chart }] of Object.entries(plots)) {
      const width = Math.max(200, byId(id).querySelector(".plot").clientWidth);
      if (width !== chart.width) chart.setSize({ width, height: 190 });
    }
  }).observe(byId("plots"));

  if (embedded) {
    snapshot = embedded.snapshot;
    byId("look").hidden = true;
    show();
    return;
  }
  const events = new EventSource("events");
  events.addEventListener("message", (event) => {
    snapshot = JSON.parse(event.data);
    if (snapshot.state !== "running") events.close();
    show();
  });
  events.addEventListener("error", () => {
    if (snapshot && snapshot.state !== "running") return;
    showState("The connection is lost: the run may have ended. Trying again", "bad");
  });
})();
