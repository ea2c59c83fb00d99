//! Declared function with values for its parameters. Activation functions and loss functions share this code.

use std::iter;
use std::marker::PhantomData;

use super::Parameter;
use crate::error::{Error, Result};
use crate::text::{Term, number, option, term};

/// Declaration in a table of functions.
pub trait Declaration: Sized + 'static {
    /// The table. Kernels identify a function by its index in this table.
    const ALL: &'static [Self];
    /// Kind of the functions that errors name, such as `loss`.
    const KIND: &'static str;

    /// Returns the name.
    fn name(&self) -> &'static str;

    /// Returns the abbreviations of the name.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns the parameters: at most two, or one list.
    fn parameters(&self) -> &'static [Parameter];
}

/// Function of a table, with up to N values for its parameters. Missing values are 0.
pub struct Declared<D, const N: usize> {
    number: u32,
    values: [f32; N],
    table: PhantomData<fn() -> D>,
}

impl<D, const N: usize> Clone for Declared<D, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D, const N: usize> Copy for Declared<D, N> {}

impl<D, const N: usize> PartialEq for Declared<D, N> {
    fn eq(&self, other: &Self) -> bool {
        (self.number, self.values) == (other.number, other.values)
    }
}

impl<D, const N: usize> Declared<D, N> {
    /// Creates the function with index `number`. `values` has its parameters, followed by zeros.
    pub const fn exactly(number: u32, values: [f32; N]) -> Self {
        Self { number, values, table: PhantomData }
    }

    /// Returns the index in the table.
    pub const fn number(self) -> u32 {
        self.number
    }

    /// Returns the values of the parameters, followed by zeros.
    pub const fn values(self) -> [f32; N] {
        self.values
    }
}

impl<D: Declaration, const N: usize> Declared<D, N> {
    /// Creates the function with index `number`. Values of parameters that it does not have become 0.
    ///
    /// # Panics
    /// If `number` is not an index of the table. It always comes from [`Self::number`], never from a file or a user.
    pub fn new(number: u32, mut values: [f32; N]) -> Self {
        let count = if is_list::<D>(number) { N } else { D::ALL[number as usize].parameters().len() };
        values.iter_mut().skip(count).for_each(|value| *value = 0.0);
        Self::exactly(number, values)
    }

    /// Returns all functions, with the default of every parameter.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).zip(D::ALL).map(|(number, declaration)| {
            let of_parameter = |parameter: &'static Parameter| iter::once(&parameter.default).chain(parameter.more);
            let mut defaults = declaration.parameters().iter().flat_map(of_parameter);
            Self::exactly(number, std::array::from_fn(|_| defaults.next().copied().unwrap_or(0.0)))
        })
    }

    /// Returns the declaration.
    pub fn declaration(self) -> &'static D {
        &D::ALL[self.number as usize]
    }

    /// Returns `true` if the only parameter is a list of up to N numbers.
    pub fn is_list(self) -> bool {
        is_list::<D>(self.number)
    }

    /// Returns each parameter with its value. A list is one parameter with several values; it ends with its last value
    /// that is not 0.
    pub fn parameters(self) -> impl Iterator<Item = (&'static Parameter, f32)> {
        let parameters = self.declaration().parameters();
        let count = match self.is_list() {
            true => self.values.iter().rposition(|value| *value != 0.0).map_or(1, |last| last + 1),
            false => parameters.len(),
        };
        (0..count).map(move |place| (&parameters[place.min(parameters.len() - 1)], self.values[place]))
    }

    /// Returns the name with all parameters, such as `huber(delta=1)` or `quantiles(0.1, 0.9)`.
    pub fn signature(self) -> String {
        let text = |(parameter, value): (&Parameter, f32)| match self.is_list() {
            true => value.to_string(),
            false => format!("{}={value}", parameter.name),
        };
        let values: Vec<_> = self.parameters().map(text).collect();
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
        let mut names: Vec<&str> = self.declaration().parameters().iter().map(|parameter| parameter.name).collect();
        if self.is_list() && !term.arguments.is_empty() {
            if let Some((key, value)) = term.arguments.iter().find(|(key, _)| !key.is_empty()) {
                let wanted = format!("numbers alone, as in `{}(0.1, 0.9)`", term.name);
                return Err(Error::value(place, "list", format!("`{key}={value}`"), &wanted));
            }
            self.values = [0.0; N];
            names = NUMBERED[..N].to_vec();
        }
        let options = term.named(D::KIND, &names)?;
        for (value, name) in self.values.iter_mut().zip(names) {
            if let Some(text) = option(&options, name) {
                *value = number(place, name, text, "a number")?;
            }
        }
        Ok(self)
    }

    /// Checks that the values of the parameters are within their limits, and that the values of a list increase.
    /// `place` is the location that an error names.
    pub(crate) fn check(self, place: &str) -> Result<()> {
        self.parameters().try_for_each(|(parameter, value)| parameter.check(place, value))?;
        let values: Vec<f32> = self.parameters().map(|(_, value)| value).collect();
        match values.windows(2).find(|pair| self.is_list() && pair[0] >= pair[1]) {
            None => Ok(()),
            Some(pair) => {
                let (name, wanted) = (self.declaration().parameters()[0].name, format!("above {}", pair[0]));
                Err(Error::value(place, name, pair[1], &(wanted + ", the one before it")))
            }
        }
    }
}

/// Names of the values of a list in errors.
const NUMBERED: [&str; 8] = ["value 1", "value 2", "value 3", "value 4", "value 5", "value 6", "value 7", "value 8"];

/// Returns `true` if the only parameter of the function with index `number` is a list.
fn is_list<D: Declaration>(number: u32) -> bool {
    D::ALL[number as usize].parameters().iter().any(|parameter| !parameter.more.is_empty())
}
