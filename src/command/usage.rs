//! Wrong usage is told as every other error is: in one line.

/// What clap has to say, without the usage that it would show behind.
pub fn line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let paragraphs = text.strip_prefix("error: ").unwrap_or(&text).split("\n\n").map(words);
    let told = |paragraph: &String| !paragraph.starts_with("Usage:") && !paragraph.starts_with("For more information");
    paragraphs.filter(told).collect::<Vec<_>>().join("; ")
}

fn words(paragraph: &str) -> String {
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}
