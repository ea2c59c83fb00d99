//! Parts of help texts that differ between commands.

use clap::Arg;
use clap::builder::StyledStr;

/// Adds a default to the first line of an option's help, and sentences to its details.
pub fn with_default(option: Arg, default: &str, sentences: &[&str]) -> Arg {
    let (first, details) = parts(&option);
    extended(option, format!("{first} [default: {default}]"), details, sentences)
}

/// Adds a sentence to the details of an option's help.
pub fn with_details(option: Arg, sentence: &str) -> Arg {
    let (first, details) = parts(&option);
    extended(option, first, details, &[sentence])
}

/// Splits the help of an option into its first line and its details.
fn parts(option: &Arg) -> (String, String) {
    let text = |text: Option<&StyledStr>| text.map(StyledStr::to_string).unwrap_or_default();
    let long = text(option.get_long_help());
    let details = long.split_once("\n\n").map_or("", |(_, details)| details);
    (text(option.get_help()), details.into())
}

fn extended(option: Arg, first: String, details: String, sentences: &[&str]) -> Arg {
    let option = option.help(first.clone());
    let details = std::iter::once(&details[..]).chain(sentences.iter().copied());
    match details.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ") {
        details if details.is_empty() => option,
        details => option.long_help(format!("{first}\n\n{details}")),
    }
}
