//! Paths of files that a command reads or writes.

use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use wgrad::model::check_replaceable;
use wgrad::{Error, Model, Result};

use super::data::STANDARD;

/// Creates a parser of paths that refuses `-`, which stands for standard input or output.
pub fn on_disk() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path == Path::new(STANDARD) {
        true => Err("it must be on disk; only tables and predictions can be standard input and output"),
        false => Ok(path),
    })
}

/// Checks that a result can be written to `path`, and that it would not replace a model.
pub fn check_result(path: &Path) -> Result<()> {
    if path.is_file() && Model::load(path).is_ok() {
        let problem = "it holds a model, which would be lost";
        return Err(Error::conflict(path.display().to_string(), problem, "name another file, or remove this one"));
    }
    check_replaceable(path)
}
