//! Text form of schedules: names, and options with their defaults.

use std::fmt;

use super::Schedule;
use crate::error::{Error, Result};
use crate::text::{Term, number, option, required, shortest, term};

/// Kind of schedule that [`Schedule::parse`] accepts.
struct Kind {
    name: &'static str,
    /// Options, each with its default.
    options: &'static [(&'static str, Usual)],
    formula: &'static str,
}

/// Default of an option.
#[derive(Clone, Copy)]
enum Usual {
    Number(f64),
    /// Number of training steps, divided by this number and rounded up.
    Steps(u64),
    /// Factor per step whose product over all training steps is this number.
    Decay(f64),
    /// No default: the option must be given, as in this example.
    Needed(&'static str),
}

use Usual::{Decay, Needed, Number, Steps};

/// All kinds of schedules that have a text form.
const KINDS: [Kind; 10] = [
    kind("constant", &[], "1"),
    kind("cosine", &[("steps", Steps(1)), ("end", Number(0.0))], "end + (1 - end)·(1 + cos(pi·t / steps)) / 2"),
    kind(
        "cosine_restarts",
        &[("steps", Steps(4)), ("growth", Number(1.0)), ("end", Number(0.0))],
        "half cosines from 1 to end, each growth times as long as the one before",
    ),
    kind(
        "cosine_log",
        &[("steps", Steps(1)), ("cycles", Number(4.0))],
        "(1 - cos(2·pi·log2(1 + (2^cycles - 1)·t / steps))) / 2: growing cycles",
    ),
    kind("exponential", &[("factor", Decay(0.01))], "factor^t"),
    kind("inverse_square_root", &[("steps", Steps(4))], "sqrt(steps / t), at most 1"),
    kind(
        "multi_step",
        &[("milestones", Needed("30 60")), ("factor", Number(0.1))],
        "factor^(number of milestones so far)",
    ),
    kind(
        "one_cycle",
        &[("steps", Steps(1)), ("rise", Number(0.3)), ("start", Number(0.04)), ("end", Number(4e-6))],
        "half a cosine from start to 1 in rise·steps steps, then one from 1 to end",
    ),
    kind("polynomial", &[("steps", Steps(1)), ("power", Number(1.0))], "(1 - t / steps)^power"),
    kind("step", &[("steps", Steps(10)), ("factor", Number(0.1))], "factor^(t / steps, rounded down)"),
];

const fn kind(name: &'static str, options: &'static [(&'static str, Usual)], formula: &'static str) -> Kind {
    Kind { name, options, formula }
}

impl Kind {
    /// Returns the name with the defaults of all options.
    fn signature(&self) -> String {
        let values: Vec<_> = self.options.iter().map(|(name, usual)| format!("{name}={usual}")).collect();
        term(self.name, &values)
    }

    /// Returns the default of an option of this kind.
    fn usual(&self, name: &str) -> Usual {
        self.options.iter().find(|(option, _)| *option == name).map_or(Needed(""), |(_, usual)| *usual)
    }
}

impl Usual {
    /// Returns the default for `all` training steps, or NaN if there is no default.
    fn number(self, all: u64) -> f64 {
        match self {
            Number(number) => number,
            Steps(parts) => all.div_ceil(parts) as f64,
            Decay(total) => total.powf(1.0 / all.max(1) as f64),
            Needed(_) => f64::NAN,
        }
    }

    /// Returns the default of a whole-number option for `all` training steps. Divisions are exact, without f64.
    fn whole(self, all: u64) -> u64 {
        if let Steps(parts) = self { all.div_ceil(parts) } else { self.number(all) as u64 }
    }
}

impl fmt::Display for Usual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number(number) => f.write_str(&shortest(number)),
            Steps(1) => f.write_str("all"),
            Steps(parts) => write!(f, "all/{parts}"),
            Decay(total) => write!(f, "{total}^(1/all)"),
            Needed(example) => f.write_str(example),
        }
    }
}

impl Schedule {
    /// Names that [`Schedule::parse`] accepts.
    pub const NAMES: [&'static str; KINDS.len()] = {
        let mut names = [""; KINDS.len()];
        let mut kind = 0;
        while kind < names.len() {
            names[kind] = KINDS[kind].name;
            kind += 1;
        }
        names
    };

    /// Returns the text of each kind with the defaults of its options, and its formula, for `wgrad list`. There, `all`
    /// is the number of training steps, and t the step.
    #[doc(hidden)]
    pub fn all() -> impl Iterator<Item = (String, &'static str)> {
        KINDS.iter().map(|kind| (kind.signature(), kind.formula))
    }

    /// Parses a schedule for `steps` training steps: a name of [`Schedule::NAMES`], with options in parentheses. If the
    /// schedule's own option `steps` is left out, its default is the number of training steps; for the schedule `step`
    /// a tenth of it, and for `inverse_square_root` and `cosine_restarts` a quarter. Milestones are separated by
    /// spaces: `multi_step(30 60, factor=0.1)`.
    ///
    /// # Errors
    /// Unknown names and options, and values out of range.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Schedule;
    /// assert_eq!(Schedule::parse("cosine", 100)?, Schedule::cosine(100));
    /// assert_eq!(Schedule::parse("step(30, factor=0.5)", 100)?, Schedule::Step { steps: 30, factor: 0.5 });
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn parse(text: &str, steps: u64) -> Result<Self> {
        let term = Term::parse("schedule", text)?;
        let Some(kind) = KINDS.iter().find(|kind| kind.name == term.name) else {
            return Err(Error::unknown("schedule", term.name, &Self::NAMES));
        };
        let names: Vec<&str> = kind.options.iter().map(|(name, _)| *name).collect();
        let (options, place) = (term.named("schedule", &names)?, format!("schedule `{}`", kind.name));
        let real = |name: &str| {
            option(&options, name)
                .map_or(Ok(kind.usual(name).number(steps)), |text| number(&place, name, text, "a number"))
        };
        let whole = |name: &str| {
            option(&options, name).map_or(Ok(kind.usual(name).whole(steps)), |text| {
                number(&place, name, text, "a whole number of at least 1")
            })
        };
        let schedule = match kind.name {
            "cosine" => Self::Cosine { start: 0.0, warmup_steps: 0, steps: whole("steps")?, end: real("end")? },
            "cosine_restarts" => {
                Self::CosineRestarts { steps: whole("steps")?, growth: whole("growth")?, end: real("end")? }
            }
            "cosine_log" => Self::CosineLog { steps: whole("steps")?, cycles: whole("cycles")?.min(64) as u32 },
            "exponential" => Self::Exponential { factor: real("factor")? },
            "inverse_square_root" => Self::InverseSquareRoot { steps: whole("steps")? },
            "multi_step" => {
                let text = required(&options, &place, "milestones", &kind.signature())?;
                let milestone = |text| number(&place, "milestones", text, "whole numbers, separated by spaces");
                let milestones = text.split_whitespace().map(milestone).collect::<Result<_>>()?;
                Self::MultiStep { milestones, factor: real("factor")? }
            }
            "one_cycle" => {
                Self::OneCycle { steps: whole("steps")?, rise: real("rise")?, start: real("start")?, end: real("end")? }
            }
            "polynomial" => Self::Polynomial { steps: whole("steps")?, power: real("power")? },
            "step" => Self::Step { steps: whole("steps")?, factor: real("factor")? },
            _ => Self::Constant,
        };
        schedule.check()?;
        Ok(schedule)
    }
}
