//! How a section of the settings is declared.

/// Declares a section: for each key its type and, unless it is empty, its default.
macro_rules! section {
    (
        $(#[$doc:meta])* struct $name:ident;
        $($(#[$key_doc:meta])* $key:ident: $type:ty $(= $default:expr)?;)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$key_doc])* pub $key: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: section!(@default $($default)?),)* }
            }
        }
    };
    (@default $default:expr) => { $default };
    (@default) => { Default::default() };
}
pub(super) use section;
