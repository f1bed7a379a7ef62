// What the last round of `batchgen dev` changed, file by file.
"use strict";

/** How the last round stands, in a sentence. */
function roundSentence(changes) {
  if (changes.rounds === 0) return "The first round goes on.";
  const ended = `Round ${count(changes.rounds)}: `;
  const made = changes.error ? "stopped by an error." : `${count(changes.changed)} of ${counted(changes.wanted, "file")} changed.`;
  return ended + made + (changes.is_under_way ? " Another round goes on." : " Waiting for a change.");
}

/** A file with the lines that differ. */
function changedFile(file) {
  const link = make("a", { href: taskRoute(file.record, file.component) }, "The task");
  link.dataset.key = JSON.stringify([file.record, file.component]);
  return make("article", { class: "card" },
    make("h3", {}, file.path, file.is_new ? make("span", { class: "chip good" }, "new") : null),
    diff(file.difference),
    link);
}

function showChanges(snapshot) {
  const changes = snapshot.changes;
  document.querySelector("nav a[data-view=changes]").hidden = !changes;
  if (!changes || byId("view-changes").hidden) return;
  const said = byId("changes-said");
  const sentence = roundSentence(changes);
  // Said once by a screen reader, and not every second.
  if (said.textContent !== sentence) said.textContent = sentence;
  fill(byId("changes"), [changes.error, changes.files], () => [
    changes.error ? make("pre", { class: "cause" }, changes.error) : null,
    ...changes.files.map(changedFile),
    changes.changed > changes.files.length
      ? make("p", { class: "hint" }, `${counted(changes.changed - changes.files.length, "other file")} changed.`)
      : null,
  ].filter(Boolean));
}
