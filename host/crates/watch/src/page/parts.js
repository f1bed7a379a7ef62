// What all views are made of. Text is only ever set as text: no markup is made of it anywhere.
"use strict";

const byId = (id) => document.getElementById(id);

/** An element with properties and children; a child that is a string is text. */
function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name.includes("-") || name === "scope" || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const count = (number) => (number < 100000 ? whole.format(number) : short.format(number));
/** Tokens and the like, where the last digit says nothing. */
const amount = (number) => (number < 10000 ? whole.format(number) : short.format(number));
/** A text of the host, with its long numbers in groups of three digits. */
const grouped = (text) => text.replace(/\d{5,}/g, (digits) => whole.format(digits));
const rate = (number) => (number < 10 ? number.toFixed(1) : count(Math.round(number)));
const dollars = (micros) => "$" + (micros / 1e6).toFixed(micros >= 1e7 ? 2 : 4);
const megabytes = (bytes) => (bytes == null ? "unknown" : whole.format(bytes / 1e6) + " MB");
const counted = (number, noun, plural) => `${count(number)} ${number === 1 ? noun : plural || noun + "s"}`;
/** A run that is younger has no pace. */
const hasPace = (view) => view.elapsed_seconds >= 10;

function duration(seconds) {
  const total = Math.max(0, Math.round(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}

/** A moment: its time, with the day where that is not today. */
function moment(iso) {
  if (!iso) return "";
  const at = new Date(iso);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? at.toLocaleTimeString() : at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

const ENDS = {
  done: ["Done", "good"],
  partial: ["Ended with failures", "bad"],
  budget: ["Stopped by its budget", "waits"],
  frozen: ["Let ask nothing", "waits"],
  provider: ["Stopped by the provider", "bad"],
  interrupted: ["Interrupted", "waits"],
  failed: ["Stopped by an error", "bad"],
};

/** How a run stands, in words, and whether that is good. */
function standing(run) {
  if (run.state === "running") return ["Running", "good"];
  if (run.state === "killed") return ["Killed", "bad"];
  return ENDS[(run.end || { kind: "done" }).kind] || ["Ended", ""];
}

const shown = new Map();

/** Fills an element anew if what it shows has changed. What had the keyboard's focus keeps it, and what was unfolded stays so. */
function fill(element, data, children) {
  const json = JSON.stringify(data);
  if (shown.get(element) === json) return;
  shown.set(element, json);
  const key = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const open = new Set([...element.querySelectorAll("details[open]")].map((one) => one.dataset.fold));
  element.replaceChildren(...children());
  for (const one of element.querySelectorAll("details")) if (open.has(one.dataset.fold)) one.open = true;
  if (key !== undefined) {
    const again = [...element.querySelectorAll("[data-key]")].find((other) => other.dataset.key === key);
    if (again) again.focus();
  }
}

/** A text in which what stands between backticks is code. */
function ticked(text) {
  return text.split("`").map((part, place) => (place % 2 ? make("code", {}, part) : part));
}

/** The one sentence of a cause: the rules that an answer broke, where it tells any, and else its first line. */
function sentence(cause) {
  const [first, ...more] = (cause || "").split("\n");
  const rules = more.map((line) => line.trim()).filter((line) => line.startsWith("- ")).map((line) => line.slice(2));
  return rules.length ? rules.join("; ") : first;
}

/** A table whose rows become paragraphs on a phone. `cells` are elements, made by `cell`. */
function table(heads, rows) {
  const head = make("thead", {}, make("tr", {}, heads.map((text) => make("th", { scope: "col" }, text))));
  return make("table", { class: "stacked" }, head, make("tbody", {}, rows));
}

function cell(label, content, kind) {
  const element = make("td", { class: kind || "" }, content);
  element.dataset.label = label;
  return element;
}

/** A bar of parts; each part is a class, a share of 1 and what it says. */
function bar(parts, label) {
  const element = make("div", { class: "bar", role: "img", "aria-label": label });
  for (const [kind, share] of parts) {
    const part = make("span", { class: kind });
    part.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
    element.append(part);
  }
  return element;
}

/** Numbers that go up and down from second to second, made smooth: the mean over some steps before and behind. */
function smooth(numbers) {
  const reach = Math.max(1, Math.min(5, Math.floor(numbers.length / 12)));
  return numbers.map((_, place) => {
    const part = numbers.slice(Math.max(0, place - reach), place + reach + 1);
    return part.reduce((sum, number) => sum + number, 0) / part.length;
  });
}

/** The address of a task, which can be shared. */
const taskRoute = (record, component) => `#/task/${encodeURIComponent(record)}/${encodeURIComponent(component)}`;

/** Copies a text, and says so on the button. */
function copier(label, text) {
  const button = make("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = text();
    }
  });
  return button;
}

/** The lines of a difference, each with its sign. */
function diff(lines) {
  const SIGNS = { old: "−", new: "+", same: " ", gap: "" };
  return make("pre", { class: "diff" }, lines.map((line) =>
    make("span", { class: line.kind }, line.kind === "gap" ? "…" : `${SIGNS[line.kind]} ${line.text}`)));
}

/** Elements that a tree may have. What is not known is a span. */
const TAGS = new Set(["p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "ul", "ol", "li", "table", "thead",
  "tbody", "tr", "th", "td", "em", "strong", "del", "a", "br", "hr", "span"]);

/** A tree of Markdown, element by element. */
function prose(nodes) {
  const made = (node) => {
    if (typeof node === "string") return node;
    const element = make(TAGS.has(node.tag) ? node.tag : "span", {}, (node.inner || []).map(made));
    if (node.tag === "a" && /^(https?|mailto):/.test(node.href || "")) {
      element.href = node.href;
      element.title = node.href;
      element.rel = "noopener noreferrer nofollow";
      element.target = "_blank";
    }
    return element;
  };
  return make("div", { class: "prose" }, nodes.map(made));
}
