// Review: one file after the other, decided with the keyboard. A file is left only when its decision is on disk.
"use strict";

/** The key of this review, which the printed address has; kept for this tab, so that it can be loaded again. */
const reviewKey = (() => {
  try {
    const given = location.hash.match(/^#key=([\w-]+)$/);
    if (given) {
      sessionStorage.setItem("review-key", given[1]);
      history.replaceState(null, "", "#/review");
    }
    return sessionStorage.getItem("review-key");
  } catch {
    return null;
  }
})();

const Review = (() => {
  /** Files that are asked for before they are needed, and those that one can go back to. */
  const AHEAD = 4;
  const BEHIND = 100;
  const FILTERS = ["component", "category", "below", "held", "decided"];
  let files = [];
  let at = 0;
  let after = null;
  let ended = false;
  let query = null;
  let turn = 0;
  let busy = false;
  /** The turn that files are being asked for in. */
  let loading = 0;
  let counts = { accepted: 0, refused: 0 };
  let by = "";
  let editing = false;

  function say(text, tone) {
    const status = byId("review-said");
    status.className = tone || "";
    status.replaceChildren(...ticked(text));
  }

  async function ask(path, body) {
    try {
      const options = body ? { method: "POST", headers: { "content-type": "application/json", "x-batchgen-key": reviewKey || "" }, body: JSON.stringify(body) } : {};
      const response = await fetch(path, options);
      const text = await response.text();
      if (response.ok) return [JSON.parse(text), "", 200];
      let known = { error: text };
      try { known = JSON.parse(text); } catch { /* It is a sentence. */ }
      return [known, known.error || text, response.status];
    } catch {
      return [null, "Nobody answers. What was saved is kept: run `batchgen review --page` again, and open the address that it prints.", 0];
    }
  }

  /** Asks for more files until one is there that is not seen yet, or none is left. */
  async function load() {
    const mine = turn;
    while (mine === turn && !ended && files.length - at < AHEAD) {
      const wanted = new URLSearchParams(query);
      if (after) wanted.set("after", after);
      const [page, problem] = await ask(`review/files?${wanted}`);
      if (mine !== turn) return;
      if (!page || problem) {
        say(problem, "bad");
        return;
      }
      files.push(...page.files);
      by = page.by;
      counts = page.counts;
      after = page.after;
      ended = after === null;
      if (files.length - at >= 1) show();
    }
    if (mine === turn) show();
  }

  function more() {
    if (loading === turn) return;
    const mine = turn;
    loading = mine;
    load().finally(() => { if (loading === mine) loading = 0; });
  }

  const current = () => files[at];

  function text(file) {
    if (file.rendered && file.rendered.length > 0) return prose(file.rendered);
    return make("pre", { class: "artifact" }, file.text);
  }

  function content(file) {
    if (!file.difference) return [text(file)];
    const whole = make("details", { data: { fold: "whole" } }, make("summary", {}, "the whole text"), text(file));
    return [make("p", { class: "hint" }, "An earlier text was accepted. This is what changed since then."), diff(file.difference), whole];
  }

  function aside(file) {
    const facts = make("details", { id: "review-facts", data: { fold: "facts" } }, make("summary", {}, "Facts of the record"), make("pre", {}, file.facts || "The record cannot be read."));
    const said = verdicts(file.judged);
    return [
      make("h3", {}, "What was said of it"),
      ...(said.length ? said : [make("p", { class: "hint" }, "Nothing yet.")]),
      facts,
      make("p", {}, make("a", { href: taskRoute(file.record, file.component) }, "What the model was asked")),
    ];
  }

  /** Shows the file that is to be decided about, or that there is none. */
  function show() {
    // What is being written stays.
    if (editing) return;
    if (files.length > at && at > BEHIND) {
      files.splice(0, at - BEHIND);
      at = BEHIND;
    }
    const file = current();
    const total = counts.accepted + counts.refused;
    byId("review-counts").textContent = `${count(counts.accepted)} accepted, ${count(counts.refused)} refused${by ? ` by ${by}` : ""}`;
    byId("review-bar").hidden = !file && total === 0 && at === 0;
    for (const button of byId("review-bar").querySelectorAll("[data-needs-file]")) button.disabled = !file;
    byId("review-back").disabled = at === 0;
    const key = file ? [file.record, file.component, file.content, file.judged] : [ended, total];
    const article = byId("review-file");
    article.dataset.task = file ? JSON.stringify([file.record, file.component]) : "";
    article.dataset.state = file ? "file" : ended ? "end" : "looking";
    fill(article, key, () => {
      if (!file) {
        const left = counts.refused > 0 ? "`batchgen run` makes anew what was refused." : "";
        return [make("p", { class: "card" }, ticked(ended ? `No file awaits a decision. ${left}` : "Looking for the next file …"))];
      }
      return [
        make("header", {},
          make("h2", {}, `${file.name || file.record} · ${file.component}`, standings(file.judged)),
          make("p", { class: "hint" }, `${file.path}, ${file.category}`)),
        make("div", { class: "card text" }, content(file)),
        make("aside", { class: "card", "aria-label": "What is known of it" }, aside(file)),
      ];
    });
  }

  function moveTo(place) {
    if (place < 0 || place > files.length) return;
    at = place;
    closeEdit();
    closeNote();
    show();
    scrollTo(0, 0);
    more();
  }

  async function decide(accepts, note) {
    const file = current();
    if (!file || busy) return;
    busy = true;
    const { record, component, content } = file;
    const [answer, problem, status] = await ask("review/decide", { record, component, content, accepts, note });
    busy = false;
    if (problem) {
      say(status === 409 ? "Not saved: the file has changed since it was shown. This is how it is now." : `Not saved: ${problem}`, "bad");
      if (status === 409 && answer.file) files[files.indexOf(file)] = answer.file;
      closeNote();
      show();
      return;
    }
    counts = answer.counts;
    file.judged.accepted = accepts;
    const told = `${accepts ? "Accepted" : "Refused"}: ${file.name || record} · ${component}`;
    say(answer.warning ? `${told}. ${answer.warning}` : told, answer.warning ? "bad" : accepts ? "good" : "waits");
    moveTo(files.indexOf(file) + 1);
  }

  async function undo() {
    if (busy) return;
    busy = true;
    const [answer, problem] = await ask("review/undo", {});
    busy = false;
    if (problem) {
      say(`Not taken back: ${problem}`, "bad");
      return;
    }
    counts = answer.counts;
    if (!answer.taken) {
      say("There is nothing to take back.");
      show();
      return;
    }
    const { record, component, accepted, file } = answer.taken;
    say(`Taken back: ${record} ${component} was ${accepted ? "accepted" : "refused"}. ${answer.warning || ""}`, answer.warning ? "bad" : "");
    const known = files.findIndex((one) => one.record === record && one.component === component);
    if (known >= 0) files[known] = file || files[known];
    else if (file) files.splice(at, 0, file);
    moveTo(known >= 0 ? known : at);
    show();
  }

  function openNote() {
    if (!current()) return;
    byId("review-note").hidden = false;
    byId("review-note").elements.note.focus();
  }

  function closeNote() {
    const form = byId("review-note");
    if (form.hidden) return;
    form.hidden = true;
    form.reset();
    byId("review-file").focus({ preventScroll: true });
  }

  /** Lets a person write the text anew, in the place where it is read. */
  function openEdit() {
    const file = current();
    if (!file || busy || editing) return;
    if (!file.is_whole) {
      say("The text is too long for the page: edit it with `batchgen review`.", "bad");
      return;
    }
    editing = true;
    const area = make("textarea", { name: "text", value: file.text, "aria-label": `Text of ${file.path}`, spellcheck: true });
    const save = make("button", { class: "accept" }, make("kbd", {}, "Ctrl Enter"), " Save");
    const cancel = make("button", { type: "button" }, make("kbd", {}, "Esc"), " Cancel");
    cancel.addEventListener("click", cancelEdit);
    const form = make("form", { id: "review-edit" }, area, make("div", {}, save, " ", cancel));
    form.addEventListener("submit", (event) => { event.preventDefault(); saveEdit(area.value); });
    document.querySelector("#review-file .text").replaceChildren(form);
    area.focus();
    area.setSelectionRange(0, 0);
  }

  function closeEdit() {
    if (!editing) return;
    editing = false;
    // The same file is shown anew.
    shown.delete(byId("review-file"));
  }

  function cancelEdit() {
    closeEdit();
    show();
    byId("review-file").focus({ preventScroll: true });
  }

  async function saveEdit(written) {
    const file = current();
    if (busy) return;
    busy = true;
    const { record, component, content } = file;
    const [answer, problem, status] = await ask("review/edit", { record, component, content, text: written });
    busy = false;
    if (problem) {
      say(`Not saved: ${status === 409 ? "the file has changed since it was shown." : problem}`, "bad");
      return;
    }
    files[files.indexOf(file)] = answer.file;
    say(answer.warning || "Saved as your text, which no run replaces. Accept it with `a`.", answer.warning ? "bad" : "good");
    cancelEdit();
  }

  function facts() {
    const fold = byId("review-facts");
    if (fold) fold.open = !fold.open;
  }

  function evidence() {
    const file = current();
    if (file) location.hash = taskRoute(file.record, file.component);
  }

  const ACTIONS = {
    a: () => decide(true, ""), r: openNote, e: openEdit, u: undo, s: () => moveTo(at + 1), j: () => moveTo(at + 1), n: () => moveTo(at + 1),
    b: () => moveTo(at - 1), k: () => moveTo(at - 1), f: facts, i: evidence,
  };
  /** Keys that a person may hold down. */
  const MOVES = "sjnbk";

  document.addEventListener("keydown", (event) => {
    if (byId("view-review").hidden || byId("task").open || event.altKey) return;
    const hasControl = event.ctrlKey || event.metaKey;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") editing ? cancelEdit() : closeNote();
      if (event.key === "Enter" && hasControl && event.target.name === "text") event.target.form.requestSubmit();
      if (event.key === "Enter" && !event.shiftKey && event.target.name === "note") {
        event.preventDefault();
        byId("review-note").requestSubmit();
      }
      return;
    }
    const key = event.key.toLowerCase();
    if (hasControl || editing || !ACTIONS[key] || (event.repeat && !MOVES.includes(key))) return;
    event.preventDefault();
    ACTIONS[key]();
  });
  byId("review-bar").addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button && !editing) ACTIONS[button.dataset.action]();
  });
  byId("review-note").addEventListener("submit", (event) => {
    event.preventDefault();
    decide(false, event.target.elements.note.value);
  });
  byId("review-cancel").addEventListener("click", closeNote);
  const filter = () => {
    const form = byId("review-filter").elements;
    const wanted = new URLSearchParams();
    for (const name of FILTERS) {
      const value = form[name].type === "checkbox" ? (form[name].checked ? "true" : "") : form[name].value;
      if (value) wanted.set(name, value);
    }
    location.hash = `#/review${wanted.size ? `?${wanted}` : ""}`;
  };
  byId("review-filter").addEventListener("change", filter);
  byId("review-filter").addEventListener("submit", (event) => { event.preventDefault(); filter(); });

  /** Shows the review of what the address says; goes on where it was, if that is the same. */
  function open(wanted) {
    const form = byId("review-filter").elements;
    for (const name of FILTERS) {
      if (form[name].type === "checkbox") form[name].checked = wanted.get(name) === "true";
      else form[name].value = wanted.get(name) || "";
    }
    const now = wanted.toString();
    if (query === now) return;
    query = now;
    turn += 1;
    closeEdit();
    [files, at, after, ended] = [[], 0, null, false];
    say("");
    show();
    more();
    byId("review-file").focus({ preventScroll: true });
  }

  return { isOn: Boolean(reviewKey), open };
})();

// Another review at the same address has another key.
addEventListener("hashchange", () => { if (location.hash.startsWith("#key=")) location.reload(); });
