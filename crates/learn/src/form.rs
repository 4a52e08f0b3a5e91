//! What kind of text a query or a cell is, as bits and small numbers.
//!
//! It may not know texts: who has one fills these in.

/// What a question asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Asks {
    /// It is no question, or of no kind below.
    #[default]
    Other,
    /// A person.
    Who,
    /// A thing.
    What,
    /// One of several.
    Which,
    /// A time.
    When,
    /// A place.
    Where,
    /// A reason.
    Why,
    /// A manner.
    How,
    /// A number or an amount.
    HowMany,
    /// Yes or no.
    YesNo,
}

/// What kind of query it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct QueryForm {
    /// What it asks for.
    pub asks: Asks,
    /// Number of its words.
    pub words: u32,
    /// Number of its words that look like names: capitals inside a sentence.
    pub names: u32,
    /// Whether it names a month or a year.
    pub time: bool,
    /// Whether it is about who asks ("I", "my", "we").
    pub first_person: bool,
}

impl QueryForm {
    /// Nothing is known about the query.
    pub const UNKNOWN: Self = Self {
        asks: Asks::Other,
        words: 0,
        names: 0,
        time: false,
        first_person: false,
    };
}

/// What kind of text a cell is: a set of the bits below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CellForm(pub u32);

impl CellForm {
    /// It ends by asking: what asks seldom answers.
    pub const ASKS: u32 = 1;
    /// It has a number.
    pub const NUMBER: u32 = 1 << 1;
    /// It has a word of time: a weekday, a month, "yesterday", "ago".
    pub const TIME: u32 = 1 << 2;
    /// It has a word that looks like a name: a capital inside a sentence.
    pub const NAME: u32 = 1 << 3;
    /// Somebody speaks of themselves in it ("I", "my", "we").
    pub const FIRST_PERSON: u32 = 1 << 4;
    /// It has code, a path or an identifier.
    pub const CODE: u32 = 1 << 5;
    /// It denies something ("not", "never", "no longer").
    pub const NEGATES: u32 = 1 << 6;
    /// All bits.
    pub const ALL: u32 = (1 << 7) - 1;

    /// Whether all of these bits are set.
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits == bits
    }

    /// With these bits set or not.
    #[must_use]
    pub const fn with(self, bits: u32, set: bool) -> Self {
        Self(if set { self.0 | bits } else { self.0 & !bits })
    }
}
