use super::*;

fn fill(text: &str, values: &[(&str, &str)]) -> Result<String, Failure> {
    Prompt {
        name: "write",
        text,
    }
    .fill(values)
}

#[test]
fn placeholders_are_replaced_once() {
    let values = [("name", "{{ other }}"), ("max", "9")];
    assert_eq!(
        fill("\n{{ name }}: {{max}} {\n", &values).unwrap(),
        "{{ other }}: 9 {"
    );
}

#[test]
fn a_placeholder_without_a_value_is_named() {
    let failure = fill("{{ nme }}", &[("name", "Tin")]).unwrap_err();
    assert_eq!(
        failure.message,
        "prompts/write.md: there is no value for {{ nme }}; placeholders that have one: name"
    );
    assert!(
        fill("{{ name", &[("name", "Tin")])
            .unwrap_err()
            .message
            .contains("not closed")
    );
}
