// Asks for a summary of the record and publishes whatever comes back, unless it is empty or cut off.

import { complete } from 'batchgen:component/llm@0.2.0';
import { log } from 'batchgen:component/log@0.2.0';

export function generate(input) {
  try {
    return summary(input);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // There is no console: what is logged last as an error is shown as the cause.
    log('error', `${error}, ${error.stack.trim()}`);
    throw error;
  }
}

function summary(input) {
  const instructions = input.prompts.find(({ name }) => name === 'write').text;
  const facts = { name: input.name, category: input.category, about: JSON.parse(input.fields) };
  const answer = ask({
    // Instructions first, the same for every record: providers remember what they begin with. The host writes
    // the facts into the user's turn.
    messages: [
      { role: 'system', content: instructions.trim() },
      { role: 'user', content: '' },
    ],
    facts: JSON.stringify(facts),
    // An option that is left out, such as `maxWords`, is none.
    rules: { requiredWords: [], headings: [], numbersFromFacts: false, wholeSentences: false },
    responseFormat: { tag: 'text' },
    // Fields of the record whose pictures the model is shown.
    images: [],
  });
  return { text: `${answer}\n` };
}

// The answer's text. What is thrown and is a `failure` of the contract is one; any other error ends as a trap.
function ask(request) {
  let answer;
  try {
    answer = complete(request);
  } catch ({ payload }) {
    throw { kind: 'refused', message: payload.val, violations: [] };
  }
  const text = answer.text.trim();
  if (answer.stopReason !== 'stop') {
    throw { kind: 'invalid-answer', message: 'the answer was cut off', violations: [] };
  }
  if (text === '') {
    throw { kind: 'invalid-answer', message: 'the answer is empty', violations: [] };
  }
  return text;
}
