use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn text(answer: &str) -> String {
    super::answer(answer.to_owned(), &ResponseFormat::Text)
}

fn told(answer: &str) -> String {
    super::answer(answer.to_owned(), &ResponseFormat::JsonObject)
}

#[test]
fn thoughts_are_no_part_of_an_answer() {
    for answer in [
        "<think>\nTwo sentences.\n</think>\n\nOak is hard.",
        "<think></think>Oak is hard.",
        "Two sentences. Fine.\n</think>\n\nOak is hard.",
        "Two sentences.</think>Oak is hard.",
        "Use ``` here.\n</think>\nOak is hard.",
        "<think>A.</think>\n<think>B.</think>\nOak is hard.",
        "<think>I end with </think>, then write.\n</think>\nOak is hard.",
        "<thinking type=\"x\">A.</thinking> Oak is hard.",
        "<THINK>A.</THINK> Oak is hard.",
        "<seed:think>A.</seed:think>Oak is hard.",
        "<reasoning>\nA.\n</reasoning>\nOak is hard.",
        "[THINK]A.[/THINK]Oak is hard.",
        "◁think▷A.◁/think▷Oak is hard.",
        "<|begin_of_thought|>A.<|end_of_thought|><|begin_of_solution|>Oak is hard.<|end_of_solution|>",
        "<|START_THINKING|>A.<|END_THINKING|><|START_RESPONSE|>Oak is hard.<|END_RESPONSE|>",
        "<think>A.</think><answer>Oak is hard.</answer>",
        "<answer>\nOak is hard.\n</answer>",
        "Oak is <think>What?</think> hard.",
        "Oak is hard.\n<think>\nIs that all?",
    ] {
        assert_eq!(text(answer).trim(), "Oak is hard.", "{answer}");
    }
    assert_eq!(text("<think>\nI never came to an answer."), "");
    assert_eq!(text("<think>A.</think>"), "");
}

#[test]
fn marks_that_an_answer_writes_of_stay() {
    for honest in [
        "Such models write `<think>` and `</think>` around thoughts.",
        "They write:\n\n```\n<think>\nA.\n</think>\nB.\n```\n\nThat is all.",
        "End a turn with `<|im_end|>`.\n\n    <|im_start|>user\n",
        "The price was <s>10</s> 8 dollars, <s>20</s> 16 dollars.",
        "It is <thinner> than <b>paper</b>, 3 < 5 and a <| b |> c.",
        "[link](https://example.org) and [1]",
        "Assistant managers are needed.",
        "analysis of oak",
        "What an <answer>is</answer> depends.",
    ] {
        assert_eq!(text(honest), honest);
    }
}

#[test]
fn tokens_of_chat_models_and_what_follows_their_end_are_no_part_of_an_answer() {
    for answer in [
        "Oak is hard.<|im_end|>",
        "Oak is hard.<|im_end|>\n<|im_start|>user\nAnd elm?<|im_end|>",
        "<|im_start|>assistant\nOak is hard.<|im_end|>\n",
        "Oak is hard.</s>",
        "<s> Oak is hard.</s>",
        "<s>Oak is hard.",
        "Oak is hard.<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nOak is hard.",
        "<|start_header_id|>assistant<|end_header_id|>\n\nOak is hard.<|eot_id|>",
        "assistant\n\nOak is hard.",
        "Oak is hard.<end_of_turn>\n<eos>",
        "<start_of_turn>model\nOak is hard.<end_of_turn>",
        "Oak is hard.<｜end▁of▁sentence｜>",
        "<｜Assistant｜>Oak is hard.",
        "Oak is hard.<|endoftext|>Human: more?",
        "Oak is hard.<|end_of_text|>",
        "Oak is hard. [/INST]",
        "Oak is hard.\n[INST] And elm? [/INST] Elm is soft.",
        "Oak is hard.<|im_end",
        "Oak is<|reserved_special_token_7|> hard.",
    ] {
        assert_eq!(text(answer).trim(), "Oak is hard.", "{answer}");
    }
    let fence = "```python\nprint()\n```";
    assert_eq!(text(&format!("{fence}<|im_end|>")), fence);
}

