use super::names::words;
use super::*;
use dataset::{Copies, DatasetConfig};

fn proposed(name: &str, text: &str) -> Result<Proposal, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let survey = Survey::of(&DatasetConfig::new(path), &Copies::passing(), None).unwrap();
    let none = Wish {
        id: None,
        name: None,
        category: None,
    };
    Proposal::of(&survey, &none).map_err(|error| {
        error
            .to_string()
            .replace(&folder.path().display().to_string(), "")
    })
}

fn roles(text: &str) -> (String, String, Option<String>, Option<String>, bool) {
    let proposal = proposed("things.csv", text).unwrap();
    (
        proposal.id.field,
        proposal.name.field,
        proposal.category.map(|chosen| chosen.field),
        proposal.default_category,
        proposal.safe_ids,
    )
}

#[test]
fn what_fields_hold_counts_before_what_they_are_called() {
    let text = "id,sku,title,type,price\n1,a-1,Lamp,light,5\n1,a-2,Torch,light,6\n1,a-3,Chair,seat,7\n1,a-4,Stool,seat,7\n";
    assert_eq!(
        roles(text),
        (
            "sku".into(),
            "title".into(),
            Some("type".into()),
            None,
            false
        )
    );
}

#[test]
fn what_a_field_is_called_counts_before_whether_it_is_a_file_name() {
    let id = |text: &str| roles(text).0;
    assert_eq!(
        id("Handle,EAN\nNORDIC LAMP,4006381333931\nOak Chair,4006381333932\n"),
        "Handle"
    );
    assert_eq!(
        id("id,slug\nOak Chair,oak-chair\nNordic Lamp,nordic-lamp\n"),
        "slug"
    );
}

#[test]
fn of_a_handful_of_records_two_that_share_a_category_are_enough() {
    let category = |rows: &str| roles(&format!("id,name,category\n{rows}")).2;
    let two = "a-1,Lamp,light\na-2,Torch,light\na-3,Chair,seat\n";
    assert_eq!(category(two).as_deref(), Some("category"));
    assert_eq!(category("a-1,Lamp,light\na-2,Chair,seat\n"), None);
}

#[test]
fn ids_and_categories_that_are_no_file_names_are_made_safe() {
    let text = "Product Name,Department\nOak Table,Home & Garden\nAsh Table,Home & Garden\nSaw,Tools\nDrill,Tools\n";
    assert_eq!(
        roles(text),
        (
            "Product Name".into(),
            "Product Name".into(),
            Some("Department".into()),
            None,
            true
        )
    );
}

#[test]
fn without_a_category_there_is_one_for_all() {
    let text = "id,name\n1,A\n2,B\n3,C\n";
    assert_eq!(
        roles(text),
        (
            "id".into(),
            "name".into(),
            None,
            Some("things".into()),
            false
        )
    );
}

#[test]
fn records_without_a_category_are_in_another_one() {
    let text = "id,name,category\n1,A,x\n2,B,x\n3,C,\n4,D,x\n";
    assert_eq!(
        roles(text),
        (
            "id".into(),
            "name".into(),
            Some("category".into()),
            Some("other".into()),
            false
        )
    );
}

#[test]
fn where_no_field_is_unique_each_says_why_not() {
    let text = "sku,name,price\na,Lamp,1\nb,Lamp,2\na,Chair,2\n";
    insta::assert_snapshot!(proposed("things.csv", text).unwrap_err(), @r#"
    no field of /things.csv can be the id, which must be different in every record:
      `name`: lines 2 and 3 have the same, "Lamp"
      `sku`: lines 2 and 4 have the same, "a"
      `price`: lines 3 and 4 have the same, "2"
    hint: add a field to every record that numbers or names it, as in `id`, or fix the values above; then run `batchgen init` again
    "#);
}

#[test]
fn names_of_fields_are_words() {
    assert_eq!(words("productId"), ["product", "id"]);
    assert_eq!(words("Product ID"), ["product", "id"]);
    assert_eq!(words("_sku"), ["sku"]);
    assert!(
        fit("id", IDS) > fit("product_id", IDS) && fit("product_id", IDS) > fit("identity", IDS)
    );
}
