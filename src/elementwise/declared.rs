//! Declared function with values for its parameters: the part that activation functions and losses have in common.

use std::marker::PhantomData;

use super::Parameter;
use crate::error::{Error, Result};
use crate::text::{Term, number, option, term};

/// Declaration in a table of functions.
pub trait Declaration: Sized + 'static {
    /// The table. Kernels identify a function by its index in this table.
    const ALL: &'static [Self];
    /// Kind of the functions, for messages.
    const KIND: &'static str;

    /// Returns the name.
    fn name(&self) -> &'static str;

    /// Returns the abbreviations of the name.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns the parameters, at most two.
    fn parameters(&self) -> &'static [Parameter];
}

/// Function of a table, with values for up to two parameters. Values of missing parameters are 0.
pub struct Declared<D> {
    number: u32,
    values: [f32; 2],
    table: PhantomData<fn() -> D>,
}

impl<D> Clone for Declared<D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Declared<D> {}

impl<D> PartialEq for Declared<D> {
    fn eq(&self, other: &Self) -> bool {
        (self.number, self.values) == (other.number, other.values)
    }
}

impl<D> Declared<D> {
    /// Creates the function with index `number`. `values` has its parameters, followed by zeros.
    pub const fn exactly(number: u32, values: [f32; 2]) -> Self {
        Self { number, values, table: PhantomData }
    }

    /// Returns the index in the table.
    pub const fn number(self) -> u32 {
        self.number
    }

    /// Returns the values of the parameters, followed by zeros.
    pub const fn values(self) -> [f32; 2] {
        self.values
    }
}

impl<D: Declaration> Declared<D> {
    /// Creates the function with index `number`. Values of parameters that it does not have become 0.
    ///
    /// # Panics
    /// If `number` is not an index of the table. It always comes from [`Self::number`], never from a file or a user.
    pub fn new(number: u32, mut values: [f32; 2]) -> Self {
        let count = D::ALL[number as usize].parameters().len();
        values.iter_mut().skip(count).for_each(|value| *value = 0.0);
        Self::exactly(number, values)
    }

    /// Returns all functions, with the default of every parameter.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).zip(D::ALL).map(|(number, declaration)| {
            let value = |place: usize| declaration.parameters().get(place).map_or(0.0, |parameter| parameter.default);
            Self::exactly(number, [value(0), value(1)])
        })
    }

    /// Returns the declaration.
    pub fn declaration(self) -> &'static D {
        &D::ALL[self.number as usize]
    }

    /// Returns each parameter with its value.
    pub fn parameters(self) -> impl Iterator<Item = (&'static Parameter, f32)> {
        self.declaration().parameters().iter().zip(self.values)
    }

    /// Returns the name with all parameters, such as `huber(delta=1)`.
    pub fn signature(self) -> String {
        let values: Vec<_> =
            self.parameters().map(|(parameter, value)| format!("{}={value}", parameter.name)).collect();
        term(self.declaration().name(), &values)
    }

    /// Parses a term. Returns `None` if no function has the term's name.
    pub(crate) fn from_term(term: &Term<'_>, place: &str) -> Option<Result<Self>> {
        let is_called = |function: &Self| {
            function.declaration().name() == term.name || function.declaration().aliases().contains(&term.name)
        };
        Self::all().find(is_called).map(|function| function.with_arguments(term, place))
    }

    /// Parses a text. The error for an unknown name lists all names.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let term = Term::parse(D::KIND, text)?;
        let place = format!("{} `{}`", D::KIND, term.name);
        let unknown = || {
            let names = D::ALL.iter().map(Declaration::name);
            let known: Vec<_> = names.chain(D::ALL.iter().flat_map(|function| function.aliases()).copied()).collect();
            Err(Error::unknown(D::KIND, term.name, &known))
        };
        let function = Self::from_term(&term, &place).unwrap_or_else(unknown)?;
        function.check(&format!("{} `{}`", D::KIND, function.declaration().name()))?;
        Ok(function)
    }

    fn with_arguments(mut self, term: &Term<'_>, place: &str) -> Result<Self> {
        let names: Vec<&str> = self.declaration().parameters().iter().map(|parameter| parameter.name).collect();
        let options = term.named(D::KIND, &names)?;
        for (value, name) in self.values.iter_mut().zip(names) {
            if let Some(text) = option(&options, name) {
                *value = number(place, name, text, "a number")?;
            }
        }
        Ok(self)
    }

    /// Checks that the values of the parameters are within their limits.
    pub(crate) fn check(self, place: &str) -> Result<()> {
        self.parameters().try_for_each(|(parameter, value)| parameter.check(place, value))
    }
}
