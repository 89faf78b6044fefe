//! What an edit does to a field that may be empty.

use license_manager_domain::Edit;

#[test]
fn the_edit_between_two_values_makes_one_of_the_other_and_keeps_what_is_the_same() {
    let expected = [
        (None, None, Edit::Keep),
        (None, Some(1), Edit::Set(1)),
        (Some(1), Some(1), Edit::Keep),
        (Some(1), Some(2), Edit::Set(2)),
        (Some(1), None, Edit::Clear),
    ];
    for (before, after, edit) in expected {
        assert_eq!(Edit::between(&before, after), edit, "{before:?} to {after:?}");
        let mut field = before;
        edit.apply(&mut field);
        assert_eq!(field, after);
    }
}
