//! What an edit does to one field.

/// What an edit does to a field that may be empty. A field that is never empty has an [`Option`] instead: its new value,
/// or `None` to keep it.
///
/// ```
/// use license_manager_domain::Edit;
///
/// let mut note = Some("renews in May");
/// Edit::Keep.apply(&mut note);
/// assert_eq!(note, Some("renews in May"));
/// Edit::Set("renews in June").apply(&mut note);
/// assert_eq!(note, Some("renews in June"));
/// Edit::Clear.apply(&mut note);
/// assert_eq!(note, None);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Edit<T> {
    /// Keeps the value.
    #[default]
    Keep,
    /// Empties the field.
    Clear,
    /// Sets the value.
    Set(T),
}

impl<T> Edit<T> {
    /// Edits the field.
    pub fn apply(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }

    /// The edit with its value converted.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Edit<U> {
        match self {
            Self::Keep => Edit::Keep,
            Self::Clear => Edit::Clear,
            Self::Set(value) => Edit::Set(convert(value)),
        }
    }

    /// The edit that makes one value of another; it keeps one that is the same.
    pub fn between(before: &Option<T>, after: Option<T>) -> Self
    where
        T: PartialEq,
    {
        if *before == after { Self::Keep } else { after.into() }
    }
}

/// Sets a value; `None` clears the field.
impl<T> From<Option<T>> for Edit<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

/// A change of one field: an [`Option`] of one that is never empty, an [`Edit`] of one that may be.
pub(crate) trait FieldEdit<F> {
    /// Edits the field.
    fn edit(self, field: &mut F);
}

impl<T> FieldEdit<T> for Option<T> {
    fn edit(self, field: &mut T) {
        if let Some(value) = self {
            *field = value;
        }
    }
}

impl<T> FieldEdit<Option<T>> for Edit<T> {
    fn edit(self, field: &mut Option<T>) {
        self.apply(field);
    }
}
