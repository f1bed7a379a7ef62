use super::*;
use sdk::testing;

#[test]
fn a_name_and_a_category_tell_nothing() {
    let input = Input::new(testing::input("oak", "Oak", "wood"));
    let (mut material, category) = (Material::default(), Category::default());
    assert!(!tell(&facts(&input, &material, &category)));
    material.contaminants = vec!["soot".to_owned()];
    assert!(tell(&facts(&input, &material, &category)));
}
