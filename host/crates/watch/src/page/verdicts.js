// What was said of a file: by rules, by judges and by persons.
"use strict";

const SAID = {
  rules: ["lets it pass", "refuses it"],
  judge: ["lets it pass", "refuses it"],
  person: ["accepts it", "refuses it"],
};

const scored = (score) => (Number.isInteger(score) ? String(score) : score.toFixed(1));

/** How a file stands: held by its gate, accepted or refused by a person. Several may hold. */
function standings(judged) {
  const chips = [];
  if (judged.accepted === true) chips.push(["accepted", "good"]);
  if (judged.accepted === false) chips.push(["refused", "bad"]);
  if (judged.held) chips.push(["held", "waits"]);
  return chips.map(([word, tone]) => make("span", { class: `chip ${tone}` }, word));
}

/** One verdict: who gave it, when, the score of each criterion, and why. */
function verdict(said) {
  const who = said.giver === "rules" ? "The gate's rules" : said.name;
  const [passes, refuses] = SAID[said.giver] || SAID.judge;
  const verb = said.giver === "rules" ? (said.passes ? "let it pass" : "refuse it") : said.passes ? passes : refuses;
  const criteria = Object.entries(said.scores);
  const low = (score) => said.score !== null && !said.passes && score === said.score;
  return make("li", { class: said.is_current ? "verdict" : "verdict older" },
    make("p", { class: "who" },
      make("strong", {}, who), " ",
      make("span", { class: said.passes ? "better" : "worse" }, verb),
      criteria.length === 0 && said.score !== null ? ` with ${scored(said.score)}` : null,
      make("span", { class: "when" }, said.is_current ? moment(said.given_at) : `${moment(said.given_at)}, of an earlier text`),
    ),
    criteria.length ? make("ul", { class: "criteria" }, criteria.map(([name, score]) =>
      make("li", { class: low(score) ? "worse" : "" }, `${name} `, make("b", {}, scored(score))))) : null,
    said.reason ? make("p", { class: "reason" }, said.reason) : null,
  );
}

/** All that was said of a file; what was said of earlier texts is folded where there is something newer. */
function verdicts(judged) {
  const now = judged.verdicts.filter((said) => said.is_current);
  const before = judged.verdicts.filter((said) => !said.is_current);
  const list = (some) => make("ul", { class: "verdicts" }, some.map(verdict));
  const parts = [];
  if (judged.held) parts.push(make("p", { class: "held" }, make("strong", {}, "Held"), `: ${judged.held}`));
  if (now.length) parts.push(list(now));
  if (before.length) parts.push(make("details", { data: { fold: "earlier" } }, make("summary", {}, `${counted(before.length, "verdict")} on earlier texts`), list(before)));
  return parts;
}
