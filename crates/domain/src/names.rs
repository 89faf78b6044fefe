/// Defines the names of an enum's variants in storage, on the wire and in metrics.
#[macro_export]
macro_rules! names {
    ($type:ident { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// All variants, in the order of their declaration.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// Its name in storage, on the wire and in metrics.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }

            /// The variant with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|variant| variant.as_str() == name)
            }
        }
    };
}

/// Edits the fields by the changes of the same names.
macro_rules! set_fields {
    ($target:ident, $changes:ident: $($field:ident),+) => {
        $($crate::model::edit::FieldEdit::edit($changes.$field, &mut $target.$field);)+
    };
}
