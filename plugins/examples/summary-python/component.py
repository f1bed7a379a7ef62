"""Asks for a summary of the record and publishes whatever comes back, unless it is empty or cut off."""

import json

from componentize_py_types import Err
from wit_world import WitWorld as World
from wit_world.imports import llm
from wit_world.imports.types import Artifact, Failure, FailureKind, Input


class WitWorld(World):
    """The component; its name is what the tool looks for."""

    def generate(self, input: Input) -> Artifact:
        instructions = next(prompt.text for prompt in input.prompts if prompt.name == "write")
        facts = {"name": input.name, "category": input.category, "about": json.loads(input.fields)}
        answer = ask(
            llm.CompletionRequest(
                messages=[
                    # Instructions first, the same for every record: providers remember what they begin with.
                    llm.Message(llm.Role.SYSTEM, instructions.strip()),
                    # The host writes the facts into the user's turn.
                    llm.Message(llm.Role.USER, ""),
                ],
                facts=json.dumps(facts, ensure_ascii=False),
                rules=llm.Rules(
                    min_words=None,
                    max_words=None,
                    min_lines=None,
                    max_lines=None,
                    required_words=[],
                    headings=[],
                    numbers_from_facts=False,
                    whole_sentences=False,
                ),
                response_format=llm.ResponseFormat_Text(),
                # Fields of the record whose pictures the model is shown.
                images=[],
            )
        )
        return Artifact(answer + "\n")


def ask(request: llm.CompletionRequest) -> str:
    """The answer's text. An error that the component raises as `Err` is a failure; any other ends it as a trap."""
    try:
        answer = llm.complete(request)
    except Err as error:
        raise Err(Failure(FailureKind.REFUSED, str(error.value.value), [])) from error
    text = answer.text.strip()
    if answer.stop_reason is not llm.StopReason.STOP:
        raise Err(Failure(FailureKind.INVALID_ANSWER, "the answer was cut off", []))
    if not text:
        raise Err(Failure(FailureKind.INVALID_ANSWER, "the answer is empty", []))
    return text