#[test]
fn the_final_channel_is_the_answer() {
    for answer in [
        "<|channel|>analysis<|message|>Short.<|end|><|start|>assistant<|channel|>final<|message|>Oak is hard.<|return|>",
        "<|channel|>final<|message|>Oak is hard.",
        "analysisWe write one.assistantfinalOak is hard.",
        "<|channel|>commentary<|message|>First.<|end|><|start|>assistant<|channel|>final <|constrain|>text<|message|>Oak is hard.<|end|>",
    ] {
        assert_eq!(text(answer), "Oak is hard.", "{answer}");
    }
    assert_eq!(
        text("<|channel|>analysis<|message|>The user wants one sentence."),
        ""
    );
}

#[test]
fn control_characters_are_dropped() {
    assert_eq!(
        text("Oak\0 is\u{7} \u{1b}[1mhard\u{9f}.\r\n\tYes"),
        "Oak is [1mhard.\r\n\tYes"
    );
    assert_eq!(told(r#"{"a": "x\u0000y\u0007"}"#), r#"{"a":"xy"}"#);
}

#[test]
fn valid_json_is_told_as_it_is() {
    for json in [
        r#"{"b": 1.50, "a": "</think> <|im_end|> {\"x\": 1}"}"#,
        "{\n  \"a\": [1, 2, {\"b\": null}]\n}",
    ] {
        assert_eq!(told(json), json);
    }
}

#[test]
fn json_is_found_in_whatever_is_put_around_it() {
    let object = json!({"title": "Oak", "points": ["hard", "it's {heavy}"]});
    for answer in [
        format!("\u{feff}{object}\n"),
        format!("```json\n{object}\n```"),
        format!("Sure! Here it is:\n\n```\n{object}\n```\nLet me know."),
        format!("Use {{braces}} like {{{{ this }}}}: {object} and {{}}"),
        format!("<think>Perhaps {{\"title\": \"Elm\"}}?</think>\n{object}"),
        format!("{{\"title\": \"Elm\"}}? No.\n</think>\n{object}"),
        format!(
            "<|channel|>analysis<|message|>{{}}<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>{object}<|return|>"
        ),
        format!("{object}<|im_end|>"),
        format!("[{object}]"),
        format!("{{{object}}}"),
        format!("{object}\n\n{object}"),
        format!("As [1] says: {object}"),
        Value::from(object.to_string()).to_string(),
        object
            .to_string()
            .replace("{\"t", "{“t")
            .replace("e\":", "e”:"),
    ] {
        let told: Value = serde_json::from_str(&told(&answer)).expect(&answer);
        assert_eq!(told, object, "{answer}");
    }
}

#[test]
fn json_with_small_faults_is_mended() {
    for (answer, object) in [
        (r#"{"a": 1, "b": [1, 2,],}"#, json!({"a": 1, "b": [1, 2]})),
        (
            r#"{"t": "Oak", "r": {"t": "Elm"},}"#,
            json!({"t": "Oak", "r": {"t": "Elm"}}),
        ),
        (
            "{\"a\": 1, // one\n /* two */ \"b\": 2}",
            json!({"a": 1, "b": 2}),
        ),
        ("{'a': 'x', b: \"it's\"}", json!({"a": "x", "b": "it's"})),
        (
            r#"{"a": NaN, "b": -Infinity, "c": +5, "d": .5, "e": 5.}"#,
            json!({"a": null, "b": null, "c": 5, "d": 0.5, "e": 5}),
        ),
        (
            "{'a': True, 'b': False, 'c': None, 'd': [None]}",
            json!({"a": true, "b": false, "c": null, "d": [null]}),
        ),
        (
            "{\"a\": \"one\n\ntwo\tthree\"}",
            json!({"a": "one\n\ntwo\tthree"}),
        ),
        (
            "Here: {\"a\": \"http://x\", \"b\": 12345678901234567,}",
            json!({"a": "http://x", "b": 12_345_678_901_234_567_u64}),
        ),
        ("```json\n{\"a\": 1,}\n```", json!({"a": 1})),
    ] {
        let told: Value = serde_json::from_str(&told(answer)).expect(answer);
        assert_eq!(told, object, "{answer}");
    }
}

#[test]
fn what_can_be_read_in_more_ways_than_one_stays() {
    for answer in [
        r#"{"t": "Oak", "r": {"t": "Elm"}"#,
        r#"Here: {"t": "say "hi" now", "r": {"t": "Elm"}}"#,
        r#"{"t": "Oak" "u": "x", "r": {"t": "Elm"}}"#,
        r#"{"a": 1} {"a": 2}"#,
        "```json\n{\"a\": 1}\n```\nor\n```json\n{\"a\": 2}\n```",
        r#"[{"a": 1}, {"a": 2}]"#,
        "```json\n{\"a\": \"x\n```\nlike {\"a\": 1}",
        "no object",
        r#"{"a": sometimes, "r": {"t": "Elm"}}"#,
    ] {
        assert_eq!(told(answer), answer);
    }
}

#[test]
fn an_object_in_a_string_is_taken_out_where_the_schema_wants_one() {
    let schema = json!({
        "type": "object",
        "properties": {
            "of": {"$ref": "#/$defs/of"}, "list": {"type": "array", "items": {"$ref": "#/$defs/of"}},
            "text": {"type": "string"},
        },
        "$defs": {"of": {"type": "object", "properties": {"a": {"type": "integer"}}}},
    });
    let told = |answer: &str| {
        super::answer(
            answer.to_owned(),
            &ResponseFormat::JsonSchema(schema.clone().into()),
        )
    };
    assert_eq!(
        told(r#"{"of": "{\"a\": 1}", "list": "[\"{}\"]", "text": "{\"a\": 1}"}"#),
        r#"{"of":{"a":1},"list":[{}],"text":"{\"a\": 1}"}"#
    );
    assert_eq!(told(r#"{"of": "a word"}"#), r#"{"of": "a word"}"#);
}

#[test]
fn an_object_around_what_was_asked_for_is_taken_away() {
    let schema = json!({
        "type": "object",
        "required": ["title", "points"],
        "properties": {"title": {"type": "string"}, "points": {"type": "array"}, "note": {"type": "string"}},
    });
    let told = |answer: &str| {
        super::answer(
            answer.to_owned(),
            &ResponseFormat::JsonSchema(schema.clone().into()),
        )
    };
    let asked = r#"{"title":"Oak","points":["hard"]}"#;
    for answer in [
        format!(r#"{{"result": {asked}}}"#),
        format!(r#"{{"name": "write", "arguments": {asked}}}"#),
        format!(r#"{{"name": "write", "arguments": {}}}"#, json!(asked)),
        format!("<tool_call>{{\"name\": \"write\", \"arguments\": {asked},}}</tool_call>"),
        format!(r#"{{"type": "object", "properties": {asked}}}"#),
    ] {
        assert_eq!(told(&answer), asked, "{answer}");
    }
    for other in [
        r#"{"result": {"title": "Oak"}}"#.to_owned(),
        format!(r#"{{"note": "x", "result": {asked}}}"#),
        format!(r#"{{"a": {asked}, "b": {{"title":"Elm","points":[]}}}}"#),
        format!(r#"{{"a": {{"b": {asked}}}}}"#),
    ] {
        assert_eq!(told(&other), other);
    }
}

/// Work that grew with the square of the answer's length would not end within the time that a test may take.
#[test]
fn an_answer_of_nothing_but_marks_is_mended() {
    for part in [
        "{",
        "{\"a\":1}",
        "</s>",
        "<think>a</think>",
        "</think>",
        "<|im_start|>",
        "[None,",
        "`<s>`",
        "<|",
    ] {
        let marks = part.repeat(300_000 / part.len());
        assert!(text(&marks).len() <= marks.len(), "{part}");
        assert!(told(&marks).len() <= marks.len(), "{part}");
    }
}

#[test]
fn a_list_is_told_where_the_schema_wants_one() {
    let schema = ResponseFormat::JsonSchema(json!({"type": "array"}).into());
    let told = super::answer("Here:\n```json\n[{\"a\": 1},]\n```".to_owned(), &schema);
    assert_eq!(told, r#"[{"a":1}]"#);
}

proptest! {
    #[test]
    fn an_answer_without_marks_is_told_to_the_letter(answer in "[a-zA-Z0-9 .,:!?\n\"'*_#()-]{0,200}") {
        prop_assert_eq!(text(&answer), answer);
    }

    #[test]
    fn telling_twice_is_telling_once(answer in "(<think>|</think>|`|\n|<\\|im_end\\|>|<s>|</s>|\\{\"a\":|1|\\}|,|'| |[a-z.]{1,4}){0,14}") {
        for format in [ResponseFormat::Text, ResponseFormat::JsonObject] {
            let once = super::answer(answer.clone(), &format);
            prop_assert_eq!(super::answer(once.clone(), &format), once);
        }
    }

    #[test]
    fn any_object_survives(key in "\\PC{1,8}", value in "\\PC{0,12}") {
        let object = json!({ key: value });
        prop_assert_eq!(told(&object.to_string()), object.to_string());
    }
}
